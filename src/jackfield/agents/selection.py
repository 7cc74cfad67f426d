"""Which tools a run has: of those that the caller may use the ones that were asked for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from operator import itemgetter

from jackfield.errors import Malformed
from jackfield.sdk.outcomes import Headers
from jackfield.services.tool_table import OfferedTool

TOOLS_HEADER = b"x-jackfield-tools"
EVERY = ("*",)
_name_of = itemgetter(0)
_GLOB = frozenset("*?[")
MOST_PATTERNS = 200

Patterns = tuple[str, ...]


def wanted_tools(headers: Headers) -> Patterns | None:
    """What the header asks for: patterns, none of them for `none`, or `None` where there is no header."""
    if TOOLS_HEADER not in map(_name_of, headers):
        return None
    return _patterns(dict(headers)[TOOLS_HEADER].decode("latin-1"))


def _patterns(text: str) -> Patterns:
    word = text.strip().lower()
    if word == "auto":
        return EVERY
    if word in ("none", ""):
        return ()
    return tuple(pattern for part in text.split(",") if (pattern := part.strip()))


def choose(allowed: Iterable[OfferedTool], wanted: Patterns, param: str) -> Mapping[str, OfferedTool]:
    """By full name. Raises `Malformed` for a name, not for a glob, that is none of those allowed."""
    if len(wanted) > MOST_PATTERNS:
        raise Malformed(f"{param}: at most {MOST_PATTERNS} tools can be named", param=param)
    known = {tool.name: tool for tool in allowed}
    for pattern in wanted:
        if pattern not in known and not _GLOB.intersection(pattern):
            raise Malformed(f"{param}: there is no tool {pattern[:100]!r} that this key may use", param=param)
    return {name: tool for name, tool in known.items() if matches(name, wanted)}


def matches(name: str, patterns: Patterns) -> bool:
    return any(pattern == "*" or fnmatchcase(name, pattern) for pattern in patterns)
