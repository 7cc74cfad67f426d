"""Traces of the last exchanges on their way to the store: best effort, when somebody may ask for them."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

import msgspec
import structlog

from jackfield.stores.database import Database
from jackfield.stores.traces import KEPT, Traces

log = structlog.get_logger(__name__)

TraceBody = bytes | Callable[[], bytes]
# Making one takes some 20 us; requests get their turn in between.
MADE_AT_ONCE = 10


class TraceRecorder:
    """Keeps the newest until the next write; older ones are never even made into JSON. Without `every_s` they are
    written only when asked."""

    def __init__(self, database: Database, every_s: float | None) -> None:
        self._traces = Traces(database)
        self._every_s = every_s
        self._bodies: deque[TraceBody] = deque(maxlen=KEPT)
        self._some = asyncio.Event()
        self._writing = asyncio.Lock()

    def add(self, body: TraceBody) -> None:
        self._bodies.append(body)
        if len(self._bodies) == 1:
            self._some.set()

    async def run(self) -> None:
        while self._every_s is not None:
            await self._some.wait()
            await self.write()
            await asyncio.sleep(self._every_s)

    async def write(self) -> None:
        """Once it returns, all that was added before is with the store, also what another call was writing."""
        async with self._writing:
            await self._write()

    async def _write(self) -> None:
        self._some.clear()
        makers = list(self._bodies)
        self._bodies.clear()
        try:
            bodies = await _make_all(makers)
            if bodies:
                await self._append(bodies)
        except asyncio.CancelledError:
            # At the end of the gateway: whoever writes last writes these too.
            self._bodies = deque([*makers, *self._bodies], maxlen=KEPT)
            raise

    async def _append(self, bodies: list[bytes]) -> None:
        try:
            await self._traces.append(bodies)
        except Exception as error:  # noqa: BLE001 - a trace is worth no retry, and recording goes on
            log.warning("traces lost", count=len(bodies), reason=str(error))


async def _make_all(makers: list[TraceBody]) -> list[bytes]:
    bodies = []
    for number, maker in enumerate(makers, 1):
        if body := _make(maker):
            bodies.append(body)
        if number % MADE_AT_ONCE == 0:
            await asyncio.sleep(0)
    return bodies


def _make(maker: TraceBody) -> bytes:
    try:
        body = maker if isinstance(maker, bytes) else maker()
        msgspec.json.decode(body)
    except Exception as error:  # noqa: BLE001 - a trace shows what others wrote; one that fails is left out
        log.warning("trace lost", reason=str(error))
        return b""
    return body
