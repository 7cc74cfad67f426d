"""Tells a client that waits how far a call is."""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from jackfield.sdk.tools import progress_heard_by

HEARTBEAT_S = 10.0
MOST_WAITING = 100

Report = Callable[[float, float | None, str | None], Awaitable[None]]


class ProgressTeller:
    """At the start, whenever the tool says so, and now and then in between. The protocol wants numbers that only grow:
    a part of what is missing is added where the tool has said nothing new. Of what a client is too slow for the oldest
    is dropped."""

    def __init__(self, report: Report, heartbeat_s: float = HEARTBEAT_S) -> None:
        self._report, self._heartbeat_s = report, heartbeat_s
        self._told = 0.0
        self._waiting: deque[tuple[float, str]] = deque(maxlen=MOST_WAITING)
        self._news = asyncio.Event()
        self._done = False

    def hear(self, fraction: float, message: str = "") -> None:
        if isinstance(fraction, int | float) and math.isfinite(fraction):
            self._waiting.append((min(max(float(fraction), 0.0), 1.0), str(message)))
            self._news.set()

    def finish(self) -> None:
        self._done = True
        self._news.set()

    async def run(self) -> None:
        await self._report(0.0, 1.0, "started")
        while not (self._done and not self._waiting):
            await self._wait()
            while self._waiting:
                await self._tell(*self._waiting.popleft())

    async def _wait(self) -> None:
        try:
            async with asyncio.timeout(self._heartbeat_s):
                await self._news.wait()
        except TimeoutError:
            self.hear(self._told, "still running")
        self._news.clear()

    async def _tell(self, fraction: float, message: str) -> None:
        if fraction <= self._told:
            fraction = self._told + (1 - self._told) / 100
        if fraction > self._told:
            self._told = fraction
            await self._report(fraction, 1.0, message or None)


@asynccontextmanager
async def progress_told(report: Report, *, wanted: bool) -> AsyncIterator[None]:
    """For the call inside. All that the tool has said is told before it ends."""
    if not wanted:
        yield
        return
    teller = ProgressTeller(report)
    telling = asyncio.create_task(teller.run(), name="mcp-progress")
    try:
        with progress_heard_by(teller.hear):
            yield
        teller.finish()
        await telling
    finally:
        telling.cancel()
