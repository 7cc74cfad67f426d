"""Plugins that listen, on a bus whose statistics can be read."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from jackfield.clock import Clock
from jackfield.hooks.guard import PluginStats
from jackfield.sdk.events import Event
from jackfield.services.allowance import Allowance
from jackfield.services.events import EVENTS_PERMISSIONS, REFUSE, EventBus, PluginEvents

ALL = EVENTS_PERMISSIONS | {REFUSE}


class Scene:
    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.stats: dict[str, PluginStats] = {}
        self.bus = EventBus(clock, self.stats.get)
        self.plugins: list[PluginEvents] = []

    def plugin(self, name: str, approved: frozenset[str] = EVENTS_PERMISSIONS, *, is_open: bool = True) -> PluginEvents:
        events = PluginEvents(Allowance.of(name, approved, self.clock), self.bus)
        self.stats.setdefault(name, PluginStats())
        self.plugins.append(events)
        if is_open:
            events.open()
        return events

    async def settle(self) -> None:
        """Until all is delivered."""
        await self.bus.settle(60)

    async def aclose(self) -> None:
        for plugin in self.plugins:
            await plugin.aclose()


class Heard:
    """A handler that keeps what it is told."""

    def __init__(self, then: Callable[[Event], Any] | None = None) -> None:
        self.events: list[Event] = []
        self._then = then

    async def __call__(self, event: Event) -> Any:
        self.events.append(event)
        return None if self._then is None else self._then(event)

    @property
    def data(self) -> list[dict[str, Any]]:
        return [dict(event.data) for event in self.events]


async def wait_for_ever(event: Event) -> None:
    await asyncio.Event().wait()
