"""Tools, the choice among them, and the form of the text, both ways."""

from __future__ import annotations

from typing import Any

from msgspec import Raw

from jackfield.wire.chat import ResponseFormat, Tool, ToolChoice, freeze
from jackfield.wire.crossing import Body, Crossing, extra_of, spread_rest
from jackfield.wire.json import (
    NULL,
    Fields,
    Read,
    encoded,
    read_fields,
    read_fields_list,
    read_flag,
    read_object,
    read_text,
    sort_fields,
    take,
)
from jackfield.wire.openai_responses.parts import FORMAT

_CHOICES = {mode: ToolChoice(mode=mode) for mode in ("auto", "none", "required")}
_ANY_OBJECT = Raw(b'{"type":"object","properties":{}}')
_TOOL: dict[str, tuple[str, Read[Any]]] = {
    "name": ("name", read_text),
    "description": ("description", read_text),
    "parameters": ("parameters", read_object),
    "strict": ("strict", read_flag),
}
_SCHEMA: dict[str, tuple[str, Read[Any]]] = {
    "name": ("name", read_text),
    "schema": ("schema", read_object),
    "strict": ("strict", read_flag),
}


def read_tools(raw: Raw, path: str) -> tuple[Tool, ...]:
    tools = enumerate(read_fields_list(raw, path))
    return tuple(_read_tool(fields, f"{path}[{index}]") for index, fields in tools)


def _read_tool(fields: Fields, path: str) -> Tool:
    """One that the upstream runs by itself is known by its type, a custom one by its name."""
    whole = encoded(fields)
    kind = take(fields, "type", read_text, path)
    if kind == "function":
        values, extra = sort_fields(fields, _TOOL, f"{path}.")
        values.setdefault("name", "")
        if not values["name"]:
            take(fields, "name", read_text, path)
        return Tool(**values, extra=freeze(extra))
    name = fields.get("name", NULL)
    return Tool(
        name=read_text(name, f"{path}.name") if kind == "custom" and name != NULL else kind,
        opaque=whole,
        opaque_format=FORMAT,
    )


def write_tools(tools: tuple[Tool, ...], crossing: Crossing) -> list[Body | Raw]:
    written = (_write_tool(tool, crossing) for tool in tools)
    return [body for body in written if body is not None]


def _write_tool(tool: Tool, crossing: Crossing) -> Body | Raw | None:
    if tool.opaque is not None:
        if tool.opaque_format == FORMAT:
            return tool.opaque
        crossing.drop(f"tools.{tool.name}")
        return None
    body: Body = {"type": "function", "name": tool.name}
    if tool.description is not None:
        body["description"] = tool.description
    if tool.parameters is not None:
        body["parameters"] = tool.parameters
    if tool.strict is not None:
        body["strict"] = tool.strict
    if not crossing.own:
        # Where nothing is said this API is strict, and other APIs are not.
        body = {"parameters": _ANY_OBJECT, "strict": False} | body
    if tool.cache is not None:
        crossing.drop("tools[].cache_control")
    crossing.add_extra(body, tool.extra, "tools[].")
    return body


def take_tool_choice(fields: Fields) -> ToolChoice | None:
    """The choice, where it is one that every format knows; another form stays in `fields`."""
    raw = fields["tool_choice"]
    if raw == NULL:
        del fields["tool_choice"]
        return None
    if bytes(memoryview(raw)[:1]) == b'"':
        choice = _CHOICES.get(read_text(raw, "tool_choice"))
    else:
        choice = _read_named_choice(read_fields(raw, "tool_choice"))
    if choice is not None:
        del fields["tool_choice"]
    return choice


def _read_named_choice(choice: Fields) -> ToolChoice | None:
    if take(choice, "type", read_text, "tool_choice") != "function":
        return None
    name = take(choice, "name", read_text, "tool_choice")
    return None if choice else ToolChoice(mode="tool", name=name)


def write_tool_choice(choice: ToolChoice) -> str | Body:
    return {"type": "function", "name": choice.name} if choice.mode == "tool" else choice.mode


def take_text(fields: Fields) -> ResponseFormat | None:
    """The form of the answer; what else `text` says stays in `fields`, under dotted names."""
    raw = fields.pop("text")
    if raw == NULL:
        return None
    text = read_fields(raw, "text")
    raw_format = text.pop("format", NULL)
    found = _read_format(raw_format) if raw_format != NULL else None
    if found is None and raw_format != NULL:
        text["format"] = raw_format
    fields |= spread_rest(text, "text")
    return found


def _read_format(raw: Raw) -> ResponseFormat | None:
    body = read_fields(raw, "text.format")
    kind = take(body, "type", read_text, "text.format")
    if kind == "json_schema":
        values, extra = sort_fields(body, _SCHEMA, "text.format.")
        return ResponseFormat(kind="json_schema", **values, extra=freeze(extra))
    if kind == "json_object":
        return ResponseFormat(kind="json_object", extra=extra_of(body, "", {}))
    return ResponseFormat(kind="text", extra=extra_of(body, "", {})) if kind == "text" else None


def write_format(wanted: ResponseFormat, crossing: Crossing) -> Body:
    body: Body = {"type": wanted.kind}
    if wanted.kind == "json_schema":
        body["name"] = wanted.name or "response"
        body["schema"] = wanted.schema if wanted.schema is not None else _ANY_OBJECT
        if wanted.strict is not None:
            body["strict"] = wanted.strict
    crossing.add_extra(body, wanted.extra, "text.format.")
    return body
