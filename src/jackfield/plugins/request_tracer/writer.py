"""From the event loop to the disk: exchanges are made into files in a thread, and bounded while they wait."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable

import msgspec

from jackfield.plugins.request_tracer.folder import Folder
from jackfield.plugins.request_tracer.record import Kept, name_of

MOST_WAITING = 1_000
MOST_BYTES = 64 * 1024 * 1024
BATCH = 20
CLOSING_S = 5.0
# Files grow old also while nothing is asked.
PRUNED_EVERY_S = 60.0


class Writer:
    """`problem` is why nothing is written now; `dropped` counts exchanges that came faster than they could be written.
    `tell` is called with the problem when it begins, and with nothing when it is over."""

    def __init__(
        self,
        folder: Folder,
        describe: Callable[[Kept], bytes],
        tell: Callable[[str], None],
        now: Callable[[], float] = time.time,
    ) -> None:
        self._folder, self._describe, self._tell, self._now = folder, describe, tell, now
        self._waiting: deque[Kept] = deque()
        self._bytes = 0
        self._some = asyncio.Event()
        self._closing = False
        self._task: asyncio.Task[None] | None = None
        self.problem = ""
        self.dropped = 0

    async def open(self) -> None:
        """Raises `OSError`."""
        await asyncio.to_thread(self._folder.open)
        self._task = asyncio.create_task(self._run(), name="request tracer")

    def add(self, kept: Kept) -> None:
        if len(self._waiting) >= MOST_WAITING or self._bytes + kept.size > MOST_BYTES:
            self.dropped += 1
            self._note(f"{self.dropped} exchanges came faster than they could be written")
            return
        self._waiting.append(kept)
        self._bytes += kept.size
        self._some.set()

    async def aclose(self) -> None:
        """Writes what waits, for a bounded time."""
        self._closing = True
        self._some.set()
        task, self._task = self._task, None
        if task is not None:
            await asyncio.wait((task,), timeout=CLOSING_S)
            task.cancel()
        if self._waiting:
            self._tell(f"{len(self._waiting)} exchanges were not written before the end")

    async def _run(self) -> None:
        while not self._closing or self._waiting:
            await self._wait()
            self._some.clear()
            batch = [self._waiting.popleft() for _ in range(min(BATCH, len(self._waiting)))]
            self._bytes -= sum(kept.size for kept in batch)
            try:
                await asyncio.to_thread(self._write, batch)
            except OSError as error:
                self.dropped += len(batch)
                self._note(f"{self._folder.path}: {error.strerror or error}; {self.dropped} exchanges are not written")
            else:
                self._note("")

    async def _wait(self) -> None:
        """For exchanges, or for the time to prune."""
        if self._waiting or self._closing:
            return
        try:
            async with asyncio.timeout(PRUNED_EVERY_S):
                await self._some.wait()
        except TimeoutError:
            return

    def _write(self, batch: list[Kept]) -> None:
        """In a thread. Raises `OSError`."""
        for kept in batch:
            self._folder.write(name_of(kept), self._described(kept))
        self._folder.prune_if_due(self._now())

    def _described(self, kept: Kept) -> bytes:
        """A boundary: what strangers wrote may be of a kind that nobody thought of, and others are written all the
        same."""
        try:
            return self._describe(kept)
        except Exception as error:  # noqa: BLE001 - told in the file itself
            told = {"id": kept.id, "left_out": f"it cannot be written: {type(error).__name__}"}
            return msgspec.json.encode(told) + b"\n"

    def _note(self, problem: str) -> None:
        begins_or_ends = bool(problem) != bool(self.problem)
        self.problem = problem
        if begins_or_ends:
            self._tell(problem)
