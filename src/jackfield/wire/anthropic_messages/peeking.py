"""Reading and changing the little of a request that routing needs, without decoding the rest."""

from __future__ import annotations

import msgspec
from msgspec import Raw

from jackfield.wire.base import Peek
from jackfield.wire.json import Read, encode, encoded, may_repeat, read_document, reader


class _Head(msgspec.Struct, frozen=True):
    model: str
    stream: bool | None = None


_read_head: Read[_Head] = reader(_Head)


def peek(body: bytes) -> Peek:
    """A body that may name its model twice is read whole, and refused if it does."""
    if may_repeat(body):
        read_document(body)
    head = _read_head(Raw(body), "")
    return Peek(model=head.model, stream=bool(head.stream), stream_usage=True)


def with_model(body: bytes, model: str) -> bytes:
    fields = read_document(body)
    fields["model"] = encoded(model)
    return encode(fields)
