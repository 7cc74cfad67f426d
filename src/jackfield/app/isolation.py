"""How plugins run whose code runs elsewhere."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from jackfield.clock import Clock
from jackfield.dialects.base import Reader
from jackfield.dialects.rings.world import RingWorld, tell_settings
from jackfield.errors import ConfigError
from jackfield.guests.grpc_reader import GrpcReader
from jackfield.guests.reader import Ground, IsolatedReader
from jackfield.runtimes.isolated.environments import environment_for, sweep_environments
from jackfield.runtimes.isolated.supply import Supply
from jackfield.settings import Settings
from jackfield.sources.archives.lock import FILES, base_of
from jackfield.sources.archives.wheels import WHEELS, find_wheels
from jackfield.sources.base import Found


class Grounds:
    """The packages that isolated plugins bring or name, in the data folder."""

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self._data_dir, self._clock = settings.store.data_dir, clock
        self._supply = Supply(offline=settings.isolation.offline)
        self._used: set[str] = set()

    async def find(self, found: Found) -> Ground:
        """Raises `ConfigError`."""
        assert found.root is not None, "what runs isolated stands in a folder"
        own = found.root / found.name
        folder = found.root if found.dialect == "ring" or not own.is_dir() else own
        environment = await environment_for(folder, self._data_dir, self._clock, self._supply)
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
                await environment_for(Path(folder), self._data_dir, self._clock, self._supply)
            except ConfigError as error:
                raise ConfigError(str(error).replace(folder, place)) from error

    async def sweep(self) -> None:
        """What no plugin has used for long goes."""
        await sweep_environments(self._data_dir, self._used, self._clock)


def _lay_out(files: Mapping[str, bytes], folder: Path) -> None:
    """A plugin's lock and its wheels."""
    base = base_of(files)
    (folder / WHEELS).mkdir()
    for name in (name for name in FILES if base + name in files):
        (folder / name).write_bytes(files[base + name])
    for path in find_wheels(files):
        (folder / WHEELS / PurePosixPath(path).name).write_bytes(files[path])


def make_readers(
    settings: Settings, rings: RingWorld, grounds: Grounds, clock: Clock, *, development: bool
) -> Mapping[str, Reader]:
    """By the name of their runtime."""
    isolation = settings.isolation
    isolated = IsolatedReader(
        clock,
        isolation,
        settings.store.data_dir,
        rings=rings,
        settings=tell_settings(settings),
        prices=tuple(map(Path, settings.usage.prices)),
        ground=grounds.find,
        development=development,
    )
    return {"isolated": isolated, "grpc": GrpcReader(clock, isolation, development=development)}
