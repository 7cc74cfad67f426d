"""The tools that one plugin offers, and those of all plugins of a world."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import msgspec

from jackfield.sdk.tools import TOOL_TIMEOUT_S, ToolHandler, ToolSpec, check_tool_name, full_name
from jackfield.services.schema_size import is_bounded
from jackfield.wire.chat import Tool

MOST_TOOLS = 200
MOST_TOLD = 5
LONGEST_TOLD = 300


class OfferedTool:
    """A tool as it can be called. `name` is the full one."""

    __slots__ = ("_validator", "handler", "name", "origin", "plugin", "spec")

    def __init__(self, plugin: str, origin: str, spec: ToolSpec, handler: ToolHandler) -> None:
        """`origin` is the plugin's display name. Raises `ValueError`."""
        check_tool_name(plugin, spec.name)
        if not 0 < spec.timeout_s <= TOOL_TIMEOUT_S:
            raise ValueError(f"tool {spec.name}: timeout_s must be above 0 and at most {TOOL_TIMEOUT_S:g}")
        self.plugin, self.origin, self.spec, self.handler = plugin, origin, spec, handler
        self.name = full_name(plugin, spec.name)
        self._validator = _validator(spec)

    @property
    def description(self) -> str:
        return f"[Plugin: {self.origin}] {self.spec.description}"

    def as_tool(self) -> Tool:
        """As a model is told of it."""
        schema = msgspec.Raw(msgspec.json.encode(self.spec.input_schema))
        return Tool(name=self.name, description=self.description, parameters=schema)

    def problems(self, arguments: Any) -> str | None:
        """What of the arguments does not fit the schema, by field; `None` where all fits."""
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


def _validator(spec: ToolSpec) -> Any:
    """Patterns are matched in linear time, and nothing is fetched: a schema is a stranger's. Raises `ValueError`."""
    # Imported here: who offers no tools need not wait for it.
    import jsonschema_rs

    schema = msgspec.to_builtins(spec.input_schema)
    if not isinstance(schema, dict) or schema.get("type") != "object":
        raise ValueError(f"tool {spec.name}: the input schema must be of type object")
    if not is_bounded(schema):
        raise ValueError(f"tool {spec.name}: the input schema refers to its parts so often that nobody could check it")
    try:
        return jsonschema_rs.Draft202012Validator(
            schema, pattern_options=jsonschema_rs.RegexOptions(), retriever=_fetch_nothing
        )
    except (jsonschema_rs.ValidationError, ValueError) as error:
        told = str(error).partition("\n")[0]
        raise ValueError(f"tool {spec.name}: the input schema is none: {told}") from error


def _fetch_nothing(uri: str) -> Any:
    raise ValueError(f"a schema may not refer to {uri}")


def _told(error: Any) -> str:
    """The message shows the value, which may be long."""
    place = ".".join(str(part) for part in error.instance_path)
    message = error.message if len(error.message) <= LONGEST_TOLD else f"{error.message[:LONGEST_TOLD]}…"
    return f"{place[:LONGEST_TOLD]}: {message}" if place else message
