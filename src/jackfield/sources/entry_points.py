"""Plugins in installed packages: the entry-point group `jackfield.plugins`, and those that dialects have besides."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from importlib.metadata import EntryPoint, entry_points
from types import MappingProxyType

from jackfield.sources.base import Found

GROUP = "jackfield.plugins"

# What a dialect makes of the entry points of its group.
FindInstalled = Callable[[Iterable[EntryPoint]], tuple[Found, ...]]
NONE: Mapping[str, FindInstalled] = MappingProxyType({})


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
