"""Reading the little of a request that routing needs, without decoding the rest."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Raw

from jackfield.wire.base import Peek
from jackfield.wire.json import Read, may_repeat, read_document, reader
from jackfield.wire.openai_responses.items import REFERENCE


class _Kind(msgspec.Struct):
    type: Any = None
    role: Any = None


class _Head(msgspec.Struct):
    model: str
    stream: bool | None = None
    store: bool | None = None
    background: bool | None = None
    previous_response_id: Raw = Raw(b"null")
    conversation: Raw = Raw(b"null")
    prompt: Raw = Raw(b"null")
    tools: list[_Kind] | None = None
    input: str | list[_Kind] | None = None


_read_head: Read[_Head] = reader(_Head)
_NULL = Raw(b"null")
# Items that stand for what only the upstream has.
_KEPT = frozenset({REFERENCE, "compaction", "compaction_trigger"})


def peek(body: bytes) -> Peek:
    """A body that may name its model twice is read whole, and refused if it does."""
    if may_repeat(body):
        read_document(body)
    head = _read_head(Raw(body), "")
    return Peek(model=head.model, stream=bool(head.stream), stream_usage=True, bound=_bound_by(head))


def _bound_by(head: _Head) -> str | None:
    """The first field that asks for what only an upstream of this format can do: keep something, or run a tool."""
    for name in ("previous_response_id", "conversation", "prompt"):
        if getattr(head, name) != _NULL:
            return name
    for name in ("background", "store"):
        if getattr(head, name):
            return name
    for place, tool in enumerate(head.tools or ()):
        if tool.type != "function":
            return f"tools[{place}]"
    return _reference_in(head.input)


def _reference_in(items: str | list[_Kind] | None) -> str | None:
    if items is None or isinstance(items, str):
        return None
    for place, item in enumerate(items):
        kind = item.type if isinstance(item.type, str) or item.role is not None else REFERENCE
        if kind in _KEPT:
            return f"input[{place}]"
    return None
