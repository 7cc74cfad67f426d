"""Plugins in a folder: whatever the dialects recognise there."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from pathlib import Path
from shlex import quote
from typing import NoReturn

from jackfield.errors import ConfigError, ManifestError
from jackfield.sources.archives.parcel import ENDING
from jackfield.sources.base import Finder, Found


class FolderSource:
    """Where two dialects recognise the same place it is the earlier finder's. A packed plugin is found too, as what it
    is: it is installed, not put there."""

    def __init__(self, folder: Path, finders: Iterable[Finder]) -> None:
        self.folder, self._finders = folder, tuple(finders)

    def find(self) -> tuple[Found, ...]:
        """Raises `ConfigError` where the folder itself cannot be read."""
        try:
            packed = sorted(file for file in self.folder.iterdir() if is_packed(file))
        except OSError as error:
            raise ConfigError(f"cannot read the plugins folder: {error.strerror}", file=str(self.folder)) from error
        taken: dict[str, Found] = {}
        for finder in self._finders:
            for found in finder(self.folder):
                taken.setdefault(found.place, found)
        return (*taken.values(), *map(_find_packed, packed))


def is_packed(file: Path) -> bool:
    return file.name.endswith(ENDING) and not file.name.startswith(".") and file.is_file()


def _find_packed(file: Path) -> Found:
    refuse = partial(_refuse_packed, str(file))
    return Found(name=file.name, source="folder", dialect="packed", place=str(file), load=refuse, manifest=refuse)


def _refuse_packed(place: str) -> NoReturn:
    told = f"is a packed plugin, which is not run from here: jackfield plugin install {quote(place)}"
    raise ManifestError(told, file=place)
