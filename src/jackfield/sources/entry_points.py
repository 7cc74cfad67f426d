"""Plugins in installed packages: the entry-point group `jackfield.plugins`."""

from __future__ import annotations

from importlib.metadata import entry_points

from jackfield.sources.base import Found

GROUP = "jackfield.plugins"


class EntryPointSource:
    def find(self) -> tuple[Found, ...]:
        return tuple(
            Found(
                name=point.name,
                source="entry_point",
                dialect="native",
                place=point.value,
                load=point.load,
                version=point.dist.version if point.dist is not None else "",
            )
            for point in sorted(entry_points(group=GROUP), key=lambda point: point.name)
        )
