"""Bounded waiting for something to become so."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")

POLL_S = 0.01


class Changes:
    """Wakes those who wait for a condition each time that something may have changed."""

    def __init__(self) -> None:
        self._changed = asyncio.Event()

    def notify(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    async def until(self, reached: Callable[[], bool], describe: Callable[[], str], within: float) -> None:
        """Raises `TimeoutError` with the description of what there is instead."""
        try:
            async with asyncio.timeout(within):
                while not reached():
                    await self._changed.wait()
        except TimeoutError:
            raise TimeoutError(f"{describe()} after {within:g} s") from None


async def until(probe: Callable[[], Awaitable[T]], reached: Callable[[T], bool], *, within: float = 5.0) -> T:
    """Polls for what announces no change. Raises `TimeoutError` with the last value seen."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + within
    while not reached(value := await probe()):
        if loop.time() >= deadline:
            raise TimeoutError(f"still {value!r} after {within:g} s")
        await asyncio.sleep(POLL_S)
    return value
