"""The files that a program is made of, as far as it matters whether somebody has changed them."""

from __future__ import annotations

import os
from collections.abc import Iterator

MOST_FILES = 2_000
# What tools write there, and nobody mends by hand.
_PASSED_OVER = frozenset({"__pycache__", "node_modules", "venv", "env", "site-packages"})

Mark = frozenset[tuple[str, int, int]]


def read_mark(folder: str) -> Mark:
    """Path, size and time of each file, and the folders, of the first so many: another mark is another program."""
    return frozenset(file for file, _ in zip(_files(folder), range(MOST_FILES), strict=False))


def _files(folder: str) -> Iterator[tuple[str, int, int]]:
    for place, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if name not in _PASSED_OVER and not name.startswith("."))
        yield place, 0, 0
        for name in sorted(names):
            path = os.path.join(place, name)
            try:
                status = os.stat(path)
            except OSError:
                continue
            yield path, status.st_size, status.st_mtime_ns
