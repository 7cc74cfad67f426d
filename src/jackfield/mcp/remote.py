"""What another MCP server offers, and under which names it is offered here."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from hashlib import sha256
from typing import Any, Protocol

import msgspec

from jackfield.sdk.tools import LONGEST_NAME, ToolContext, ToolReply, full_name

# A schema beyond these is no help to a model, and a burden to everything that reads it.
LARGEST_SCHEMA = 64 * 1024
DEEPEST_SCHEMA = 40
LONGEST_DESCRIPTION = 4096

_NOT_IN_NAMES = re.compile(r"[^a-zA-Z0-9_-]")
_SUFFIX_LENGTH = 8


class RemoteTool(msgspec.Struct, frozen=True, kw_only=True):
    """`name` is the server's own."""

    name: str
    description: str
    schema: Mapping[str, Any]


class RemoteSession(Protocol):
    """One connection to a server. Raises `ConnectFailed`, `UpstreamBroken` and `UpstreamTimeout`."""

    async def list_tools(self) -> tuple[RemoteTool, ...]: ...

    async def call(self, name: str, arguments: dict[str, Any], context: ToolContext) -> ToolReply: ...


def chosen(tools: Iterable[RemoteTool], patterns: Sequence[str]) -> tuple[RemoteTool, ...]:
    return tuple(tool for tool in tools if any(fnmatchcase(tool.name, pattern) for pattern in patterns))


def short_names(plugin: str, server: str, tools: Iterable[RemoteTool]) -> dict[str, str]:
    """For each tool, by its own name, the short name that it has as the plugin's.

    What no name may hold becomes `_`. Where that makes two the same, and where a name is too long, its end becomes a
    digest of what it was: so it is the same each time, whatever else the server offers. A name that needed no change
    keeps it.
    """
    room = LONGEST_NAME - len(full_name(plugin, ""))
    wished = {tool.name: f"{server}_{tool.name}" for tool in tools}
    plain = {name: _NOT_IN_NAMES.sub("_", wish) for name, wish in wished.items()}
    taken = Counter(plain.values())
    keeps = {name for name, short in plain.items() if short == wished[name] or taken[short] == 1}
    return {
        name: short if name in keeps and len(short) <= room else _marked(short, name, room)
        for name, short in plain.items()
    }


def _marked(short: str, name: str, room: int) -> str:
    digest = sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:_SUFFIX_LENGTH]
    return f"{short[: room - _SUFFIX_LENGTH - 1]}_{digest}"


def describe(server: str, tool: RemoteTool) -> str:
    """A model is told where it comes from: the text is the other server's."""
    return f"[MCP server: {server}, tool: {tool.name[:100]}] {tool.description[:LONGEST_DESCRIPTION]}"


def find_excess(schema: Mapping[str, Any]) -> str | None:
    """What makes it too much, if anything does."""
    if _is_deeper(schema, DEEPEST_SCHEMA):
        return f"its input schema is more than {DEEPEST_SCHEMA} levels deep"
    if (size := len(msgspec.json.encode(schema))) > LARGEST_SCHEMA:
        return f"its input schema has {size:,} bytes; at most {LARGEST_SCHEMA:,} are taken"
    return None


def _is_deeper(value: Any, most: int) -> bool:
    level: list[Any] = [value]
    for _ in range(most):
        level = [inner for each in level for inner in _inside(each)]
        if not level:
            return False
    return True


def _inside(value: Any) -> Iterable[Any]:
    inner = value.values() if isinstance(value, Mapping) else value if isinstance(value, list) else ()
    return [each for each in inner if isinstance(each, Mapping | list)]


def innermost(error: BaseException) -> BaseException:
    """What the task groups of the SDK have wrapped."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
