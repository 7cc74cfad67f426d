"""Plugins in installed packages: the entry-point group `jackfield.plugins`, and those that dialects have besides."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from importlib import metadata
from importlib.metadata import EntryPoint, EntryPoints
from types import MappingProxyType

from jackfield.sources.base import Found

GROUP = "jackfield.plugins"

# What a dialect makes of the entry points of its group.
FindInstalled = Callable[[Iterable[EntryPoint]], tuple[Found, ...]]
NONE: Mapping[str, FindInstalled] = MappingProxyType({})

Stamp = tuple[tuple[str, int], ...]

_known: dict[str, tuple[Stamp, EntryPoints]] = {}


class EntryPointSource:
    """`others` are the dialects' own, by group. Nothing is imported to find them."""

    def __init__(self, others: Mapping[str, FindInstalled] = NONE) -> None:
        self._others = dict(others)

    def find(self) -> tuple[Found, ...]:
        found = [one for group, find in self._others.items() for one in find(entry_points(group=group))]
        return (*_find_native(entry_points(group=GROUP)), *found)


def _find_native(points: Iterable[EntryPoint]) -> tuple[Found, ...]:
    return tuple(
        Found(
            name=point.name,
            source="entry_point",
            dialect="native",
            place=point.value,
            load=point.load,
            version=point.dist.version if point.dist is not None else "",
        )
        for point in sorted(points, key=lambda point: point.name)
    )


def entry_points(*, group: str) -> EntryPoints:
    """Those of the packages that are installed by now. They are read again where a package came, went or was installed
    anew: to read them takes longer than all else that is looked at for plugins."""
    stamp = tuple(mark for place in sys.path for mark in _marks(place or os.curdir))
    if group not in _known or _known[group][0] != stamp:
        _known[group] = (stamp, metadata.entry_points(group=group))
    return _known[group][1]


def _marks(place: str) -> Iterator[tuple[str, int]]:
    """Of a folder or archive that packages may be in: when it changed, and when the description of each did."""
    try:
        yield place, os.stat(place).st_mtime_ns
        with os.scandir(place) as entries:
            for entry in entries:
                if entry.name.endswith((".dist-info", ".egg-info")):
                    yield entry.name, entry.stat().st_mtime_ns
    except OSError:
        # Not there, or an archive.
        return
