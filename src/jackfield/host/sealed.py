"""Sealed copies of plugins' code: named by what is in them, never changed, kept as long as a generation names them."""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
import tempfile
import time
from collections.abc import Collection, Iterator
from pathlib import Path, PurePosixPath

from jackfield.errors import ManifestError
from jackfield.sources.base import Contents

YOUNG_S = 600.0


class SealedCode:
    """A copy appears whole or not at all; whoever looks for it checks that it is still what its name says."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._fresh: set[str] = set()

    def seal(self, contents: Contents) -> str:
        """The digest of the contents; afterwards there is a copy of that name."""
        return self.keep(read(contents))

    def keep(self, files: dict[str, bytes]) -> str:
        name = digest(files)
        if self._is_sound(name):
            os.utime(self.place(name))
        else:
            self._write(name, files)
            self._fresh.add(name)
        return name

    def place(self, name: str) -> Path:
        """The copy: a plugins folder with this one plugin in it."""
        return self._folder / name

    def check(self, name: str) -> Path:
        """The copy. Raises `ManifestError` where it is gone or is not what was sealed."""
        place = self.place(name)
        if not place.is_dir():
            raise ManifestError("the kept copy of this version is gone", file=str(place))
        if digest({str(file.relative_to(place)): file.read_bytes() for file in _files(place)}) != name:
            raise ManifestError("the kept copy of this version was changed", file=str(place))
        return place

    @property
    def has_fresh(self) -> bool:
        return bool(self._fresh)

    def settle(self, names: Collection[str], *, taken: bool) -> None:
        """What was copied since the last change is kept where that was `taken`, and goes where it was refused, but for
        `names`."""
        if not taken:
            for name in self._fresh.difference(names):
                shutil.rmtree(self.place(name), ignore_errors=True)
        self._fresh.clear()

    def forget_all_but(self, names: Collection[str]) -> None:
        """Removes the copies that nobody needs any more; a young one may be another worker's, which is about to."""
        if not self._folder.is_dir():
            return
        for place in self._folder.iterdir():
            if place.name not in names and time.time() - place.stat().st_mtime > YOUNG_S:
                shutil.rmtree(place, ignore_errors=True)

    def _write(self, name: str, files: dict[str, bytes]) -> None:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        aside = Path(tempfile.mkdtemp(prefix=".", dir=self._folder))
        try:
            for path, data in files.items():
                file = aside / path
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_bytes(data)
            self._put(aside, name)
        except OSError:
            shutil.rmtree(aside, ignore_errors=True)
            raise

    def _put(self, aside: Path, name: str) -> None:
        """Also in the place of one that is not what its name says. Another worker may have put the right one
        meanwhile."""
        try:
            aside.rename(self.place(name))
        except OSError:
            if self._is_sound(name):
                shutil.rmtree(aside, ignore_errors=True)
                return
            spoiled = Path(tempfile.mkdtemp(prefix=".", dir=self._folder))
            self.place(name).rename(spoiled)
            aside.rename(self.place(name))
            shutil.rmtree(spoiled, ignore_errors=True)

    def _is_sound(self, name: str) -> bool:
        try:
            self.check(name)
        except (ManifestError, OSError):
            return False
        return True


def read(contents: Contents) -> dict[str, bytes]:
    """The contents in memory. Raises `ManifestError` for a path that would leave the copy, and for a file that cannot
    be read."""
    files: dict[str, bytes] = {}
    for path, given in contents.items():
        pure = PurePosixPath(path)
        if pure.is_absolute() or ".." in pure.parts:
            raise ManifestError("leads out of the plugins folder", file=path)
        try:
            files[str(pure)] = given if isinstance(given, bytes) else _read_regular(given)
        except OSError as error:
            raise ManifestError(error.strerror or str(error), file=str(given)) from error
    return files


def _read_regular(file: Path) -> bytes:
    """Reading a pipe or a device might never end."""
    if not stat.S_ISREG(file.stat().st_mode):
        raise ManifestError("is not a regular file", file=str(file))
    return file.read_bytes()


def digest(files: dict[str, bytes]) -> str:
    """SHA-256 over paths, lengths and bytes, in order of the paths."""
    whole = hashlib.sha256()
    for path in sorted(files):
        whole.update(f"{path}\0{len(files[path])}\0".encode())
        whole.update(files[path])
    return whole.hexdigest()


def _files(place: Path) -> Iterator[Path]:
    for folder, below, names in os.walk(place):
        below[:] = [name for name in below if name != "__pycache__"]
        yield from (Path(folder) / name for name in names)
