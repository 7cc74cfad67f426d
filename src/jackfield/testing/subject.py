"""The plugin that is to be tried: a class, or what a dialect recognises at a path."""

from __future__ import annotations

import importlib.util
import inspect
import itertools
import sys
from collections.abc import Iterator, Mapping
from functools import cache, partial
from pathlib import Path
from types import ModuleType
from typing import Any

from jackfield.clock import Clock
from jackfield.control.prices import PriceTable
from jackfield.dialects.base import Blueprint, Dialect
from jackfield.dialects.rings.world import RingWorld
from jackfield.errors import ConfigError, JackfieldError, ManifestError
from jackfield.host.loader import describe
from jackfield.sdk.manifest import MANIFEST_FILE, Manifest, read_manifest
from jackfield.sdk.plugin import Plugin, id_of
from jackfield.sources.base import Found

Subject = type[Plugin[Any]] | Blueprint | Found | Path | str

_serial = itertools.count(1)


Dialects = Mapping[str, Dialect]


class Prepared:
    """A plugin whose code has been run but that is not started; `world` is what it shares with others of its dialect,
    where that is a thing of the dialect's. `aclose` frees both."""

    def __init__(self, blueprint: Blueprint, found: Found | None = None, world: RingWorld | None = None) -> None:
        self.blueprint, self.found, self._world = blueprint, found, world

    @property
    def id(self) -> str:
        return self.blueprint.manifest.id

    async def aclose(self) -> None:
        if self._world is not None:
            await self._world.aclose()
        if self.found is not None:
            self.found.forget()


def prepare(subject: Subject, name: str | None = None, clock: Clock | None = None) -> Prepared:
    """Raises `ManifestError` or `ConfigError` that names what is wrong; `name` chooses among several at a path."""
    if isinstance(subject, type):
        return Prepared(Blueprint(_manifest_of(subject), subject))
    if isinstance(subject, Blueprint):
        return Prepared(subject)
    from jackfield.app import make_dialects

    world = RingWorld(prices=known_prices(), clock=clock)
    dialects = make_dialects(world)
    found = subject if isinstance(subject, Found) else choose(find(Path(subject), dialects), Path(subject), name)
    return Prepared(_read(found, dialects), found, world)


@cache
def known_prices() -> PriceTable:
    return PriceTable.load()


def _manifest_of(kind: type[Plugin[Any]]) -> Manifest:
    """That of the manifest file beside the class's own, as the gateway would read it; else what the class says."""
    file = _file_beside(kind)
    if file is not None and (stated := read_manifest(file)).id == id_of(kind):
        return stated
    return Manifest(id=id_of(kind), version=kind.version, description=kind.description)


def _file_beside(kind: type[Plugin[Any]]) -> Path | None:
    try:
        file = Path(inspect.getfile(kind)).parent / MANIFEST_FILE
    except (OSError, TypeError):
        return None
    return file if file.is_file() else None


def _read(found: Found, dialects: Dialects) -> Blueprint:
    """A boundary: whatever the plugin's code raises is told in one line."""
    dialect = dialects.get(found.dialect)
    if dialect is None:
        raise ManifestError(f"there is no dialect {found.dialect!r}", file=found.place)
    try:
        return dialect.read(found)
    except (JackfieldError, KeyboardInterrupt):
        raise
    except BaseException as error:
        raise ManifestError(describe(error), file=found.place) from error


def choose(found: tuple[Found, ...], path: Path, name: str | None) -> Found:
    """The only one, or the one of that name. Raises `ConfigError`."""
    wanted = [one for one in found if name is None or name in (one.name, _stated_id(one))]
    if len(wanted) == 1:
        return wanted[0]
    names = ", ".join(sorted(one.name for one in found))
    if not found:
        raise ConfigError("there is no plugin that any dialect recognises", file=str(path))
    if name is not None:
        raise ConfigError(f"there is no plugin {name!r}; there are {names}", file=str(path))
    raise ConfigError(f"there are several plugins ({names}): name one", file=str(path))


def _stated_id(found: Found) -> str | None:
    manifest = found.manifest()
    return None if manifest is None else manifest.id


def find(path: Path, dialects: Dialects) -> tuple[Found, ...]:
    """The plugins at a path: the one that a folder or one of its files is, or all of a plugins folder."""
    if not path.exists():
        raise ConfigError("there is no such file or folder", file=str(path))
    path = path.resolve()
    for folder in (path.parent, path.parent.parent):
        mine = tuple(one for one in _look(folder, dialects) if _is_at(one, path))
        if mine:
            return mine
    if path.is_dir():
        return _look(path, dialects)
    return (_loose(path),) if path.suffix == ".py" else _look(path.parent, dialects)


def _look(folder: Path, dialects: Dialects) -> tuple[Found, ...]:
    """Where two dialects recognise the same, it is the earlier one's."""
    try:
        found = [one for dialect in dialects.values() for one in dialect.find(folder)]
    except OSError:
        return ()
    return tuple({(one.place, one.name): one for one in reversed(found)}.values())[::-1]


def _is_at(found: Found, path: Path) -> bool:
    """Whether a path is that plugin's folder, or one of the files that are its own."""
    if path.is_dir():
        return found.folder is not None and found.folder.resolve() == path
    return any(file.resolve() == path for file in _files(found))


def _files(found: Found) -> Iterator[Path]:
    try:
        contents = found.contents() if found.contents is not None else {}
    except JackfieldError:
        return
    yield from (file for file in contents.values() if isinstance(file, Path))


def _loose(file: Path) -> Found:
    """A module that stands by itself."""
    module = f"jackfield_trial_{next(_serial)}_{file.stem}"
    return Found(
        name=file.stem,
        source="file",
        dialect="native",
        place=str(file),
        load=partial(_import, module, file),
        forget=partial(_forget, module),
    )


def _import(name: str, file: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def _forget(module: str) -> None:
    sys.modules.pop(module, None)
