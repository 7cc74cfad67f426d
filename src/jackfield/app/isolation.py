"""How plugins run whose code runs elsewhere. What runs them is imported when there is one: a gateway without any need
not wait for it, nor hold it in memory."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from jackfield.clock import Clock
from jackfield.dialects.base import Blueprint, Reader
from jackfield.dialects.rings.world import RingWorld, tell_settings
from jackfield.errors import ConfigError
from jackfield.runtimes.isolated.places import ENVIRONMENTS
from jackfield.settings import Settings
from jackfield.sources.archives.lock import FILES, base_of
from jackfield.sources.archives.wheels import WHEELS, find_wheels
from jackfield.sources.base import Found

if TYPE_CHECKING:
    from jackfield.guests.reader import Ground
    from jackfield.runtimes.isolated.environments import Environment


class Grounds:
    """The packages that isolated plugins bring or name, in the data folder."""

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self._data_dir, self._clock = settings.store.data_dir, clock
        self._offline = settings.isolation.offline
        self._used: set[str] = set()

    async def find(self, found: Found) -> Ground:
        """Raises `ConfigError`."""
        from jackfield.guests.reader import Ground

        assert found.root is not None, "what runs isolated stands in a folder"
        own = found.root / found.name
        folder = found.root if found.dialect == "ring" or not own.is_dir() else own
        environment = await self._environment_for(folder)
        if environment is None:
            return Ground()
        self._used.add(environment.digest)
        return Ground(path=(str(environment.site_packages),), read=environment.read)

    async def prepare(self, files: Mapping[str, bytes], place: str) -> None:
        """Makes what `find` will find for a plugin whose files stand as in a plugins folder. Raises `ConfigError`
        that names its `place`."""
        with tempfile.TemporaryDirectory(prefix="jackfield-packages-") as folder:
            await asyncio.to_thread(_lay_out, files, Path(folder))
            try:
                await self._environment_for(Path(folder))
            except ConfigError as error:
                raise ConfigError(str(error).replace(folder, place)) from error

    async def _environment_for(self, folder: Path) -> Environment | None:
        from jackfield.runtimes.isolated.environments import environment_for
        from jackfield.runtimes.isolated.supply import Supply

        return await environment_for(folder, self._data_dir, self._clock, Supply(offline=self._offline))

    async def sweep(self) -> None:
        """What no plugin has used for long goes."""
        if not (self._data_dir / ENVIRONMENTS).is_dir():
            return
        from jackfield.runtimes.isolated.environments import sweep_environments

        await sweep_environments(self._data_dir, self._used, self._clock)


def _lay_out(files: Mapping[str, bytes], folder: Path) -> None:
    """A plugin's lock and its wheels."""
    base = base_of(files)
    (folder / WHEELS).mkdir()
    for name in (name for name in FILES if base + name in files):
        (folder / name).write_bytes(files[base + name])
    for path in find_wheels(files):
        (folder / WHEELS / PurePosixPath(path).name).write_bytes(files[path])


class ReaderToCome:
    """A reader from `module` that is made when there is something to read."""

    def __init__(self, module: str, make: Callable[[], Reader]) -> None:
        self._module, self._make = module, make
        self._reader: Reader | None = None

    async def read(self, found: Found) -> Blueprint:
        if self._reader is None:
            await asyncio.to_thread(import_module, self._module)
        # Another may have come first, while this one waited.
        self._reader = self._reader or self._make()
        return await self._reader.read(found)

    async def aclose(self) -> None:
        if self._reader is not None:
            await self._reader.aclose()


def make_readers(
    settings: Settings, rings: RingWorld, grounds: Grounds, clock: Clock, *, development: bool
) -> Mapping[str, Reader]:
    """By the name of their runtime."""
    isolation = settings.isolation

    def make_isolated() -> Reader:
        from jackfield.guests.reader import IsolatedReader

        return IsolatedReader(
            clock,
            isolation,
            settings.store.data_dir,
            rings=rings,
            settings=tell_settings(settings),
            prices=tuple(map(Path, settings.usage.prices)),
            ground=grounds.find,
            development=development,
        )

    def make_grpc() -> Reader:
        from jackfield.guests.grpc_reader import GrpcReader

        return GrpcReader(clock, isolation, development=development)

    return {
        "isolated": ReaderToCome("jackfield.guests.reader", make_isolated),
        "grpc": ReaderToCome("jackfield.guests.grpc_reader", make_grpc),
    }
