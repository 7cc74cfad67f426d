"""Tools and the choice among them, both ways."""

from __future__ import annotations

from typing import Any

from msgspec import Raw

from jackfield.wire.anthropic_messages.blocks import put_cache
from jackfield.wire.anthropic_messages.parts import FORMAT, read_kind, sort_block
from jackfield.wire.chat import ChatRequest, Extra, Tool, ToolChoice
from jackfield.wire.crossing import Body, Crossing, spread_rest
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
    wrong,
)

_TOOL: dict[str, tuple[str, Read[Any]]] = {
    "name": ("name", read_text),
    "description": ("description", read_text),
    "input_schema": ("parameters", read_object),
    "strict": ("strict", read_flag),
}
_ANY_OBJECT = Raw(b'{"type":"object","properties":{}}')


def read_tools(raw: Raw, path: str) -> tuple[Tool, ...]:
    return tuple(_read_tool(f, f"{path}[{index}]") for index, f in enumerate(read_fields_list(raw, path)))


def _read_tool(fields: Fields, path: str) -> Tool:
    kind = fields.get("type", NULL)
    if kind != NULL and read_kind(fields, path) != "custom":
        # A tool that the upstream runs itself; not every kind has a name.
        name = fields.get("name", kind)
        return Tool(name=read_text(name, f"{path}.name"), opaque=encoded(fields), opaque_format=FORMAT)
    values, extra = sort_block(fields, _TOOL, path, "name")
    return Tool(**values, extra=extra)


def write_tools(tools: tuple[Tool, ...], crossing: Crossing) -> list[Any]:
    bodies = (_write_tool(tool, crossing) for tool in tools)
    return [body for body in bodies if body is not None]


def _write_tool(tool: Tool, crossing: Crossing) -> Body | Raw | None:
    if tool.opaque is not None:
        if tool.opaque_format == FORMAT:
            return tool.opaque
        crossing.drop(f"tools.{tool.name}")
        return None
    body: Body = {"name": tool.name}
    if tool.description is not None:
        body["description"] = tool.description
    body["input_schema"] = _schema(tool.parameters, crossing)
    if tool.strict is not None:
        body["strict"] = tool.strict
    put_cache(body, tool.cache)
    crossing.add_extra(body, tool.extra, "tools[].")
    return body


def _schema(parameters: Raw | None, crossing: Crossing) -> Raw:
    """A schema with the `type` that this format demands and others leave out."""
    if parameters is None:
        return _ANY_OBJECT
    if crossing.own:
        return parameters
    fields = read_fields(parameters, "tools[].parameters")
    return parameters if "type" in fields else encoded({"type": "object"} | fields)


_MODES: dict[str, Any] = {"auto": "auto", "any": "required", "tool": "tool", "none": "none"}
_KINDS = {mode: kind for kind, mode in _MODES.items()}


def read_tool_choice(raw: Raw, path: str) -> tuple[ToolChoice, bool | None, Extra]:
    """The choice, whether tools may be called in parallel (`None`: not said), and the other fields."""
    fields = dict(read_fields(raw, path))
    kind = read_kind(fields, path)
    del fields["type"]
    if kind not in _MODES:
        raise wrong(f"{path}.type", "expected auto, any, tool or none")
    if kind == "tool" and fields.get("name", NULL) == NULL:
        raise wrong(f"{path}.name", "required")
    name = read_text(fields.pop("name"), f"{path}.name") if kind == "tool" else None
    single = fields.pop("disable_parallel_tool_use", NULL)
    parallel = None if single == NULL else not read_flag(single, f"{path}.disable_parallel_tool_use")
    return ToolChoice(mode=_MODES[kind], name=name), parallel, spread_rest(fields, "tool_choice")


def write_tool_choice(request: ChatRequest, crossing: Crossing) -> Body | None:
    """Only a request with tools may have one. Where none is made but parallel calls are not wanted, it is
    `auto`."""
    choice, parallel = request.tool_choice, request.parallel_tool_calls
    if not request.tools and not crossing.own:
        if choice is not None and choice.mode not in ("auto", "none"):
            crossing.drop("tool_choice")
        return None
    if choice is None:
        return {"type": "auto", "disable_parallel_tool_use": True} if parallel is False else None
    body: Body = {"type": _KINDS[choice.mode]}
    if choice.mode == "tool":
        body["name"] = choice.name
    if parallel is not None and choice.mode != "none":
        body["disable_parallel_tool_use"] = not parallel
    return body
