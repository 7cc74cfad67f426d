"""The events that wait for one plugin, and the task that delivers them one after the other."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from contextvars import Context

import msgspec
import structlog

from jackfield.sdk.caller import Caller
from jackfield.sdk.events import Event

MOST_WAITING = 1000
# In characters: a plugin that is slow does not keep all that was said.
MOST_KEPT = 16 * 1024 * 1024
# How long what was begun may go on once the plugin is gone, and then once it was told to end.
ENDING_S = 1.0
LEAVING_S = 0.2
DROPS_PER_LINE = 1000

log = structlog.get_logger("jackfield.events")


class EventCounts:
    """Of all plugins of a worker: handlers that ended well, events that were dropped, handlers that failed."""

    __slots__ = ("delivered", "dropped", "failed")

    def __init__(self) -> None:
        self.delivered = self.dropped = self.failed = 0


class Posted(msgspec.Struct, frozen=True):
    """`caller` is on whose behalf it happened."""

    event: Event
    caller: Caller | None
    size: int


Deliver = Callable[[Posted], Awaitable[None]]


class Mailbox:
    """Open from `open` to `close`. There is a task only while something waits."""

    __slots__ = ("_counts", "_deliver", "_dropped", "_kept", "_plugin", "_task", "_waiting", "is_open")

    def __init__(self, plugin: str, deliver: Deliver, counts: EventCounts) -> None:
        """`deliver` raises nothing but its own cancellation."""
        self._plugin, self._deliver, self._counts = plugin, deliver, counts
        self._waiting: deque[Posted] = deque()
        self._task: asyncio.Task[None] | None = None
        self._kept = self._dropped = 0
        self.is_open = False

    def open(self) -> None:
        self.is_open = True

    def close(self) -> None:
        """What waits is not delivered any more."""
        self.is_open = False
        self._waiting.clear()
        self._kept = 0

    def post(self, posted: Posted) -> None:
        if not self.is_open:
            return
        self._waiting.append(posted)
        self._kept += posted.size
        while len(self._waiting) > MOST_WAITING or (self._kept > MOST_KEPT and len(self._waiting) > 1):
            self._drop()
        if self._task is None or self._task.done():
            # A context of its own: whose request happened to bring the first event is nothing to the others.
            coroutine = self._deliver_all()
            self._task = asyncio.create_task(coroutine, name=f"events-of-{self._plugin}", context=Context())

    def _drop(self) -> None:
        self._kept -= self._waiting.popleft().size
        self._counts.dropped += 1
        if self._dropped % DROPS_PER_LINE == 0:
            log.warning("events_dropped", plugin=self._plugin, dropped=self._dropped + 1)
        self._dropped += 1

    async def _deliver_all(self) -> None:
        while self._waiting:
            posted = self._waiting.popleft()
            self._kept -= posted.size
            await self._deliver(posted)
            # Requests in between: handlers need not wait for anything.
            await asyncio.sleep(0)

    async def settled(self) -> None:
        """Waits until nothing waits; not bounded, since handlers are."""
        while self._task is not None and not self._task.done():
            await asyncio.wait((self._task,))

    async def aclose(self) -> None:
        """Gives what was begun a moment, then ends it, or leaves it where it does not let itself be ended."""
        self.close()
        task = self._task
        if task is None or task.done() or task is asyncio.current_task():
            return
        done, _ = await asyncio.wait((task,), timeout=ENDING_S)
        if not done:
            # With a message it counts as ours, whatever the handler does with it.
            task.cancel("the plugin is gone")
            done, _ = await asyncio.wait((task,), timeout=LEAVING_S)
        if not done:
            log.error("event_handler_does_not_end", plugin=self._plugin)
