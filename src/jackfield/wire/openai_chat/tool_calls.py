"""The tool calls of a message, both ways."""

from __future__ import annotations

from msgspec import Raw

from jackfield.wire.chat import Opaque, ToolCall
from jackfield.wire.crossing import Body, Crossing, extra_of
from jackfield.wire.json import NULL, Fields, encoded, read_fields, read_fields_list, read_text, take, wrong
from jackfield.wire.openai_chat.parts import FORMAT, put_cache

_CUSTOM_CALL = "custom_tool_call"  # the `type` under which a call of a custom tool is an opaque part


def read_tool_calls(raw: Raw, path: str) -> tuple[ToolCall | Opaque, ...]:
    calls = enumerate(read_fields_list(raw, path))
    return tuple(_read_call(fields, f"{path}[{index}]", index) for index, fields in calls)


def _read_call(fields: Fields, path: str, index: int) -> ToolCall | Opaque:
    if "function" not in fields and "custom" in fields:
        return Opaque(format=FORMAT, type=_CUSTOM_CALL, raw=encoded(fields))
    function = take(fields, "function", read_fields, path)
    fields.pop("type", None)
    identifier = fields.pop("id", NULL)
    return ToolCall(
        id=read_text(identifier, f"{path}.id") if identifier != NULL else f"call_{index}",
        name=take(function, "name", read_text, f"{path}.function"),
        arguments=_read_arguments(function.pop("arguments", NULL), f"{path}.function.arguments"),
        extra=extra_of(fields, "function", function),
    )


def is_custom_call(part: Opaque) -> bool:
    return part.type == _CUSTOM_CALL and part.format == FORMAT


def _read_arguments(raw: Raw, path: str) -> str:
    """JSON as text; some servers and clients write the object itself."""
    first = bytes(memoryview(raw)[:1])
    if first == b'"':
        return read_text(raw, path)
    if first == b"{":
        return bytes(raw).decode()
    if raw == NULL:
        return ""
    raise wrong(path, "expected a string")


def write_tool_call(part: ToolCall | Opaque, crossing: Crossing) -> Body | Raw:
    if isinstance(part, Opaque):
        return part.raw
    body: Body = {
        "id": part.id,
        "type": "function",
        "function": {"name": part.name, "arguments": part.arguments},
    }
    put_cache(body, part.cache, crossing, "tool_calls[].")
    if part.extra:
        crossing.add_extra(body, part.extra, "tool_calls[].")
    return body
