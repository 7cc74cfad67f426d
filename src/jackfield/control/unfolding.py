"""Taking the ledger's batches apart when nobody waits for the processor."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from time import perf_counter, thread_time

import msgspec
import structlog

from jackfield.stores.ledger import Ledger

log = structlog.get_logger(__name__)


class UnfoldingPace(msgspec.Struct, frozen=True):
    """How often it is looked whether there is time, from which share of one processor on the event loop counts as busy,
    and how many records may wait in a busy time: from there on as many leave as come, from twice as many on at once."""

    every_s: float = 1.0
    busy: float = 0.1
    backlog: int = 300_000


class LoopLoad:
    """How busy the event loop's thread is, as a share of one processor."""

    def __init__(self) -> None:
        self._spent, self._at = thread_time(), perf_counter()

    def __call__(self) -> float:
        """Since the last call."""
        spent, at = thread_time(), perf_counter()
        share = (spent - self._spent) / max(at - self._at, 1e-6)
        self._spent, self._at = spent, at
        return share


class Unfolder:
    """Belongs to one event loop. Each worker sees to what it appended; whoever comes first does it, for all."""

    def __init__(self, ledger: Ledger, pace: UnfoldingPace, load: Callable[[], float] | None = None) -> None:
        self._ledger, self._pace = ledger, pace
        self._load = load or LoopLoad()
        # Perhaps an earlier process left some.
        self._waiting = 1
        self._failing = False

    def note(self, records: int) -> None:
        """So many were appended."""
        self._waiting += records

    async def run(self) -> None:
        while True:
            await asyncio.sleep(self._pace.every_s)
            try:
                await self.work()
                self._failing = False
            except Exception as error:  # noqa: BLE001 - whatever the store does, the batches are safe and wait
                self._note_failure(error)

    async def work(self) -> None:
        """Goes on until nothing is left, or the loop is busy and no more wait than may."""
        while self._waiting and (self._waiting > self._pace.backlog or self._load() < self._pace.busy):
            moved = await self._ledger.unfold(stands_back=self._waiting <= 2 * self._pace.backlog)
            self._waiting = max(self._waiting - moved, 1) if moved else 0

    async def finish(self) -> None:
        """What is there now, however busy the loop is."""
        try:
            await self._ledger.unfold_all()
        except Exception as error:  # noqa: BLE001 - the batches are safe, and the next start finds them
            self._note_failure(error)

    def _note_failure(self, error: Exception) -> None:
        if not self._failing:
            log.warning("usage records wait in the journal", reason=str(error))
        self._failing = True
