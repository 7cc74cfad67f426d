"""Ring manifests as places of plugins: what each lists, and whose a file below one is."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

from jackfield.dialects.base import Dialect
from jackfield.dialects.rings.dialect import RingDialect
from jackfield.dialects.rings.found import FILES
from jackfield.errors import ConfigError, ManifestError
from jackfield.sources.base import Found
from jackfield.testing.check.source import Source

INSTALLED = Path(FILES["installed"]).parent.name
# How far below its plugins folder a module may stand: `marketplace/group/part/module.py`.
UPWARDS = 4
_NAMES = ("core.plugin_sdk", "core.plugin_engine")


class Listed(NamedTuple):
    """`entries` are the ids of those a file is part of; without any, all that the manifest lists are meant."""

    manifest: Path
    entries: frozenset[str]


def find_plugins_folder(manifest: Path) -> Path:
    return manifest.parent.parent if manifest.parent.name == INSTALLED else manifest.parent


def list_entries(manifest: Path, entries: frozenset[str], dialect: Dialect | None = None) -> list[Found]:
    """Those of the manifest with these ids, all of them without any."""
    found = (dialect or _reader()).find(find_plugins_folder(manifest))
    listed = [one for one in found if one.place == str(manifest) or one.place.startswith(f"{manifest}#")]
    return [one for one in listed if not entries or one.name in entries]


@cache
def _reader() -> RingDialect:
    return RingDialect()


def find_manifest(file: Path) -> Listed | None:
    """The manifest whose code a file is part of; `None` where it is no ring plugin's. Raises `ConfigError` for one that
    no manifest lists. A manifest in which something is wrong counts as a whole, for it to be told."""
    broken: Path | None = None
    for manifest in _manifests_above(file):
        owners = {one.name: _owns(one, file) for one in list_entries(manifest, frozenset())}
        if mine := frozenset(name for name, owns in owners.items() if owns):
            return Listed(manifest, mine)
        if None in owners.values():
            broken = broken or manifest
    if not _uses_ring_names(file):
        return None
    if broken is None:
        raise ConfigError("is written as a ring plugin, and no manifest.yaml above it lists it", file=str(file))
    return Listed(broken, frozenset())


def _manifests_above(file: Path) -> Iterator[Path]:
    for folder in file.parents[:UPWARDS]:
        if folder.name != INSTALLED:
            yield from (folder / name for name in FILES.values() if (folder / name).is_file())


def _owns(found: Found, file: Path) -> bool | None:
    """`None` where it cannot be told."""
    try:
        contents = found.contents() if found.contents is not None else {}
    except ManifestError:
        return None
    return any(isinstance(one, Path) and one.resolve() == file for one in contents.values())


def _uses_ring_names(file: Path) -> bool:
    source = Source.read(file) if file.suffix == ".py" else None
    return isinstance(source, Source) and any(origin.startswith(_NAMES) for origin in source.origins.values())
