"""The folder that traces are written to, kept within bounds."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

# So much of what is kept may come anew before what is too much goes.
_SLACK = 20
# Files grow old also while few are written.
_PRUNED_EVERY_S = 60.0
# Nothing else in the folder is ours to delete.
_OWN = re.compile(r"\d{8}T\d{6}\.\d{3}-[\w-]+\.json")
_HALF = re.compile(rf"\.({_OWN.pattern}|\d+)\.tmp")
# What is older was begun by a worker that was killed.
_HALF_S = 60.0
FOLDER_MODE, FILE_MODE = 0o700, 0o600


class Bounds(NamedTuple):
    files: int
    total_bytes: int
    age_s: float


class Folder:
    """Blocking: for a thread."""

    def __init__(self, path: Path, bounds: Bounds) -> None:
        self.path, self._bounds = path, bounds
        self._new_files = self._new_bytes = 0
        self._pruned_at: float | None = None

    def open(self) -> None:
        """Raises `OSError` where nothing can be written there."""
        self.path.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
        probe = self.path / f".{os.getpid()}.tmp"
        probe.touch(FILE_MODE)
        probe.unlink()

    def write(self, name: str, data: bytes) -> None:
        """Appears whole or not at all. Raises `OSError`."""
        half = self.path / f".{name}.tmp"
        file = os.open(half, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, FILE_MODE)
        try:
            with open(file, "wb") as stream:
                stream.write(data)
            half.replace(self.path / name)
        except OSError:
            half.unlink(missing_ok=True)
            raise
        self._new_files += 1
        self._new_bytes += len(data)

    def prune_if_due(self, now: float) -> None:
        """Looks at all files only now and then: the bounds may be exceeded by a twentieth."""
        bounds = self._bounds
        many = self._new_files * _SLACK >= bounds.files or self._new_bytes * _SLACK >= bounds.total_bytes
        if many or self._pruned_at is None or abs(now - self._pruned_at) >= _PRUNED_EVERY_S:
            self.prune(now)

    def prune(self, now: float) -> None:
        """Deletes what is too old, and the oldest of what is too much. Other workers may do the same meanwhile."""
        self._new_files, self._new_bytes, self._pruned_at = 0, 0, now
        for place, _, written in self._of(_HALF):
            if now - written > _HALF_S:
                Path(place).unlink(missing_ok=True)
        total = count = 0
        for place, size, written in sorted(self._of(_OWN), reverse=True):
            count, total = count + 1, total + size
            if count > self._bounds.files or total > self._bounds.total_bytes or now - written > self._bounds.age_s:
                Path(place).unlink(missing_ok=True)

    def _of(self, kind: re.Pattern[str]) -> Iterator[tuple[str, int, float]]:
        """By name, which is by age."""
        with os.scandir(self.path) as entries:
            for entry in entries:
                if kind.fullmatch(entry.name):
                    try:
                        found = entry.stat(follow_symlinks=False)
                    except FileNotFoundError:
                        continue
                    yield entry.path, found.st_size, found.st_mtime
