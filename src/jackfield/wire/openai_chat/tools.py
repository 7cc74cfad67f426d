"""Tools, the choice among them, and the response format, both ways."""

from __future__ import annotations

from msgspec import Raw

from jackfield.wire.chat import ResponseFormat, Tool, ToolChoice, freeze
from jackfield.wire.crossing import Body, Crossing, extra_of
from jackfield.wire.json import (
    NULL,
    Fields,
    encoded,
    read_fields,
    read_fields_list,
    read_object,
    read_text,
    reader,
    take,
    wrong,
)
from jackfield.wire.openai_chat.parts import FORMAT, put_cache, take_cache

_CHOICES = {mode: ToolChoice(mode=mode) for mode in ("auto", "none", "required")}
_read_optional_text = reader(str | None)
_read_optional_flag = reader(bool | None)


def read_tools(raw: Raw, path: str) -> tuple[Tool, ...]:
    tools = enumerate(read_fields_list(raw, path))
    return tuple(_read_tool(fields, f"{path}[{index}]") for index, fields in tools)


def _read_tool(fields: Fields, path: str) -> Tool:
    if "function" not in fields:
        return _read_opaque_tool(fields, path)
    place = f"{path}.function"
    function = take(fields, "function", read_fields, path)
    fields.pop("type", None)
    parameters = function.pop("parameters", NULL)
    return Tool(
        name=take(function, "name", read_text, place),
        description=_read_optional_text(function.pop("description", NULL), f"{place}.description"),
        parameters=read_object(parameters, f"{place}.parameters") if parameters != NULL else None,
        strict=_read_optional_flag(function.pop("strict", NULL), f"{place}.strict"),
        cache=take_cache(fields, path),
        extra=extra_of(fields, "function", function),
    )


def _read_opaque_tool(fields: Fields, path: str) -> Tool:
    """A custom tool has a name of its own; what an upstream runs by itself is known by its type."""
    whole = encoded(fields)
    name = take(fields, "type", read_text, path)
    if name == "function":
        raise wrong(f"{path}.function", "required")
    if name == "custom":
        custom = take(fields, "custom", read_fields, path)
        name = take(custom, "name", read_text, f"{path}.custom")
    return Tool(name=name, opaque=whole, opaque_format=FORMAT)


def write_tools(tools: tuple[Tool, ...], crossing: Crossing) -> list[Body | Raw]:
    written = (_write_tool(tool, crossing) for tool in tools)
    return [body for body in written if body is not None]


def _write_tool(tool: Tool, crossing: Crossing) -> Body | Raw | None:
    if tool.opaque is not None:
        if tool.opaque_format == FORMAT:
            return tool.opaque
        crossing.drop(f"tools.{tool.name}")
        return None
    function: Body = {"name": tool.name}
    for name in ("description", "parameters", "strict"):
        if (value := getattr(tool, name)) is not None:
            function[name] = value
    body: Body = {"type": "function", "function": function}
    put_cache(body, tool.cache, crossing, "tools[].")
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
    kind = take(choice, "type", read_text, "tool_choice")
    if kind != "function":
        return None
    function = take(choice, "function", read_fields, "tool_choice")
    name = take(function, "name", read_text, "tool_choice.function")
    return None if choice or function else ToolChoice(mode="tool", name=name)


def write_tool_choice(choice: ToolChoice) -> str | Body:
    if choice.mode == "tool":
        return {"type": "function", "function": {"name": choice.name}}
    return choice.mode


def take_response_format(fields: Fields) -> ResponseFormat | None:
    """The response format; of a kind that only some server knows, it stays in `fields`."""
    raw = fields["response_format"]
    if raw == NULL:
        del fields["response_format"]
        return None
    body = read_fields(raw, "response_format")
    kind = take(body, "type", read_text, "response_format")
    if kind == "json_schema":
        found = _read_json_schema(body)
    elif kind == "json_object":
        found = ResponseFormat(kind="json_object", extra=freeze(body))
    elif kind == "text":
        found = ResponseFormat(kind="text", extra=freeze(body))
    else:
        return None
    del fields["response_format"]
    return found


def _read_json_schema(body: Fields) -> ResponseFormat:
    place = "response_format.json_schema"
    inner = take(body, "json_schema", read_fields, "response_format")
    schema = inner.pop("schema", NULL)
    return ResponseFormat(
        kind="json_schema",
        name=_read_optional_text(inner.pop("name", NULL), f"{place}.name"),
        schema=read_object(schema, f"{place}.schema") if schema != NULL else None,
        strict=_read_optional_flag(inner.pop("strict", NULL), f"{place}.strict"),
        extra=extra_of(body, "json_schema", inner),
    )


def write_response_format(wanted: ResponseFormat, crossing: Crossing) -> Body:
    body: Body = {"type": wanted.kind}
    if wanted.kind == "json_schema":
        inner: Body = {"name": wanted.name or "response"}
        if wanted.schema is not None:
            inner["schema"] = wanted.schema
        if wanted.strict is not None:
            inner["strict"] = wanted.strict
        body["json_schema"] = inner
    crossing.add_extra(body, wanted.extra, "response_format.")
    return body
