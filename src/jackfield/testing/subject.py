"""The plugin that is to be tried: a class, or what a dialect recognises at a path."""

from __future__ import annotations

import importlib.util
import inspect
import itertools
import sys
from collections.abc import Iterable, Mapping
from functools import cache, partial
from pathlib import Path
from types import ModuleType
from typing import Any

from jackfield.clock import Clock
from jackfield.control.prices import PriceTable
from jackfield.dialects.base import Blueprint, Dialect
from jackfield.dialects.rings.world import RingWorld
from jackfield.errors import ConfigError, JackfieldError, ManifestError
from jackfield.sdk.manifest import MANIFEST_FILE, Manifest, read_manifest
from jackfield.sdk.plugin import Plugin, id_of
from jackfield.sources.base import Found
from jackfield.telemetry.text import describe_error
from jackfield.testing.check import subjects
from jackfield.testing.check.ring_files import list_entries

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
    found = subject if isinstance(subject, Found) else _choose(Path(subject), dialects, name)
    return Prepared(_read(found, dialects), found, world)


@cache
def known_prices() -> PriceTable:
    return PriceTable.load()


def _manifest_of(kind: type[Plugin[Any]]) -> Manifest:
    """That of the manifest file beside the class's own, as the gateway would read it; else what the class says."""
    file = _file_beside(kind)
    if file is not None and (stated := read_manifest(file)).id == id_of(kind):
        return stated
    return Manifest(
        id=id_of(kind), version=kind.version, description=kind.description, permissions=tuple(kind.permissions)
    )


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
        raise ManifestError(describe_error(error), file=found.place) from error


def refuse_unbreakable(path: Path, name: str | None) -> None:
    """Raises what `prepare` would raise, as far as it can be told without running the plugin's code, and `ConfigError`
    for one in a process of its own: the time in which a plugin is broken passes in this one alone."""
    from jackfield.app import make_dialects

    found = _choose(path, make_dialects(), name)
    if found.runtime != "inprocess":
        raise ConfigError("runs in a process of its own, and --chaos breaks what runs in this one", file=str(path))


def _choose(path: Path, dialects: Dialects, name: str | None) -> Found:
    """The only one, or the one of that name. Raises `ConfigError`."""
    found = find(path, dialects)
    wanted = found if name is None else _called(found, name)
    if len(wanted) == 1:
        return wanted[0]
    names = ", ".join(sorted(one.name for one in wanted or found))
    if not found:
        raise ConfigError("there is no plugin in it", file=str(path))
    if not wanted:
        raise ConfigError(f"there is no plugin {name!r}; there are {names}", file=str(path))
    raise ConfigError(f"there are several plugins ({names}): name one", file=str(path))


def _called(found: Iterable[Found], name: str) -> list[Found]:
    """As a gateway takes names: id and display name come before other names."""
    ways = [(one, (one.name, *_stated_names(one)), one.aliases) for one in found]
    return [one for one, names, _ in ways if name in names] or [one for one, _, names in ways if name in names]


def _stated_names(found: Found) -> tuple[str, ...]:
    """None where the manifest is wrong, which is told when that plugin is meant."""
    try:
        manifest = found.manifest()
    except ManifestError:
        return ()
    return () if manifest is None else (manifest.id, manifest.name)


def find(path: Path, dialects: Dialects) -> list[Found]:
    """The plugins at a path, as `plugin check` finds them. Raises `ConfigError` where there is none."""
    return [found for one in subjects.find_subjects(path) for found in _found_of(one, dialects)]


def _found_of(subject: subjects.Subject, dialects: Dialects) -> list[Found]:
    dialect = dialects[subject.dialect]
    if subject.dialect == "ring":
        return list_entries(subject.told, subject.entries, dialect)
    if subject.folder is None:
        return [_loose(subject.entry)]
    found = [one for one in dialect.find(subject.folder.parent) if one.folder == subject.folder]
    if not found:
        raise ConfigError("is no folder that a gateway takes a plugin from", file=str(subject.folder))
    return found


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
