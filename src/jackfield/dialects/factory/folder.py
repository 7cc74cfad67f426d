"""A plugin's folder, as far as it is known without running its code."""

from __future__ import annotations

import ast
import re
from pathlib import Path

from jackfield.dialects.contents import collect
from jackfield.sources.base import Contents

ENTRY = "plugin.py"
# Manifests of other dialects: what `plugin.py` is beside one of these is not ours to say.
_OTHERS = ("jackfield.toml", "plugin.yaml", "plugin.yml", "plugin.json", "manifest.json")
_LONGEST = 2 * 1024 * 1024
_IMPORTS_OURS = re.compile(rb"^\s*(?:from|import)\s+ccproxy\b", re.MULTILINE)
_SIBLINGS = re.compile(rb"\bccproxy\.plugins\.([A-Za-z_][A-Za-z0-9_]*)")
_NAMES_IT = re.compile(rb"\bfactory\b")


def is_factory(folder: Path) -> bool:
    """Whether its `plugin.py` exports a `factory`, or imports what only such plugins do: then it is listed, also where
    something is wrong with it."""
    if folder.name.startswith((".", "_")):
        return False
    try:
        if any((folder / name).is_file() for name in _OTHERS) or not (folder / ENTRY).is_file():
            return False
        with (folder / ENTRY).open("rb") as stream:
            source = stream.read(_LONGEST)
    except OSError:
        return False
    if _IMPORTS_OURS.search(source):
        return True
    return bool(_NAMES_IT.search(source)) and _exports_factory(source)


def is_library(folder: Path) -> bool:
    """Whether there is code in it that other plugins may import."""
    try:
        return any(file.suffix == ".py" for file in folder.iterdir())
    except OSError:
        return False


def collect_with_libraries(folder: Path) -> Contents:
    """Its own files, and of the folders beside it those that it imports, but for what would make plugins of them."""
    found: dict[str, Path | bytes] = dict(collect(folder))
    waiting, seen = [folder], {folder.name}
    while waiting:
        for name in sorted(_imported(waiting.pop()) - seen):
            seen.add(name)
            beside = folder.parent / name
            if is_library(beside):
                entry = f"{name}/{ENTRY}"
                found.update((path, file) for path, file in collect(beside).items() if path != entry)
                waiting.append(beside)
    return found


def _imported(folder: Path) -> set[str]:
    names: set[str] = set()
    for file in folder.rglob("*.py"):
        with file.open("rb") as stream:
            names.update(name.decode("ascii") for name in _SIBLINGS.findall(stream.read(_LONGEST)))
    return names


def _exports_factory(source: bytes) -> bool:
    """Of one without a class of another dialect's."""
    try:
        body = ast.parse(source).body
    except (SyntaxError, ValueError, RecursionError):
        return False
    if any(isinstance(one, ast.ImportFrom) and (one.module or "").startswith("jackfield") for one in body):
        return False
    return any("factory" in _bound(one) for one in body)


def _bound(statement: ast.stmt) -> list[str]:
    if isinstance(statement, ast.Assign):
        return [target.id for target in statement.targets if isinstance(target, ast.Name)]
    if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
        return [statement.target.id]
    if isinstance(statement, ast.Import | ast.ImportFrom):
        return [name.asname or name.name for name in statement.names]
    return []
