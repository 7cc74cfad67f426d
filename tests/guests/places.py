"""The same plugin in the gateway's process and in one of its own: what it does must be the same."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from jackfield.app.plugins import make_dialects
from jackfield.clock import SystemClock
from jackfield.dialects.base import Blueprint
from jackfield.dialects.rings.world import RingWorld
from jackfield.guests.exchanges import COMPACT, FORMS, Form
from jackfield.guests.main import make_program
from jackfield.guests.plugin import Code
from jackfield.guests.reader import IsolatedReader, describe_place, read_guest
from jackfield.runtimes.base import Answerer, Session
from jackfield.runtimes.inprocess import InProcessSession
from jackfield.settings import IsolationSettings
from jackfield.sources.base import Found
from jackfield.testing.host import FakeHost

PLUGINS = Path(__file__).parent / "plugins"
PLACES = ("inprocess", "isolated")
# The same without a process, for what is said between the two sides, in either form.
SIDES = ("inprocess", "compact", "plain")


def find(name: str, folder: Path = PLUGINS, world: RingWorld | None = None) -> Found:
    return next(one for one in find_all(folder, world) if one.name == name)


def find_all(folder: Path, world: RingWorld | None = None) -> list[Found]:
    return [one for dialect in make_dialects(world).values() for one in dialect.find(folder)]


def code_of(found: Found, form: Form = COMPACT) -> Code:
    """The plugin's program beside its host, over a session without a process."""
    assert found.root is not None
    arguments = describe_place(found, found.root) | {"form": form.name}

    def open_session(answerer: Answerer) -> Session:
        return InProcessSession(found.name, make_program(arguments, NoRpc()), answerer)

    return Code(found.name, open_session, form, SystemClock())


class NoRpc:
    """For programs that ask nothing before they are called."""

    async def call(self, method: str, params: Any = None) -> Any:
        raise AssertionError(f"{method} was asked outside of any call")

    def tell(self, method: str, params: Any = None) -> None:
        raise AssertionError(f"{method} was told outside of any call")


class Place:
    """Where plugins are read; `close` ends what was started and not taken."""

    def __init__(self, name: str, scratch: Path, rings: RingWorld | None = None) -> None:
        self._name, self._rings = name, rings
        self._reader = IsolatedReader(SystemClock(), IsolationSettings(), scratch, rings=rings)
        self._codes: list[Code] = []

    async def read(self, found: Found) -> Blueprint:
        if self._name == "isolated":
            return await self._reader.read(found)
        if self._name == "inprocess":
            return make_dialects(self._rings)[found.dialect].read(found)
        code = code_of(found, FORMS[self._name])
        self._codes.append(code)
        return await read_guest(found, code, "isolated")

    async def aclose(self) -> None:
        await self._reader.aclose()
        for code in self._codes:
            await code.aclose()


@asynccontextmanager
async def host_plugin(
    place: str,
    name: str,
    *,
    folder: Path = PLUGINS,
    found: Found | None = None,
    rings: RingWorld | None = None,
    **options: Any,
) -> AsyncIterator[FakeHost]:
    """`rings` is what ring plugins share, in process and isolated; `found` it already."""
    found = found or find(name, folder, rings)
    with tempfile.TemporaryDirectory(prefix="jackfield-guests-") as scratch:
        where = Place(place, Path(scratch), rings)
        try:
            async with FakeHost(await where.read(found), **options) as host:
                yield host
        finally:
            await where.aclose()
            found.forget()
