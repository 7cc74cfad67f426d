"""Events: from whoever they happen to, to the plugins that listen."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from time import perf_counter_ns
from typing import Any

import msgspec
import structlog

from jackfield.clock import Clock
from jackfield.hooks.deadline import Expired, finish_within
from jackfield.hooks.guard import PluginStats
from jackfield.sdk.caller import acting_for, current_caller
from jackfield.sdk.events import SYSTEM, Event, EventHandler, ToolRefusal
from jackfield.services.allowance import Allowance
from jackfield.services.event_data import CopiedData, copy_emitted
from jackfield.services.mailbox import EventCounts, Mailbox, Posted
from jackfield.settings import conceal
from jackfield.telemetry.text import describe_error, escape_all_halves, escape_halves

SUBSCRIBE, EMIT, REFUSE = "events:subscribe", "events:emit", "tools:refuse"
EVENTS_PERMISSIONS = frozenset({SUBSCRIBE, EMIT})
HANDLER_S = 5.0
# The call that is asked about waits for this.
ASKED_S = 2.0
MOST_HANDLERS = 500
LONGEST_TYPE = 200
LONGEST_REASON = 1000
MOST_KINDS_LOGGED = 100

log = structlog.get_logger("jackfield.events")

StatsOf = Callable[[str], PluginStats | None]


class EventStep(msgspec.Struct, frozen=True):
    """A handler at work, as it is reported while it keeps the loop."""

    plugin: str
    name: str


class EventBus:
    """One worker's. Implements `Announcer`. `listened` is who is told of which types now; read it, no more."""

    def __init__(self, clock: Clock, stats_of: StatsOf) -> None:
        """`stats_of` finds the statistics of a plugin by its id."""
        self._clock, self.stats_of = clock, stats_of
        self.counts = EventCounts()
        self.listened: dict[str, tuple[PluginEvents, ...]] = {}

    def is_wanted(self, type: str) -> bool:  # noqa: A002 - the guide's word
        return type in self.listened

    def announce(self, type: str, data: Mapping[str, Any]) -> None:  # noqa: A002
        if type in self.listened and (posted := self._posted(type, data)) is not None:
            self._post(posted, self.listened[type])

    async def ask(self, type: str, data: Mapping[str, Any]) -> tuple[str, ToolRefusal] | None:  # noqa: A002
        """Those who may refuse are asked one after the other, until one does; everyone is told once, these too."""
        listeners = self.listened.get(type)
        if listeners is None:
            return None
        asked = [listener for listener in listeners if listener.may_refuse]
        if (posted := self._posted(type, data)) is None:
            # Who may refuse is never passed by because of what is asked about.
            return (asked[0].plugin, ToolRefusal("it cannot be shown what the call is")) if asked else None
        self._post(posted, [listener for listener in listeners if not listener.may_refuse])
        for place, listener in enumerate(asked):
            refusal = await listener.ask(posted)
            if refusal is not None:
                self._post(posted, asked[place + 1 :])
                return listener.plugin, refusal
        return None

    def emit(self, plugin: str, type: str, copied: CopiedData) -> None:  # noqa: A002
        """An event of a plugin's own."""
        if type in self.listened:
            self._post(self._stamped(type, copied, plugin), self.listened[type])

    def listen(self, type: str, listener: PluginEvents) -> None:  # noqa: A002
        listeners = self.listened.get(type, ())
        if listener not in listeners:
            self.listened[type] = (*listeners, listener)

    def leave(self, type: str, listener: PluginEvents) -> None:  # noqa: A002
        rest = tuple(other for other in self.listened.get(type, ()) if other is not listener)
        if rest:
            self.listened[type] = rest
        else:
            self.listened.pop(type, None)

    async def settle(self, seconds: float) -> None:
        """Waits until all that waits is delivered, at most so long: for the last events before an end."""
        everyone = {listener for listeners in self.listened.values() for listener in listeners}
        if everyone:
            tasks = [asyncio.ensure_future(listener.settled()) for listener in everyone]
            _, late = await asyncio.wait(tasks, timeout=seconds)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    def _posted(self, type: str, data: Mapping[str, Any]) -> Posted | None:  # noqa: A002
        """An event of the gateway's own. It has no one to complain to: what cannot be told is left out."""
        try:
            return self._stamped(type, CopiedData(escape_all_halves(data)), SYSTEM)
        except ValueError as error:
            log.error("event_is_no_json", type=type, error=conceal(escape_halves(str(error))))
            return None

    def _stamped(self, type: str, copied: CopiedData, source: str) -> Posted:  # noqa: A002
        at = datetime.fromtimestamp(self._clock.wall(), UTC)
        return Posted(Event(type=type, data=copied.value, source=source, at=at), current_caller(), copied.size)

    def _post(self, posted: Posted, listeners: list[PluginEvents] | tuple[PluginEvents, ...]) -> None:
        for listener in listeners:
            listener.post(posted)


