"""Which core does what, and what each core did meanwhile."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec


class Cores(msgspec.Struct, frozen=True):
    """`target` is for what is measured, `load` for the load generator and the mock upstream."""

    target: int
    load: int

    @property
    def shared(self) -> bool:
        return self.target == self.load


class CoreTimes(msgspec.Struct, frozen=True):
    """Ticks of one core since the machine started."""

    total: int
    idle: int
    stolen: int


class CoreShares(msgspec.Struct, frozen=True):
    """`stolen` went to other machines on the same host."""

    busy: float
    stolen: float


def choose_cores() -> Cores:
    """The first two cores that this process may use; one for both where there is no second."""
    allowed = sorted(os.sched_getaffinity(0))
    return Cores(allowed[0], allowed[1 % len(allowed)])


@contextmanager
def pinned(core: int) -> Iterator[None]:
    """Children that are started inside stay on `core`."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def times_of(core: int, stat: str | None = None) -> CoreTimes:
    text = Path("/proc/stat").read_text() if stat is None else stat
    fields = next(line.split() for line in text.splitlines() if line.startswith(f"cpu{core} "))
    user, nice, system, idle, waiting, irq, soft, stolen = (int(field) for field in fields[1:9])
    total = user + nice + system + idle + waiting + irq + soft + stolen
    return CoreTimes(total, idle + waiting, stolen)


def shares_between(before: CoreTimes, after: CoreTimes) -> CoreShares:
    total = max(1, after.total - before.total)
    stolen = (after.stolen - before.stolen) / total
    return CoreShares(1 - (after.idle - before.idle) / total - stolen, stolen)
