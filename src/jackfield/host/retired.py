"""Snapshots that serve no new request: each is drained, then what only it held is unloaded."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Coroutine
from typing import Any

from jackfield.host.endings import put_to_rest, stop_all
from jackfield.host.plugin import LoadedPlugin
from jackfield.host.snapshot import Snapshot


class Retired:
    """`drain_s` is how long requests of a former generation may keep its plugins; then these are unloaded under
    them.

    A plugin that was disabled stays loaded, as one of those `resting`: what it keeps in memory is there when it is
    enabled again."""

    def __init__(self, drain_s: float) -> None:
        self._drain_s = drain_s
        self.resting: dict[str, LoadedPlugin] = {}
        self._current: Snapshot | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._draining: set[asyncio.Task[None]] = set()

    def __len__(self) -> int:
        return len(self._tasks)

    def retire(self, snapshot: Snapshot, successor: Snapshot) -> None:
        """Call this at the switch: `uses` of the plugins are counted here."""
        self._current = successor
        for plugin in successor.plugins.values():
            plugin.uses += 1
        for plugin in snapshot.plugins.values():
            if plugin.running and successor.plugins.get(plugin.id) is not plugin:
                plugin.move("draining")
                if plugin.grant is not None:
                    plugin.grant.rest()
        draining = self._own(self._drain(snapshot), f"drain-generation-{snapshot.generation}")
        self._draining.add(draining)
        roused = [plugin for plugin in self.resting.values() if not self._rests(plugin)]
        for plugin in roused:
            del self.resting[plugin.id]
        if ending := [plugin for plugin in roused if successor.plugins.get(plugin.id) is not plugin]:
            self._own(stop_all(ending), "unload-disabled")

    def _rests(self, plugin: LoadedPlugin) -> bool:
        """Whether it is what is listed as disabled."""
        listed = self._current.plugins.get(plugin.id) if self._current is not None else None
        return (
            listed is not None
            and listed.state == "disabled"
            and not plugin.ends
            and (listed.place, listed.digest, listed.approved) == (plugin.place, plugin.digest, plugin.approved)
        )

    def _own(self, work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def settled(self) -> None:
        """Waits until every former generation is gone."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    async def end(self) -> None:
        """Unloads at once what still drains."""
        for task in list(self._draining):
            task.cancel()
        await self.settled()
        self._current = None
        resting = list(self.resting.values())
        self.resting.clear()
        await stop_all(resting)

    async def _drain(self, snapshot: Snapshot) -> None:
        with contextlib.suppress(TimeoutError, asyncio.CancelledError):
            async with asyncio.timeout(self._drain_s):
                await snapshot.drained()
        task = asyncio.current_task()
        assert task is not None
        self._draining.discard(task)
        released = []
        for plugin in snapshot.plugins.values():
            plugin.uses -= 1
            if not plugin.uses:
                released.append(plugin)
        for plugin in [one for one in released if one.running and self._rests(one)]:
            await put_to_rest(plugin)
            if self._rests(plugin):
                self.resting[plugin.id] = plugin
                released.remove(plugin)
        await stop_all(released)
