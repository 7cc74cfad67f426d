"""Reading items, of which a conversation and an answer are made: messages, reasoning, calls and their results.

What a model wrote is one item after another. Until somebody else speaks they are one turn, and one canonical message.
"""

from __future__ import annotations

from collections.abc import Callable

from msgspec import Raw

from jackfield.wire.chat import (
    NOTHING,
    File,
    Image,
    Item,
    Message,
    Opaque,
    Part,
    Refusal,
    Role,
    Text,
    Thinking,
    ToolCall,
    ToolResult,
    freeze,
)
from jackfield.wire.crossing import extra_of, spread_rest
from jackfield.wire.json import (
    NULL,
    Fields,
    encode,
    encoded,
    read_fields_list,
    read_optional_text,
    read_text,
    read_text_or_fields_list,
    take,
    wrong,
)
from jackfield.wire.openai_responses.parts import FORMAT, is_within, read_content
from jackfield.wire.sealing import unseal

_ROLES: dict[bytes, Role] = {encode(role): role for role in ("system", "developer", "user", "assistant")}
REFERENCE = "item_reference"
# What an item has beside its parts stands with the first of them, under names that begin with this.
ITEM = "item"


def read_input(raw: Raw, path: str) -> tuple[Message, ...]:
    """A request's `input`: a text, or items."""
    items = read_text_or_fields_list(raw, path)
    if isinstance(items, str):
        return (Message(role="user", parts=(Text(text=items),)),)
    turns = _Turns()
    for index, fields in enumerate(items):
        turns.add(fields, f"{path}[{index}]")
    return turns.end()


def read_output(raw: Raw, path: str) -> tuple[Part, ...]:
    """An answer's `output`: the parts of one message."""
    parts: list[Part] = []
    for index, fields in enumerate(read_fields_list(raw, path)):
        place = f"{path}[{index}]"
        parts += _read_said(fields, _kind_of(fields, place), place)
    return tuple(parts)


def _kind_of(fields: Fields, path: str) -> str:
    """A message may leave out what it is, and so may a reference to an item that the upstream keeps."""
    raw = fields.get("type", NULL)
    if raw == NULL:
        if "role" not in fields and "id" not in fields:
            raise wrong(f"{path}.type", "required")
        return "message" if "role" in fields else REFERENCE
    return read_text(raw, f"{path}.type")


class _Turns:
    """`open` are the parts of a model's turn that goes on."""

    __slots__ = ("_messages", "_open")

    def __init__(self) -> None:
        self._messages: list[Message] = []
        self._open: list[Part] = []

    def add(self, fields: Fields, path: str) -> None:
        kind = _kind_of(fields, path)
        if kind == "message":
            role = _ROLES.get(bytes(fields.get("role", NULL)))
            if role is None:
                raise wrong(f"{path}.role", "expected user, assistant, system or developer")
            if role != "assistant":
                self._close()
                self._messages.append(_read_message(fields, role, path))
                return
            # Two messages of a model's are two turns, unless one of them comes after its calls.
            if self._open and is_within(self._open[-1]):
                self._close()
        elif kind == "function_call_output":
            self._close()
            self._messages.append(Message(role="tool", parts=(_read_result(fields, path),)))
            return
        self._open += _read_said(fields, kind, path)

    def end(self) -> tuple[Message, ...]:
        self._close()
        return tuple(self._messages)

    def _close(self) -> None:
        if self._open:
            self._messages.append(Message(role="assistant", parts=tuple(self._open)))
            self._open = []


def _take_item(fields: Fields, path: str) -> Item | None:
    """Removes and reads what says which item this is."""
    if "id" not in fields and "status" not in fields:
        return None
    identifier = read_optional_text(fields.pop("id", NULL), f"{path}.id")
    status = read_optional_text(fields.pop("status", NULL), f"{path}.status")
    return Item(id=identifier, status=status) if identifier or status else None


def _read_message(fields: Fields, role: Role, path: str) -> Message:
    fields.pop("type", None)
    del fields["role"]
    parts = take(fields, "content", read_content, path)
    item = _take_item(fields, path)
    return Message(role=role, parts=parts, item=item, extra=extra_of(fields, "", {}))


def _read_said(fields: Fields, kind: str, path: str) -> tuple[Part, ...]:
    read = _READERS.get(kind)
    if read is None:
        return (Opaque(format=FORMAT, type=kind, raw=encoded(fields)),)
    fields.pop("type", None)
    return read(fields, path)


def _read_written(fields: Fields, path: str) -> tuple[Part, ...]:
    fields.pop("role", None)
    content = take(fields, "content", read_content, path)
    item = _take_item(fields, path)
    rest = spread_rest(fields, ITEM)
    first = next((index for index, part in enumerate(content) if isinstance(part, Text | Refusal)), 0)
    return tuple(_in_item(part, item, rest if index == first else {}) for index, part in enumerate(content))


def _in_item(part: Part, item: Item | None, rest: Fields) -> Part:
    if not isinstance(part, Text | Refusal) or (item is None and not rest):
        return part
    extra = freeze({**part.extra, **rest})
    return type(part)(text=part.text, item=item, extra=extra)


def _read_call(fields: Fields, path: str) -> tuple[ToolCall]:
    call = ToolCall(
        id=take(fields, "call_id", read_text, path),
        name=take(fields, "name", read_text, path),
        arguments=read_optional_text(fields.pop("arguments", NULL), f"{path}.arguments") or "",
        item=_take_item(fields, path),
        extra=extra_of(fields, "", {}),
    )
    return (call,)


def _read_result(fields: Fields, path: str) -> ToolResult:
    del fields["type"]
    identifier = take(fields, "call_id", read_text, path)
    output = take(fields, "output", read_content, path)
    kept = tuple(part for part in output if isinstance(part, Text | Image | File | Opaque))
    if len(kept) < len(output):
        raise wrong(f"{path}.output", "a tool's result cannot hold a refusal")
    item = _take_item(fields, path)
    return ToolResult(tool_call_id=identifier, parts=kept, item=item, extra=extra_of(fields, "", {}))


def _read_reasoning(fields: Fields, path: str) -> tuple[Thinking, ...]:
    """One part for each summary and each text; what is encrypted belongs to all of them and stands with the last."""
    thoughts = [
        Thinking(text=text, verbatim=name == "content")
        for name in ("summary", "content")
        for text in _read_texts(fields.pop(name, NULL), f"{path}.{name}")
    ] or [Thinking()]
    encrypted = read_optional_text(fields.pop("encrypted_content", NULL), f"{path}.encrypted_content")
    signature, redacted = unseal(encrypted)
    # Parts of one item are known by it, so there is always one.
    item = _take_item(fields, path) or Item()
    rest = freeze(spread_rest(fields, ITEM))
    last = len(thoughts) - 1
    return tuple(
        Thinking(
            text=thought.text,
            verbatim=thought.verbatim,
            signature=signature if place == last else None,
            redacted=redacted if place == last else None,
            item=item,
            extra=rest if place == 0 else NOTHING,
        )
        for place, thought in enumerate(thoughts)
    )


def _read_texts(raw: Raw, path: str) -> list[str]:
    """The texts of a list of `summary_text` or `reasoning_text`."""
    if raw == NULL:
        return []
    parts = enumerate(read_fields_list(raw, path))
    return [take(fields, "text", read_text, f"{path}[{index}]") for index, fields in parts]


_READERS: dict[str, Callable[[Fields, str], tuple[Part, ...]]] = {
    "message": _read_written,
    "function_call": _read_call,
    "reasoning": _read_reasoning,
}
