"""Time that jumps, for what waits long: tests that run on a loop whose time is virtual, and what they need there."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

from jackfield.stores.database import Database
from jackfield.stores.leases import Leases
from jackfield.testing.virtual_time import VirtualLoop

# Tuesday, 2023-11-14 22:13:20 UTC.
BEGAN = 1_700_000_000.0


def in_virtual_time(test: Callable[..., Awaitable[None]]) -> Callable[..., None]:
    @functools.wraps(test)
    def run(*given: Any, **named: Any) -> None:
        async def whole() -> None:
            await test(*given, **named)

        with asyncio.Runner(loop_factory=VirtualLoop) as runner:
            runner.run(whole())

    return run


class LoopClock:
    """The wall clock may be set."""

    def __init__(self, wall: float = BEGAN) -> None:
        self.began = wall

    def monotonic(self) -> float:
        return asyncio.get_running_loop().time()

    def wall(self) -> float:
        return self.began + self.monotonic()


@contextmanager
def real_time() -> Any:
    """For what a thread does: it must not be overtaken."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualLoop)
    loop.jumping.threads += 1
    try:
        yield
    finally:
        loop.jumping.threads -= 1


class RealTimeLeases:
    """The store's own leases."""

    def __init__(self, leases: Leases) -> None:
        self._leases = leases

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._leases, name)

        async def call(*given: Any, **named: Any) -> Any:
            with real_time():
                return await method(*given, **named)

        return call


@asynccontextmanager
async def open_leases(folder: Path) -> AsyncIterator[Any]:
    with real_time():
        database = await Database.open("sqlite", folder)
    try:
        yield RealTimeLeases(Leases(database))
    finally:
        with real_time():
            await database.dispose()
