"""From the event loop to the file: visits leave in batches, in a thread, and wait in memory while the disk fails."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable

from jackfield.plugins.access_log.file import LogFile
from jackfield.plugins.access_log.visit import Visit

MOST_WAITING = 50_000
BATCH = 2_000
CLOSING_S = 5.0


class Writer:
    """`problem` is why nothing is written now; `lost` counts visits dropped because too many waited. `tell` is called
    with the problem when it begins, and with nothing when it is over."""

    def __init__(self, write: Callable[[list[Visit]], None], tell: Callable[[str], None], every_s: float) -> None:
        self._write, self._tell, self._every_s = write, tell, every_s
        self._waiting: deque[Visit] = deque()
        self._closing = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._some = asyncio.Event()
        self.problem = ""
        self.lost = 0

    async def open(self, files: Iterable[LogFile]) -> None:
        """Raises `OSError`."""
        for file in files:
            await asyncio.to_thread(file.check)
        self._task = asyncio.create_task(self._run(), name="access log")

    def add(self, visit: Visit) -> None:
        if len(self._waiting) >= MOST_WAITING:
            self._waiting.popleft()
            self.lost += 1
        self._waiting.append(visit)
        self._some.set()

    async def aclose(self) -> None:
        """Writes what waits, for a bounded time."""
        self._closing.set()
        self._some.set()
        task, self._task = self._task, None
        if task is not None:
            await asyncio.wait((task,), timeout=CLOSING_S)
            task.cancel()
        if self._waiting:
            self._tell(f"{len(self._waiting)} lines were not written before the end")

    async def _run(self) -> None:
        while not self._closing.is_set():
            await self._some.wait()
            self._some.clear()
            await self._pause()
            await self._flush()
        await self._flush()

    async def _pause(self) -> None:
        """Until a batch is due, or nothing comes any more."""
        try:
            async with asyncio.timeout(self._every_s):
                await self._closing.wait()
        except TimeoutError:
            return

    async def _flush(self) -> None:
        while self._waiting:
            batch = [self._waiting.popleft() for _ in range(min(BATCH, len(self._waiting)))]
            try:
                await asyncio.to_thread(self._write, batch)
            except OSError as error:
                self._keep(batch, error)
                return
        self._note("")

    def _keep(self, batch: list[Visit], error: OSError) -> None:
        """For the next try: a line may then stand in the file twice."""
        room = max(0, MOST_WAITING - len(self._waiting))
        self.lost += max(0, len(batch) - room)
        self._waiting.extendleft(reversed(batch[len(batch) - min(room, len(batch)) :]))
        self._some.set()
        self._note(f"{error.filename or 'the file'}: {error.strerror or error}; {self.lost} lines are lost")

    def _note(self, problem: str) -> None:
        begins_or_ends = bool(problem) != bool(self.problem)
        self.problem = problem
        if begins_or_ends:
            self._tell(problem)
