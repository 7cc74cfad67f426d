"""Plugins in a folder: whatever the dialects recognise there."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from jackfield.errors import ConfigError
from jackfield.sources.base import Finder, Found


class FolderSource:
    """Where two dialects recognise the same place it is the earlier finder's."""

    def __init__(self, folder: Path, finders: Iterable[Finder]) -> None:
        self.folder, self._finders = folder, tuple(finders)

    def find(self) -> tuple[Found, ...]:
        """Raises `ConfigError` where the folder itself cannot be read."""
        try:
            next(self.folder.iterdir(), None)
        except OSError as error:
            raise ConfigError(f"cannot read the plugins folder: {error.strerror}", file=str(self.folder)) from error
        taken: dict[str, Found] = {}
        for finder in self._finders:
            for found in finder(self.folder):
                taken.setdefault(found.place, found)
        return tuple(taken.values())