class PluginEvents:
    """One plugin's subscriptions and mailbox, a `Part` of it. What it subscribes to before it is open counts from then
    on."""

    def __init__(self, allowance: Allowance, bus: EventBus) -> None:
        self._allowance, self._bus = allowance, bus
        self.plugin = allowance.plugin
        self.may_refuse = REFUSE in allowance.approved
        self._handlers: dict[str, list[EventHandler]] = {}
        self._mailbox = Mailbox(self.plugin, self._deliver, bus.counts)
        self._logged: set[tuple[str, str]] = set()

    def on(self, type: str, handler: EventHandler) -> None:  # noqa: A002 - the guide's word
        self._allowance.check(SUBSCRIBE)
        _check_type(type)
        if not callable(handler):
            raise ValueError(f"events.on({type!r}): the handler must be a function")
        handlers = self._handlers.get(type, [])
        if handler in handlers:
            return
        if sum(map(len, self._handlers.values())) >= MOST_HANDLERS:
            raise ValueError(f"plugin {self.plugin} has {MOST_HANDLERS} handlers of events already")
        self._handlers[type] = [*handlers, handler]
        if self._mailbox.is_open:
            self._bus.listen(type, self)

    def off(self, type: str, handler: EventHandler) -> None:  # noqa: A002
        rest = [other for other in self._handlers.get(type, ()) if other != handler]
        if rest:
            self._handlers[type] = rest
        elif self._handlers.pop(type, None) is not None:
            self._bus.leave(type, self)

    def emit(self, type: str, data: Mapping[str, Any]) -> None:  # noqa: A002
        """Counts as an operation, so that no two plugins answer one another without end."""
        self._allowance.check(EMIT)
        _check_type(type)
        copied = copy_emitted(data)
        self._allowance.take(EMIT)
        self._bus.emit(self.plugin, type, copied)

    def open(self) -> None:
        self._mailbox.open()
        for type_ in self._handlers:
            self._bus.listen(type_, self)

    def rest(self) -> None:
        self._mailbox.close()
        for type_ in self._handlers:
            self._bus.leave(type_, self)

    async def aclose(self) -> None:
        self.rest()
        self._handlers.clear()
        await self._mailbox.aclose()

    def post(self, posted: Posted) -> None:
        self._mailbox.post(posted)

    async def settled(self) -> None:
        await self._mailbox.settled()

    async def ask(self, posted: Posted) -> ToolRefusal | None:
        """Tells the handlers at once, in the asker's own task, all of them within `ASKED_S`. One that fails or is late
        refuses nothing."""
        due = asyncio.get_running_loop().time() + ASKED_S
        event = _own_copy(posted.event)
        for handler in self._handlers.get(event.type, ()):
            left = max(0.0, due - asyncio.get_running_loop().time())
            answer = await self._tell(handler, event, posted, left)
            if isinstance(answer, ToolRefusal):
                return ToolRefusal(conceal(escape_halves(str(answer.reason)[:LONGEST_REASON])))
        return None

    async def _deliver(self, posted: Posted) -> None:
        event = _own_copy(posted.event)
        for handler in self._handlers.get(event.type, ()):
            if self._mailbox.is_open:
                await self._tell(handler, event, posted, HANDLER_S)

    async def _tell(self, handler: EventHandler, event: Event, posted: Posted, seconds: float) -> Any:
        """A boundary: what a handler does wrong is counted, and harms nobody."""
        began = perf_counter_ns()
        try:
            with acting_for(posted.caller):
                answer = await finish_within(EventStep(self.plugin, event.type), _start(handler, event), seconds)
        except Expired as late:
            self._note(event.type, late, f"no end within {seconds:g} s", timeout=True)
        except GeneratorExit:
            raise
        except asyncio.CancelledError as cancelled:
            if (task := asyncio.current_task()) is not None and task.cancelling():
                raise
            self._note(event.type, cancelled, "cancelled from within")
        except BaseException as failed:  # noqa: BLE001 - a boundary: one plugin's failure, its own interrupt too
            self._note(event.type, failed, describe_error(failed))
        else:
            self._bus.counts.delivered += 1
            return answer
        finally:
            if (stats := self._bus.stats_of(self.plugin)) is not None:
                stats.add(perf_counter_ns() - began)
        return None

    def _note(self, type: str, cause: BaseException, error: str, *, timeout: bool = False) -> None:  # noqa: A002
        self._bus.counts.failed += 1
        told = conceal(escape_halves(error))
        if (stats := self._bus.stats_of(self.plugin)) is not None:
            stats.errors += 1
            stats.timeouts += timeout
            stats.last_error = f"{type}: {told}"
        kind = (type, cause.__class__.__name__)
        if kind not in self._logged and len(self._logged) < MOST_KINDS_LOGGED:
            self._logged.add(kind)
            log.warning("event_handler_failed", plugin=self.plugin, type=type, error=told)


class GrantedEvents:
    """What the plugin itself holds: nothing of it opens, feeds or renames its mailbox."""

    __slots__ = ("_events",)

    def __init__(self, events: PluginEvents) -> None:
        self._events = events

    def on(self, type: str, handler: EventHandler) -> None:  # noqa: A002 - the guide's word
        self._events.on(type, handler)

    def off(self, type: str, handler: EventHandler) -> None:  # noqa: A002
        self._events.off(type, handler)

    def emit(self, type: str, data: Mapping[str, Any]) -> None:  # noqa: A002
        self._events.emit(type, data)


def _check_type(type: str) -> None:  # noqa: A002
    """Raises `ValueError`."""
    if not isinstance(type, str) or not type or len(type) > LONGEST_TYPE or not type.isprintable():
        raise ValueError(f"an event's type is 1 to {LONGEST_TYPE} printable characters, not {type!r:.100}")


def _own_copy(event: Event) -> Event:
    """For one plugin: what it does to the data no other sees."""
    return msgspec.structs.replace(event, data=CopiedData(event.data).value)


async def _start(handler: EventHandler, event: Event) -> Any:
    """Also of a handler that is no coroutine function."""
    answer = handler(event)
    return await answer if inspect.isawaitable(answer) else answer
