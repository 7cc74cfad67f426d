"""Plugins that come up when a test wants it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import msgspec
import pytest

from jackfield.dialects.base import Blueprint
from jackfield.dialects.native import NativeDialect
from jackfield.host import late
from jackfield.host.plugin import LoadedPlugin
from jackfield.sources.base import Found
from jackfield.testing.waiting import until
from jackfield.wire.base import OPERATIONS

from .world import World, states

MANIFEST = """
    id = "{0}"
    version = "1.0.0"
    runtime = "isolated"
"""
OBSERVER = """
    from jackfield.sdk import Plugin, hook

    class {0}(Plugin):
        @hook("background")
        async def look(self, exchange): ...
"""


class Reader:
    """Those in `held` are read when it is opened for them; `faults` is what reading them comes to."""

    def __init__(self) -> None:
        self.held: dict[str, asyncio.Event] = {}
        self.faults: dict[str, Exception] = {}
        self.read_: list[str] = []

    async def read(self, found: Found) -> Blueprint:
        self.read_.append(found.name)
        if (held := self.held.get(found.name)) is not None:
            await held.wait()
        if (fault := self.faults.get(found.name)) is not None:
            raise fault
        return msgspec.structs.replace(NativeDialect().read(found), runtime=found.runtime)

    def hold(self, *names: str) -> None:
        self.held = {name: asyncio.Event() for name in names}


def wait_only_until(patch: pytest.MonkeyPatch, begun: Callable[[], bool]) -> None:
    """The start gives up whoever is not there once that is so, however long it took."""
    finish = late._finish

    async def wait(wanted: list[Any], starting: Mapping[str, Any], patience_s: float | None) -> None:
        if patience_s is None or not wanted:
            await finish(wanted, starting, patience_s)
        else:
            await until(lambda: asyncio.sleep(0, begun()), bool, within=10)

    patch.setattr(late, "_finish", wait)


def write(world: World, names: Iterable[str], source: str = "") -> None:
    for name in names:
        world.write(name, source.replace("{0}", name.capitalize()), manifest=MANIFEST.format(name))


def now(world: World) -> dict[str, str]:
    return states(world.running.snapshot.plugins)


async def when(world: World, name: str, state: str) -> LoadedPlugin:
    await until(lambda: asyncio.sleep(0, now(world)), lambda found: found[name] == state, within=10)
    return world.running.snapshot.plugins[name]


def barred(world: World) -> set[str]:
    rows = [world.running.snapshot.table.row(operation).barred for operation in OPERATIONS]
    return {row[1] for row in rows if row is not None}
