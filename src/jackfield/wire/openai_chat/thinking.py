"""Reasoning, which compatible servers write beside the content: `reasoning_content` or `reasoning`, and
`thinking_blocks` where it is signed."""

from __future__ import annotations

from typing import Any

from msgspec import Raw

from jackfield.wire.chat import Thinking, freeze
from jackfield.wire.crossing import Body, Crossing
from jackfield.wire.json import NULL, Fields, read_fields_list, read_text, reader, take

_read_optional_text = reader(str | None)


def take_thinking(fields: Fields, path: str) -> tuple[Thinking, ...]:
    """Removes and reads a message's reasoning; signed blocks say the same as the plain text, and more."""
    blocks = fields.pop("thinking_blocks", NULL)
    plain = fields.pop("reasoning_content", NULL)
    if blocks != NULL:
        return read_blocks(blocks, f"{path}.thinking_blocks")
    if plain != NULL:
        text = read_text(plain, f"{path}.reasoning_content")
        return (Thinking(text=text),) if text else ()
    other = fields.get("reasoning", NULL)
    if bytes(memoryview(other)[:1]) != b'"':
        return ()
    del fields["reasoning"]
    text = read_text(other, f"{path}.reasoning")
    # The null remembers the name under which it returns.
    return (Thinking(text=text, extra=freeze({"reasoning": NULL})),) if text else ()


def read_blocks(raw: Raw, path: str) -> tuple[Thinking, ...]:
    blocks = enumerate(read_fields_list(raw, path))
    return tuple(_read_block(fields, f"{path}[{index}]") for index, fields in blocks)


def _read_block(fields: Fields, path: str) -> Thinking:
    kind = take(fields, "type", read_text, path)
    if kind == "redacted_thinking":
        return Thinking(redacted=take(fields, "data", read_text, path), extra=freeze(fields))
    signature = _read_optional_text(fields.pop("signature", NULL), f"{path}.signature")
    text = _read_optional_text(fields.pop("thinking", NULL), f"{path}.thinking")
    return Thinking(text=text or "", signature=signature or None, extra=freeze(fields))


def put_thinking(body: Body, parts: list[Thinking], crossing: Crossing) -> None:
    """Sets the reasoning of a message that stands in a response, or in a request of this very format."""
    if not parts:
        return
    name = "reasoning" if any("reasoning" in part.extra for part in parts) else "reasoning_content"
    if text := "".join(part.text for part in parts):
        body[name] = text
    if any(is_signed(part) for part in parts):
        body["thinking_blocks"] = [_write_block(part, crossing) for part in parts]


def is_signed(part: Thinking) -> bool:
    return bool(part.signature) or part.redacted is not None


def _write_block(part: Thinking, crossing: Crossing) -> dict[str, Any]:
    if part.redacted is not None:
        block: Body = {"type": "redacted_thinking", "data": part.redacted}
    else:
        block = {"type": "thinking", "thinking": part.text, "signature": part.signature or ""}
    crossing.add_extra(block, part.extra, "content.thinking.")
    return block
