"""The commands and options that a plugin declares, as far as its source tells them without being run."""

from __future__ import annotations

import ast
import itertools
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, NamedTuple

Kind = Literal["command", "auth", "option"]

_KINDS: dict[str, Kind] = {"CliCommandSpec": "command", "AuthCommandSpec": "auth", "CliArgumentSpec": "option"}
# In the order of each one's arguments: the first is its name, or for an option the command that it belongs to.
_FIELDS: dict[Kind, tuple[str, ...]] = {
    "command": ("command_name", "command_function", "help_text", "parent_command"),
    "auth": ("command_name", "description"),
    "option": ("target_command", "argument_name"),
}
MOST_FILES, MOST_FOLDERS = 500, 200
LONGEST = 2 * 1024 * 1024


class Declared(NamedTuple):
    """`name` is `None` where only the running code knows it. An option's is that of the command it belongs to."""

    kind: Kind
    name: str | None
    told: str = ""
    parent: str | None = None


def read_declared(folder: Path) -> tuple[Declared, ...]:
    """What is not Python, or too long, declares nothing."""
    return tuple(declared for file in _sources(folder) for declared in _declared_in(file))


def _sources(folder: Path) -> list[Path]:
    """Its own files; what is linked to, hidden or a library of another language is not looked through."""
    return [folder] if folder.is_file() else sorted(itertools.islice(_walk(folder), MOST_FILES))


def _walk(folder: Path) -> Iterator[Path]:
    for seen, (place, below, files) in enumerate(os.walk(folder)):
        if seen >= MOST_FOLDERS:
            return
        below[:] = sorted(name for name in below if not name.startswith((".", "__")) and name != "node_modules")
        yield from (Path(place, name) for name in sorted(files) if name.endswith(".py"))


def _declared_in(file: Path) -> Iterator[Declared]:
    try:
        with file.open("rb") as stream:
            source = stream.read(LONGEST)
        if not any(name.encode() in source for name in _KINDS):
            return
        tree = ast.parse(source)
    except (OSError, SyntaxError, ValueError, RecursionError):
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and (kind := _KINDS.get(_called(node.func))) is not None:
            yield _read(kind, node)


def _called(function: ast.expr) -> str:
    if isinstance(function, ast.Attribute):
        return function.attr
    return function.id if isinstance(function, ast.Name) else ""


def _read(kind: Kind, node: ast.Call) -> Declared:
    fields = _FIELDS[kind]
    given: dict[str, Any] = dict(zip(fields, map(_literal, node.args), strict=False))
    given |= {word.arg: _literal(word.value) for word in node.keywords if word.arg}
    hidden = any(word.arg is None for word in node.keywords) or any(isinstance(one, ast.Starred) for one in node.args)
    name, parent = given.get(fields[0]), given.get("parent_command")
    if hidden or not _is_word(name) or not (parent is None or _is_word(parent)):
        return Declared(kind, None)
    told = given.get("help_text") or given.get("description")
    return Declared(kind, name, told if isinstance(told, str) and told.isprintable() else "", parent)


def _is_word(name: Any) -> bool:
    """One that may be shown as it is: strangers wrote it."""
    return isinstance(name, str) and name.isprintable() and bool(name.strip())


_UNKNOWN = object()


def _literal(node: ast.expr) -> Any:
    try:
        return ast.literal_eval(node)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return _UNKNOWN
