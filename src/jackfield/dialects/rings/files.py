"""The first-party files that a ring plugin is made of: its own, and what it imports from the same plugins folder."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from jackfield.dialects.rings.problems import EntryProblem
from jackfield.dialects.rings.study import Import, Study, study
from jackfield.errors import ManifestError

MOST_FILES = 1_000
MOST_BYTES = 16 * 1024 * 1024
LONGEST_FILE = 2 * 1024 * 1024
INIT = "__init__.py"

Dotted = tuple[str, ...]


class Code(NamedTuple):
    """`path` is below the plugins folder, `shown` where the file stands for people, `needs` the paths of what it
    imports."""

    path: str
    shown: Path
    data: bytes
    study: Study
    needs: tuple[str, ...]

    @property
    def package(self) -> Dotted:
        return tuple(self.path.split("/")[:-1])

    @property
    def parents(self) -> Iterator[str]:
        """The paths of the packages around it, the outermost first."""
        for depth in range(len(self.package) + 1):
            path = "/".join((*self.package[:depth], INIT))
            if path != self.path:
                yield path


class Version(NamedTuple):
    """A file as it is together with all that it imports."""

    path: str
    digest: str


class Tree:
    """Files by path. Whatever one of them imports of the plugins folder is there as well."""

    def __init__(self, files: Mapping[str, Code]) -> None:
        self.files = files

    @cached_property
    def versions(self) -> Mapping[str, Version]:
        return {path: Version(path, self._digest(path)) for path in self.files}

    @cached_property
    def _packages(self) -> frozenset[Dotted]:
        return frozenset(code.package[:depth] for code in self.files.values() for depth in range(len(code.package) + 1))

    def is_package(self, module: Dotted) -> bool:
        """A module comes before a folder of its name without an `__init__.py`."""
        path = self.path_of(module)
        return module in self._packages if path is None else path.endswith(INIT)

    def path_of(self, module: Dotted) -> str | None:
        """A package has a path only where it has an `__init__.py`."""
        return next((path for path in _candidates(module) if path in self.files), None)

    def reach(self, path: str) -> set[str]:
        """The file and all that it imports."""
        reached, waiting = {path}, [path]
        while waiting:
            news = [need for need in self.files[waiting.pop()].needs if need not in reached]
            reached.update(news)
            waiting += news
        return reached

    def within(self, path: str) -> Tree:
        return Tree({reached: self.files[reached] for reached in self.reach(path)})

    def _digest(self, path: str) -> str:
        told = hashlib.sha256()
        for reached in sorted(self.reach(path)):
            told.update(f"{reached}\0{self.files[reached].study.digest}\n".encode())
        return told.hexdigest()


class Folder:
    """A plugins folder as it is read; `shown` is where it stands for people."""

    def __init__(self, place: Path, shown: Path) -> None:
        self._place, self._shown = place, shown
        self._root = place.resolve()

    def gather(self, entry: str) -> Tree:
        """The tree of the file at `entry`. Raises `ManifestError`."""
        files: dict[str, Code] = {}
        waiting, size = [entry], 0
        while waiting:
            code = self._code(waiting.pop())
            files[code.path] = code
            size += len(code.data)
            if len(files) > MOST_FILES or size > MOST_BYTES:
                limit = f"more than {MOST_FILES} files or {MOST_BYTES // 1024 // 1024} MB"
                raise ManifestError(f"brings {limit} with what it imports", file=str(self._shown / entry))
            waiting += [need for need in code.needs if need not in files and need not in waiting]
        return Tree(files)

    def entry_of(self, module: str) -> str:
        """The path of an entry's module. Raises `EntryProblem` where there is none."""
        parts = tuple(module.split("."))
        path = self._path_of(parts)
        if path is None:
            raise EntryProblem(f"there is no {'/'.join(parts)}.py in the plugins folder", ("entrypoint",))
        return path

    def read(self, path: str) -> bytes:
        """Raises `ManifestError`: out of the folder, too large, not to be read."""
        file, shown = self._place / path, str(self._shown / path)
        try:
            if not file.resolve().is_relative_to(self._root):
                raise ManifestError("leads out of the plugins folder", file=shown)
            with file.open("rb") as stream:
                data = stream.read(LONGEST_FILE + 1)
        except OSError as error:
            raise ManifestError(error.strerror or str(error), file=shown) from error
        if len(data) > LONGEST_FILE:
            raise ManifestError(f"is longer than {LONGEST_FILE // 1024 // 1024} MB", file=shown)
        return data

    def has(self, path: str) -> bool:
        try:
            return (self._place / path).is_file()
        except OSError:
            return False

    def _code(self, path: str) -> Code:
        data = self.read(path)
        bare = Code(path, self._shown / path, data, study(data), ())
        return bare._replace(needs=tuple(sorted(set(self._needs(bare)) - {path})))

    def _needs(self, code: Code) -> Iterator[str]:
        yield from filter(self.has, code.parents)
        for wanted in code.study.imports:
            for module in _modules_of(wanted, code.package):
                if (path := self._path_of(module)) is not None:
                    yield path

    def _path_of(self, module: Dotted) -> str | None:
        return next(filter(self.has, _candidates(module)), None)


def _candidates(module: Dotted) -> Iterator[str]:
    yield "/".join((*module, INIT))
    if module:
        yield "/".join(module) + ".py"


def _modules_of(wanted: Import, package: Dotted) -> Iterator[Dotted]:
    base = resolve(wanted.level, wanted.module, package)
    if base is not None:
        yield base
        yield from ((*base, name) for name in wanted.names)


def resolve(level: int, module: str, package: Dotted) -> Dotted | None:
    """A module that is named in `package`, by its parts below the plugins folder; `None` beyond that folder."""
    above = max(0, level - 1)
    if above > len(package):
        return None
    base = package[: len(package) - above] if level else ()
    return (*base, *module.split(".")) if module else base
