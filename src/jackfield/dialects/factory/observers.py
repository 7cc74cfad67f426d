"""Telling one plugin's hooks of what happened: beside the requests, one event after the other."""

from __future__ import annotations

import asyncio
import inspect
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from contextvars import Context
from datetime import datetime
from time import perf_counter_ns
from typing import Any

import msgspec
import structlog

from jackfield.dialects.factory.names.container import ServiceContainer
from jackfield.dialects.factory.names.events import HookContext, HookEvent, HookRegistry, name_of
from jackfield.dialects.factory.names.requests import RequestContext
from jackfield.hooks.deadline import Expired, finish_within
from jackfield.telemetry.text import describe_error

MOST_WAITING = 5_000
# Of the bodies that wait with them, as they are on the wire.
MOST_BYTES = 16 * 1024 * 1024
HOOK_S = 5.0
FEW, MOMENT_S = 100, 0.02
DROPS_PER_LINE = 1_000
LEAVING_S = 0.2
# A pause for requests while events are delivered.
BREATH_NS = 2_000_000

log = structlog.get_logger("jackfield.events")


class HookStep(msgspec.Struct, frozen=True):
    """A hook at work, as it is reported while it keeps the loop."""

    plugin: str
    name: str


class EventCounts:
    """Hooks that ended well, events that were dropped, hooks that failed."""

    __slots__ = ("delivered", "dropped", "failed")

    def __init__(self) -> None:
        self.delivered = self.dropped = self.failed = 0


class Observers:
    """One plugin's. From `open` to `close` what is posted waits its turn; of those that wait too many the oldest are
    dropped, and counted. There is a task only while something waits."""

    def __init__(
        self,
        plugin: str,
        registry: HookRegistry,
        total: EventCounts,
        failed: Callable[[HookContext], None],
        now: Callable[[], datetime],
    ) -> None:
        """`total` counts for all plugins; `failed` is told of a hook that failed."""
        self._plugin, self.registry, self._total, self._tell_failed = plugin, registry, total, failed
        self._now = now
        self.container: ServiceContainer | None = None
        self.counts = EventCounts()
        self.last_error: str | None = None
        # With the size of what it brings.
        self._waiting: deque[tuple[HookContext, int]] = deque()
        self._bytes = 0
        self._task: asyncio.Task[None] | None = None
        self._is_open = False

    def open(self) -> None:
        self._is_open = True

    def wants(self, event: HookEvent) -> bool:
        return self._is_open and self.registry.has(event)

    def post(self, context: HookContext, size: int = 0) -> None:
        """Does not wait."""
        if not self.wants(context.event):
            return
        self._waiting.append((context, size))
        self._bytes += size
        while len(self._waiting) > (MOST_WAITING if self._bytes <= MOST_BYTES else 1):
            self._drop()
        if self._task is None or self._task.done():
            name = f"hooks-of-{self._plugin}"
            self._task = asyncio.create_task(self._tell_all(), name=name, context=Context())

    async def tell(self, hook: Any, context: HookContext) -> bool:
        """Calls one hook. Whether it went well: what it does wrong is counted, and harms nobody."""
        with self._entered(context):
            return await self._tell_within(hook, context)

    async def _tell_within(self, hook: Any, context: HookContext) -> bool:
        try:
            await finish_within(HookStep(self._plugin, name_of(hook)), _call(hook, context), HOOK_S)
        except Expired:
            self._fail(hook, context, TimeoutError(f"no end within {HOOK_S:g} s"))
        except asyncio.CancelledError as cancelled:
            if (task := asyncio.current_task()) is not None and task.cancelling():
                raise
            self._fail(hook, context, cancelled)
        except GeneratorExit:
            raise
        except BaseException as error:  # noqa: BLE001 - a boundary: one hook's failure, its own interrupt too
            self._fail(hook, context, error)
        else:
            self.counts.delivered += 1
            self._total.delivered += 1
            return True
        return False

    async def settle(self, seconds: float) -> None:
        """Waits until nothing waits, at most so long."""
        if self._task is not None and self._task is not asyncio.current_task():
            await asyncio.wait((self._task,), timeout=seconds)

    async def catch_up(self) -> None:
        """Before something is told at once: what the plugin has not been told of yet comes first, where that takes but
        a moment."""
        if len(self._waiting) < FEW:
            await self.settle(MOMENT_S)

    def rest(self) -> None:
        """From now on, until it is open again, nobody is told of anything; what still waits counts as dropped."""
        self._is_open = False
        while self._waiting:
            self._drop()

    async def close(self) -> None:
        """Rests for good; what is being told is ended."""
        self.rest()
        task = self._task
        if task is not None and not task.done() and task is not asyncio.current_task():
            task.cancel("the plugin is gone")
            await asyncio.wait((task,), timeout=LEAVING_S)

    def report(self) -> dict[str, Any]:
        """For operators."""
        counts = {name: getattr(self.counts, name) for name in EventCounts.__slots__}
        return {**counts, "waiting": len(self._waiting), "last_error": self.last_error}

    async def _tell_all(self) -> None:
        began = perf_counter_ns()
        while self._waiting:
            context, size = self._waiting.popleft()
            self._bytes -= size
            with self._entered(context):
                for hook in self.registry.get(context.event):
                    if self._is_open:
                        await self._tell_within(hook, context)
            if perf_counter_ns() - began > BREATH_NS:
                await asyncio.sleep(0)
                began = perf_counter_ns()

    @contextmanager
    def _entered(self, context: HookContext) -> Iterator[None]:
        """What hooks may ask of where they run: the request, and the plugin's services."""
        request_id = context.metadata.get("request_id") or context.data.get("request_id") or ""
        request = RequestContext(str(request_id), context.timestamp, context.metadata)
        with request.entered(), nullcontext() if self.container is None else self.container.entered():
            yield

    def _drop(self) -> None:
        self._bytes -= self._waiting.popleft()[1]
        if self.counts.dropped % DROPS_PER_LINE == 0:
            log.warning("hook_events_dropped", plugin=self._plugin, dropped=self.counts.dropped + 1)
        self.counts.dropped += 1
        self._total.dropped += 1

    def _fail(self, hook: Any, context: HookContext, error: BaseException) -> None:
        self.counts.failed += 1
        self._total.failed += 1
        told = f"{name_of(hook)} at {context.event.value}: {describe_error(error)}"
        if told != self.last_error:
            log.warning("hook_failed", plugin=self._plugin, hook=name_of(hook), error=describe_error(error))
        self.last_error = told
        if context.event is not HookEvent.PLUGIN_ERROR:
            cause = error if isinstance(error, Exception) else RuntimeError(describe_error(error))
            data = {"plugin": self._plugin, "hook": name_of(hook), "event": context.event.value, "error": told}
            failed = HookContext(HookEvent.PLUGIN_ERROR, self._now(), data, plugin=self._plugin, error=cause)
            self._tell_failed(failed)


async def _call(hook: Any, context: HookContext) -> None:
    answer = hook(context)
    if inspect.isawaitable(answer):
        await answer
