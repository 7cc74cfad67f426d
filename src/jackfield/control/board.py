"""What the workers of one gateway count, together: each publishes its counters, any of them answers for all."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any

import msgspec
import structlog

from jackfield.clock import Clock
from jackfield.errors import JackfieldError
from jackfield.stores.workers import FORGOTTEN_AFTER_S, Workers
from jackfield.telemetry.metrics import Metrics, Snapshot, merge

EVERY_S = 1.0

log = structlog.get_logger("jackfield.workers")


class Told(msgspec.Struct, frozen=True):
    """What a worker publishes."""

    generation: int
    metrics: Snapshot


class WorkerBoard:
    """`run` names the gateway as long as it lives, `number` the worker's place in it. A worker that takes the place of
    one that died counts on from there: counters never go back while the gateway runs.

    With a single worker nothing is written: its own counters are all there are. `generation` tells which generation of
    the plugin world this worker serves.
    """

    def __init__(
        self,
        workers: Workers,
        run: str,
        number: int,
        metrics: Metrics,
        clock: Clock,
        *,
        shared: bool,
        generation: Callable[[], int] = lambda: 0,
    ) -> None:
        self._generation = generation
        self._workers, self._run, self._metrics, self._clock = workers, run, metrics, clock
        self._shared = shared
        self.name = f"{run}-{number}"
        self._inherited: Snapshot = {}
        self._others: dict[str, Told] = {}

    async def inherit(self) -> None:
        """Takes over the counters of the worker that had this place. Gauges died with it."""
        if self._shared:
            rows = await self._rows()
            former = rows[self.name].metrics if self.name in rows else {}
            self._inherited = {name: family for name, family in former.items() if family.kind != "gauge"}

    async def run(self) -> None:
        """Publishes until it is cancelled."""
        while self._shared:
            await self.publish()
            await asyncio.sleep(EVERY_S)

    async def publish(self) -> None:
        told = Told(self._generation(), self._own())
        body: dict[str, Any] = msgspec.to_builtins(told, str_keys=True)
        try:
            await self._workers.publish(self.name, body, at=self._clock.wall())
        except JackfieldError as error:
            log.warning("worker_not_published", reason=error.message)

    async def withdraw(self) -> None:
        if self._shared:
            with contextlib.suppress(JackfieldError):
                await self._workers.withdraw(self.name)

    async def snapshots(self) -> list[Snapshot]:
        """This worker's counters as they are now, the others' as last published; while the store fails, as last
        read."""
        return [self._own(), *(told.metrics for told in (await self._look_at_others()).values())]

    async def generations(self) -> dict[str, int]:
        """By worker: of this one as it is now, of the others as last published; while the store fails, as last read."""
        others = {name: told.generation for name, told in (await self._look_at_others()).items()}
        return others | {self.name: self._generation()}

    async def _look_at_others(self) -> dict[str, Told]:
        if self._shared:
            try:
                self._others = {name: told for name, told in (await self._rows()).items() if name != self.name}
            except JackfieldError as error:
                log.warning("workers_not_read", reason=error.message)
        return self._others

    def _own(self) -> Snapshot:
        own = self._metrics.snapshot()
        return merge([own, self._inherited]) if self._inherited else own

    async def _rows(self) -> dict[str, Told]:
        """By worker; only those of this run."""
        every = await self._workers.all(FORGOTTEN_AFTER_S, now=self._clock.wall())
        beginning = f"{self._run}-"
        return {
            state.id: msgspec.convert(state.body, Told, strict=False)
            for state in every
            if state.id.startswith(beginning)
        }
