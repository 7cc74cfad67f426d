"""The tools that one plugin offers, and those of all plugins of a world."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import msgspec

from jackfield.sdk.tools import TOOL_TIMEOUT_S, ToolHandler, ToolSpec, check_tool_name, full_name
from jackfield.services.schema_size import is_bounded
from jackfield.services.schema_work import Workload
from jackfield.telemetry.text import escape_all_halves, escape_halves
from jackfield.wire.chat import Tool

MOST_TOOLS = 200
MOST_TOLD = 5
LONGEST_TOLD = 300
# Models are told of each tool with every request.
LARGEST_SCHEMA = 256 * 1024
LONGEST_DESCRIPTION = 32 * 1024


class OfferedTool:
    """A tool as it can be called. `name` is the full one. `spec` is a copy: what its plugin does to the one that it
    gave changes nothing for others."""

    __slots__ = ("_encoded", "_validator", "_workload", "handler", "name", "origin", "plugin", "spec")

    def __init__(self, plugin: str, origin: str, spec: ToolSpec, handler: ToolHandler) -> None:
        """`origin` is the plugin's display name. Raises `ValueError`."""
        check_tool_name(plugin, spec.name)
        if not 0 < spec.timeout_s <= TOOL_TIMEOUT_S:
            raise ValueError(f"tool {spec.name}: timeout_s must be above 0 and at most {TOOL_TIMEOUT_S:g}")
        self.plugin, self.origin, self.handler = plugin, origin, handler
        self.name = full_name(plugin, spec.name)
        schema = _own_schema(spec)
        self.spec = msgspec.structs.replace(spec, description=_own_description(spec), input_schema=schema)
        self._encoded = _encode(spec.name, schema)
        self._validator, self._workload = _validator(spec.name, schema), Workload(schema)

    @property
    def description(self) -> str:
        return f"[Plugin: {self.origin}] {self.spec.description}"

    def as_tool(self) -> Tool:
        """As a model is told of it."""
        return Tool(name=self.name, description=self.description, parameters=self._encoded)

    def problems(self, arguments: Any) -> str | None:
        """What of the arguments does not fit the schema, by field; `None` where all fits."""
        if not self._workload.is_bearable(arguments):
            return "cannot be checked: it is nested deeper, or larger, than this schema can be followed"
        try:
            if self._validator.is_valid(arguments):
                return None
            errors = [error for error, _ in zip(self._validator.iter_errors(arguments), range(MOST_TOLD), strict=False)]
        except ValueError as error:
            # The validator takes no values that are nested deeper than it can follow.
            return f"cannot be checked: {error}"
        return "; ".join(_told(error) for error in errors)


class ToolTable:
    """One plugin's, registered and unregistered at any time while it lives. `changes` counts what happens to any table
    of this process."""

    changes = 0

    def __init__(self, plugin: str, origin: str = "") -> None:
        self.plugin, self.origin = plugin, origin or plugin
        self._tools: dict[str, OfferedTool] = {}

    def register(self, spec: ToolSpec, handler: ToolHandler) -> None:
        """Raises `ValueError`."""
        if spec.name in self._tools:
            raise ValueError(f"Tool {spec.name} is already registered by plugin {self.plugin}")
        if len(self._tools) >= MOST_TOOLS:
            raise ValueError(f"plugin {self.plugin} offers {MOST_TOOLS} tools already")
        self._tools[spec.name] = OfferedTool(self.plugin, self.origin, spec, handler)
        ToolTable.changes += 1

    def unregister(self, name: str) -> None:
        self._tools.pop(name, None)
        ToolTable.changes += 1

    def clear(self) -> None:
        self._tools.clear()
        ToolTable.changes += 1

    def get(self, name: str) -> OfferedTool | None:
        """By short name."""
        return self._tools.get(name)

    def __iter__(self) -> Iterator[OfferedTool]:
        return iter(tuple(self._tools.values()))

    def __len__(self) -> int:
        return len(self._tools)


class ToolDirectory:
    """The tools of all plugins of one world, as they are at the moment of asking. Of two with one full name the plugin
    that comes first has it."""

    def __init__(self, tables: Iterable[ToolTable] = ()) -> None:
        self._tables: Mapping[str, ToolTable] = {table.plugin: table for table in tables}
        self._changes = -1
        self._any = False

    def __bool__(self) -> bool:
        """Whether there is any: asked with every request, most of which have no use for one."""
        if self._changes != ToolTable.changes:
            self._changes = ToolTable.changes
            self._any = any(map(len, self._tables.values()))
        return self._any

    def __iter__(self) -> Iterator[OfferedTool]:
        seen: set[str] = set()
        for table in self._tables.values():
            for tool in table:
                if tool.name not in seen:
                    seen.add(tool.name)
                    yield tool

    def find(self, name: str) -> OfferedTool | None:
        """By full name."""
        for plugin, table in self._tables.items():
            prefix = full_name(plugin, "")
            if name.startswith(prefix) and (found := table.get(name[len(prefix) :])) is not None:
                return found
        return None


def _own_description(spec: ToolSpec) -> str:
    """Raises `ValueError`."""
    text = escape_halves(str(spec.description))
    if len(text) > LONGEST_DESCRIPTION:
        raise ValueError(f"tool {spec.name}: the description has {len(text):,} characters, of {LONGEST_DESCRIPTION:,}")
    return text


def _own_schema(spec: ToolSpec) -> dict[str, Any]:
    """Raises `ValueError`."""
    try:
        schema = escape_all_halves(msgspec.to_builtins(spec.input_schema))
    except (TypeError, RecursionError) as error:
        raise ValueError(f"tool {spec.name}: the input schema is none: {error}") from error
    if not isinstance(schema, dict) or schema.get("type") != "object":
        raise ValueError(f"tool {spec.name}: the input schema must be of type object")
    if not is_bounded(schema):
        raise ValueError(f"tool {spec.name}: the input schema refers to its parts so often that nobody could check it")
    return schema


def _encode(name: str, schema: dict[str, Any]) -> msgspec.Raw:
    """Raises `ValueError`."""
    encoded = msgspec.json.encode(schema)
    if len(encoded) > LARGEST_SCHEMA:
        raise ValueError(f"tool {name}: the input schema has {len(encoded):,} bytes, of at most {LARGEST_SCHEMA:,}")
    return msgspec.Raw(encoded)


def _validator(name: str, schema: dict[str, Any]) -> Any:
    """Patterns are matched in linear time, and nothing is fetched: a schema is a stranger's. Raises `ValueError`."""
    # Imported here: who offers no tools need not wait for it.
    import jsonschema_rs

    try:
        return jsonschema_rs.Draft202012Validator(
            schema, pattern_options=jsonschema_rs.RegexOptions(), retriever=_fetch_nothing
        )
    except (jsonschema_rs.ValidationError, ValueError) as error:
        told = str(error).partition("\n")[0]
        raise ValueError(f"tool {name}: the input schema is none: {told}") from error


def _fetch_nothing(uri: str) -> Any:
    raise ValueError(f"a schema may not refer to {uri}")


def _told(error: Any) -> str:
    """The message shows the value, which may be long."""
    place = ".".join(str(part) for part in error.instance_path)
    message = error.message if len(error.message) <= LONGEST_TOLD else f"{error.message[:LONGEST_TOLD]}…"
    return f"{place[:LONGEST_TOLD]}: {message}" if place else message
