"""How plugins run whose code runs elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from jackfield.clock import Clock
from jackfield.dialects.base import Reader
from jackfield.dialects.rings.world import RingWorld, tell_settings
from jackfield.guests.grpc_reader import GrpcReader
from jackfield.guests.reader import Ground, IsolatedReader
from jackfield.runtimes.isolated.environments import environment_for, sweep_environments
from jackfield.runtimes.isolated.supply import Supply
from jackfield.settings import Settings
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
        folder = own if own.is_dir() else found.root
        environment = await environment_for(folder, self._data_dir, self._clock, self._supply)
        if environment is None:
            return Ground()
        self._used.add(environment.digest)
        return Ground(path=(str(environment.site_packages),), read=environment.read)

    async def sweep(self) -> None:
        """What no plugin has used for long goes."""
        await sweep_environments(self._data_dir, self._used, self._clock)


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
