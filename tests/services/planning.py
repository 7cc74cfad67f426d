"""Plugins that schedule: gateways with a store and a time in common."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from jackfield.hooks.guard import PluginStats
from jackfield.services.allowance import Allowance
from jackfield.services.scheduler import SCHEDULER_PERMISSIONS, PluginScheduler

from .listening import Heard, Scene
from .virtual import LoopClock, open_leases, real_time


class Gateways:
    """Each plugin is on a gateway of its own."""

    def __init__(self, leases: Any) -> None:
        self.clock = LoopClock()
        self.leases = leases
        self.scene = Scene(self.clock)
        self.stats = self.scene.stats
        self.opened: list[PluginScheduler] = []

    def plugin(
        self, name: str = "a", approved: frozenset[str] = SCHEDULER_PERMISSIONS, *, is_open: bool = True
    ) -> PluginScheduler:
        allowance = Allowance.of(name, approved, self.clock)
        self.stats.setdefault(name, PluginStats())
        scheduler = PluginScheduler(allowance, self.leases, self.scene.bus, self.clock, self.stats.get)
        self.opened.append(scheduler)
        if is_open:
            scheduler.open()
        return scheduler

    def hear(self, *types: str) -> Heard:
        heard = Heard()
        listener = self.scene.plugin("listener")
        for type_ in types:
            listener.on(type_, heard)
        return heard

    async def pass_by(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
        # What is due at the end of this time has its turn.
        with real_time():
            for _ in range(20):
                await asyncio.sleep(0.001)


@asynccontextmanager
async def gateways(folder: Path) -> AsyncIterator[Gateways]:
    async with open_leases(folder) as leases:
        them = Gateways(leases)
        try:
            yield them
        finally:
            for scheduler in them.opened:
                await scheduler.aclose()
            await them.scene.aclose()


class Runs:
    """A task that notes when it ran, and what it does."""

    def __init__(self, clock: LoopClock, work: Callable[[], Awaitable[Any]] | None = None) -> None:
        self._clock, self._work = clock, work
        self.times: list[float] = []
        self.under_way = self.most_under_way = 0

    async def __call__(self) -> None:
        self.times.append(self._clock.monotonic())
        self.under_way += 1
        self.most_under_way = max(self.most_under_way, self.under_way)
        try:
            if self._work is not None:
                await self._work()
        finally:
            self.under_way -= 1

    @property
    def seconds(self) -> list[int]:
        return [round(at) for at in self.times]
