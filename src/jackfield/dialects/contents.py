"""The files of a plugin's folder: what is copied so that the code which runs is the code that was checked."""

from __future__ import annotations

import os
from collections.abc import Iterator, Set
from pathlib import Path

from jackfield.errors import ManifestError
from jackfield.sources.base import Contents

MOST_FILES = 20_000
MOST_BYTES = 128 * 1024 * 1024
# Made by tools, made again where they are needed, and no part of what the author wrote.
_PACKAGES = "node_modules"
_MADE = frozenset({"__pycache__", _PACKAGES, "venv"})


def collect(folder: Path, *, packages: bool = False) -> Contents:
    """By path below the folder's parent; with `packages` what npm has installed belongs to it. Raises `ManifestError`
    for a link out of the folder, and where there is more than a plugin may bring."""
    made = _MADE - {_PACKAGES} if packages else _MADE
    found: dict[str, Path | bytes] = {}
    size = 0
    try:
        root = folder.resolve()
        for file in _files(folder, made):
            if not file.resolve().is_relative_to(root):
                raise ManifestError("leads out of the plugin's folder", file=str(file))
            if file.is_dir():
                raise ManifestError("is a symbolic link to a folder", file=str(file))
            size += file.stat().st_size
            found[str(file.relative_to(folder.parent))] = file
            if len(found) > MOST_FILES or size > MOST_BYTES:
                raise ManifestError(
                    f"holds more than {MOST_FILES} files or {MOST_BYTES // 1024 // 1024} MB", file=str(folder)
                )
    except OSError as error:
        raise ManifestError(str(error), file=str(folder)) from error
    return found


def _files(folder: Path, made: Set[str]) -> Iterator[Path]:
    for place, folders, files in os.walk(folder, onerror=_raise):
        here = Path(place)
        folders[:] = sorted(name for name in folders if name not in made and not name.startswith("."))
        yield from (here / name for name in folders if (here / name).is_symlink())
        yield from (here / name for name in sorted(files) if not name.startswith("."))


def _raise(error: OSError) -> None:
    raise error
