"""From the hot path to the ledger: records leave in batches, and wait in memory while the store fails."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable
from types import TracebackType
from typing import Self

import msgspec
import structlog

from jackfield.control.records import UsageRecord
from jackfield.control.traces import TraceBody, TraceRecorder
from jackfield.control.unfolding import Unfolder, UnfoldingPace
from jackfield.stores.database import Database
from jackfield.stores.ledger import Ledger

_encode = msgspec.json.Encoder().encode

log = structlog.get_logger(__name__)


class Pace(msgspec.Struct, frozen=True):
    """How often batches leave, how large they are, how many records wait at most, how long a failing store is
    left alone, how long closing may take, and when batches are taken apart."""

    every_s: float = 0.05
    batch: int = 2000
    capacity: int = 200_000
    retry_s: float = 0.1
    retry_most_s: float = 5.0
    traces_every_s: float = 1.0
    closing_s: float = 5.0
    unfolding: UnfoldingPace = UnfoldingPace()


class Recorder:
    """Belongs to one event loop; use as an async context manager. `shared`: other workers answer for this one too, so
    they must find its traces in the store.

    `lost` counts records dropped because too many waited for a failing store or because they could not be
    encoded; `failures` counts failed writes in a row."""

    def __init__(self, database: Database, pace: Pace | None = None, *, shared: bool = True) -> None:
        self.lost = 0
        self.failures = 0
        self._ledger = Ledger(database)
        self._pace = pace or Pace()
        self._unfolder = Unfolder(self._ledger, self._pace.unfolding)
        self._traces = TraceRecorder(database, self._pace.traces_every_s if shared else None)
        # In JSON: what is as short-lived as a record stays in the caches of the processor, what waits here does not.
        self._records: deque[bytes] = deque()
        self._in_flight = 0
        self._usual_crowd = min(self._pace.batch, self._pace.capacity + 1)
        self._crowd = self._usual_crowd
        self._some = asyncio.Event()
        self._due = asyncio.Event()
        self._closing = False
        self._writing = asyncio.Lock()
        self._tasks: list[asyncio.Task[None]] = []
        self._sources: list[Callable[[], None]] = []

    def ask_first(self, source: Callable[[], None]) -> None:
        """`source` is to add the records that it still holds, whenever what was added is counted or written."""
        self._sources.append(source)

    def _gather(self) -> None:
        for source in self._sources:
            source()

    @property
    def depth(self) -> int:
        """Records that are not durable yet."""
        self._gather()
        return len(self._records) + self._in_flight

    def add(self, record: UsageRecord) -> None:
        try:
            encoded = _encode(record)
        except (TypeError, ValueError, OverflowError) as error:
            self.lose(1, f"record {record.id} cannot be encoded: {error}")
            return
        records = self._records
        records.append(encoded)
        waiting = len(records)
        if waiting == 1:
            self._some.set()
        elif waiting >= self._crowd:
            if not self.failures:
                self._due.set()
            self._drop_oldest()

    def trace(self, body: TraceBody) -> None:
        """JSON, or what makes it, called only if it is among the newest when traces are written. Traces may
        be lost without a count."""
        self._traces.add(body)

    def _drop_oldest(self) -> None:
        excess = len(self._records) - self._pace.capacity
        for _ in range(excess):
            self._records.popleft()
        if excess > 0:
            self.lose(excess, "too many records wait for the store")

    def lose(self, count: int, reason: str) -> None:
        """Counts and reports records that will never be written."""
        if self.lost == 0 or self.lost // 10_000 != (self.lost + count) // 10_000:
            log.error("usage records lost", reason=reason, lost=self.lost + count)
        self.lost += count

    async def __aenter__(self) -> Self:
        self._tasks = [
            asyncio.create_task(self._run(), name="recorder"),
            asyncio.create_task(self._traces.run(), name="trace recorder"),
            asyncio.create_task(self._unfolder.run(), name="unfolder"),
        ]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Writes what is left, for a bounded time; what then is not written counts as lost."""
        self._gather()
        self._closing = True
        self._some.set()
        self._due.set()
        tasks, self._tasks = self._tasks, []
        if tasks:
            recording, *others = tasks
            for task in others:
                task.cancel()
            await asyncio.wait(others)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._finish(recording), self._pace.closing_s)
        self._gather()
        if self._records:
            self.lose(len(self._records), "the store failed until the end")
            self._records.clear()

    async def _finish(self, recording: asyncio.Task[None]) -> None:
        await asyncio.gather(recording, self._traces.write())
        if not self.failures:
            await self._unfolder.finish()

    async def _run(self) -> None:
        clock = asyncio.get_running_loop().time
        due = clock()
        while not self._closing:
            await self._some.wait()
            # From start to start: what came while the last batch was written has waited long enough.
            await self._wait_until(due)
            due = clock() + self._pace.every_s
            if not await self.flush():
                due = clock() + self._retry_delay()
        for _ in range(max(1, round(self._pace.closing_s / self._pace.retry_s))):
            if await self.flush():
                return
            await asyncio.sleep(self._pace.retry_s)

    async def _wait_until(self, due: float) -> None:
        """Or until a batch is full, or the recorder closes."""
        loop = asyncio.get_running_loop()
        if due <= loop.time():
            return
        timer = loop.call_at(due, self._due.set)
        try:
            await self._due.wait()
        finally:
            timer.cancel()

    def _retry_delay(self) -> float:
        return float(min(self._pace.retry_s * 2.0 ** min(self.failures - 1, 30), self._pace.retry_most_s))

    async def flush(self) -> bool:
        """Makes durable what was added until now. False where the store failed: the records wait on."""
        self._gather()
        async with self._writing:
            if not self._closing:
                self._some.clear()
                self._due.clear()
            try:
                await self._write()
            except Exception as error:  # noqa: BLE001 - whatever the store does, records wait and recording goes on
                self._note_failure(error)
                return False
            self._note_success()
            return True

    async def flush_traces(self) -> None:
        """Writes the traces that were added until now, as far as the store takes them."""
        self._gather()
        await self._traces.write()

    async def _write(self) -> None:
        left = len(self._records)
        while left > 0 and self._records:
            size = min(left, len(self._records), self._pace.batch)
            await self._write_batch([self._records.popleft() for _ in range(size)])
            left -= size

    async def _write_batch(self, batch: list[bytes]) -> None:
        self._in_flight = len(batch)
        try:
            await self._ledger.append(b"[%b]" % b",".join(batch), len(batch))
            self._unfolder.note(len(batch))
        except BaseException:
            # Perhaps written, perhaps not: the ledger takes each id once, so they may go again.
            self._records.extendleft(reversed(batch))
            self._drop_oldest()
            raise
        finally:
            self._in_flight = 0

    def _note_failure(self, error: Exception) -> None:
        self.failures += 1
        self._some.set()
        # Until the store is back only a full buffer is worth a look at each record.
        self._crowd = self._pace.capacity + 1
        if self.failures == 1:
            log.warning("usage records wait for the store", reason=str(error), waiting=self.depth)

    def _note_success(self) -> None:
        if self.failures:
            log.info("usage records are written again", failed_writes=self.failures, waiting=self.depth)
        self.failures = 0
        self._crowd = self._usual_crowd
        if self._records:
            self._some.set()
