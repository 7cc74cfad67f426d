"""Reading plugins that run isolated: in a process of Python of their own."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any
from weakref import WeakSet

import msgspec

from jackfield.clock import Clock
from jackfield.control.prices import read_prices
from jackfield.dialects.base import Blueprint
from jackfield.dialects.rings.world import RingWorld
from jackfield.errors import ManifestError
from jackfield.guests.configs import make_config
from jackfield.guests.descriptions import check_description
from jackfield.guests.exchanges import COMPACT
from jackfield.guests.faults import GuestRaised
from jackfield.guests.plugin import TAKEN, Code, make_kind
from jackfield.guests.ring_share import RingShare
from jackfield.host.loader import PluginBroke
from jackfield.runtimes.base import Answerer, Session
from jackfield.runtimes.isolated.program import GuestProgram
from jackfield.runtimes.isolated.scratch import sweep_scratch
from jackfield.runtimes.isolated.session import IsolatedSession
from jackfield.runtimes.limits import Limits
from jackfield.settings import IsolationSettings, PluginIsolation
from jackfield.sources.base import Found
from jackfield.telemetry.text import describe_error

RUNTIME = "isolated"
MODULE = "jackfield.guests.entry"
DIALECTS = ("native", "ring", "toolbox")


class Ground(msgspec.Struct, frozen=True):
    """What a plugin's process stands on besides the library: where it looks for modules first, and what it may read."""

    path: tuple[str, ...] = ()
    read: tuple[Path, ...] = ()


FindGround = Callable[[Found], Awaitable[Ground]]


async def find_nothing(found: Found) -> Ground:
    """For plugins that need no packages."""
    return Ground()


class Opened:
    """What a reader has started to be described."""

    def __init__(self) -> None:
        self._codes: WeakSet[Code] = WeakSet()

    def note(self, code: Code) -> Code:
        self._codes.add(code)
        return code

    async def aclose(self) -> None:
        for code in tuple(self._codes):
            await code.aclose()


async def read_guest(found: Found, code: Code, runtime: str) -> Blueprint:
    """Starts it to be described, over whatever session; the instance of the blueprint takes it over. Raises as
    `Reader`."""
    guest = code.open()
    try:
        await guest.start()
    except GuestRaised as error:
        raise PluginBroke(describe_error(error)) from error
    description = guest.description
    assert description is not None, "it was started and described"
    try:
        manifest = check_description(found, description, TAKEN)
        stated = found.form()
        model = stated.model if stated is not None else make_config(manifest.id, description.config_schema)
    except BaseException:
        await guest.stop(0)
        raise
    code.description = description
    kind = make_kind(manifest.id, code, model)
    code.offer(guest)
    ui_schema = stated.ui_schema if stated is not None else description.ui_schema
    return Blueprint(manifest, kind, ui_schema, description.aliases, runtime, description.agent)


class IsolatedReader:
    """`Reader` of plugins in Python."""

    def __init__(
        self,
        clock: Clock,
        isolation: IsolationSettings,
        data_dir: Path,
        *,
        rings: RingWorld | None = None,
        settings: Mapping[str, Any] = MappingProxyType({}),
        prices: tuple[Path, ...] = (),
        ground: FindGround = find_nothing,
        development: bool = False,
    ) -> None:
        """`rings`, and of the `settings` what plugins may know, are what ring plugins share; `prices` are the
        operator's."""
        self._clock, self._isolation, self._ground = clock, isolation, ground
        self._scratch, self._development = data_dir.resolve() / "scratch", development
        self._rings = rings or RingWorld()
        self._opened, self._swept = Opened(), False
        self._told = {"settings": dict(settings), "prices": _read_shelves(prices)}

    async def read(self, found: Found) -> Blueprint:
        root = _refuse_foreign(found)
        if not self._swept:
            self._swept = True
            await asyncio.to_thread(sweep_scratch, self._scratch)
        ground = await self._ground(found)
        arguments = describe_place(found, root) | {"development": self._development}
        share = None
        if found.dialect == "ring":
            arguments |= self._told
            share = make_share(found, self._rings)
        program = GuestProgram(module=MODULE, arguments=arguments, read=(root, *ground.read), path=ground.path)
        own = self._own(found)

        def open_session(answerer: Answerer) -> Session:
            return IsolatedSession(
                found.name,
                program,
                answerer,
                self._clock,
                Limits(memory_mb=own.memory_mb or self._isolation.memory_mb),
                minimum=self._isolation.minimum,
                workers=own.workers,
                spares=own.spares,
                scratch=self._scratch / found.name,
            )

        code = Code(found.name, open_session, COMPACT, self._clock, share, development=self._development)
        return await read_guest(found, self._opened.note(code), RUNTIME)

    def _own(self, found: Found) -> PluginIsolation:
        """What the operator says of this plugin, by its id or its folder."""
        manifest = found.manifest()
        names = (manifest.id, found.name) if manifest is not None else (found.name,)
        plugins = self._isolation.plugins
        return next((plugins[name] for name in names if name in plugins), PluginIsolation())

    async def aclose(self) -> None:
        await self._opened.aclose()


def make_share(found: Found, world: RingWorld) -> RingShare:
    """Raises `ManifestError`."""
    stated = found.hook()
    if stated is None:
        found.manifest()
        raise ManifestError("says nothing of its hook", file=found.place)
    return RingShare(world, stated.point)


def _read_shelves(files: tuple[Path, ...]) -> list[Any]:
    """Raises `ConfigError`."""
    return [msgspec.to_builtins(read_prices(file)) for file in reversed(files)]


def _refuse_foreign(found: Found) -> Path:
    """Where it is found again. Raises `ManifestError`."""
    if found.dialect not in DIALECTS:
        where = (
            "run in the gateway's own process" if found.dialect == "factory" else "have a process of their own already"
        )
        told = f"plugins of the {found.dialect} dialect {where}"
        raise ManifestError(told, file=found.place, field="runtime")
    if found.runtime not in ("inprocess", RUNTIME):
        raise ManifestError(f"it runs in a process of {found.runtime} already", file=found.place, field="runtime")
    if found.root is None:
        told = "it is installed in the gateway's own interpreter: only what stands in a folder can run isolated"
        raise ManifestError(told, file=found.place, field="runtime")
    # Its process has another working directory.
    return found.root.resolve()


def describe_place(found: Found, root: Path) -> dict[str, Any]:
    """Where `main` finds it again."""
    shown = root if found.folder is None else found.folder if found.dialect == "ring" else found.folder.parent
    return {"dialect": found.dialect, "name": found.name, "root": str(root), "shown": str(shown), "form": COMPACT.name}
