"""What the workers of one gateway count, together: each publishes its counters, any of them answers for all."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import msgspec
import structlog

from jackfield.clock import Clock
from jackfield.errors import JackfieldError
from jackfield.stores.workers import Workers
from jackfield.telemetry.metrics import Metrics, Snapshot

EVERY_S = 1.0
MAX_AGE_S = 10.0

log = structlog.get_logger("jackfield.workers")


class WorkerBoard:
    """With a single worker nothing is written: its own counters are all there are."""

    def __init__(self, workers: Workers, worker: str, metrics: Metrics, clock: Clock, *, shared: bool) -> None:
        self._workers, self._worker, self._metrics, self._clock = workers, worker, metrics, clock
        self._shared = shared

    async def run(self) -> None:
        """Publishes until it is cancelled; its owner starts it where there are several workers."""
        while self._shared:
            await self.publish()
            await asyncio.sleep(EVERY_S)

    async def publish(self) -> None:
        body: dict[str, Any] = msgspec.to_builtins(self._metrics.snapshot(), str_keys=True)
        try:
            await self._workers.publish(self._worker, body, at=self._clock.wall())
        except JackfieldError as error:
            log.warning("worker_not_published", reason=error.message)

    async def withdraw(self) -> None:
        if self._shared:
            with contextlib.suppress(JackfieldError):
                await self._workers.withdraw(self._worker)

    async def snapshots(self) -> list[Snapshot]:
        """This worker's counters as they are now, the others' as last published."""
        own = self._metrics.snapshot()
        if not self._shared:
            return [own]
        others = await self._workers.all(MAX_AGE_S, now=self._clock.wall())
        told = [msgspec.convert(state.body, Snapshot, strict=False) for state in others if state.id != self._worker]
        return [own, *told]
