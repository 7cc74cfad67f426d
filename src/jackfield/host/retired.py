"""Snapshots that serve no new request: each is drained, then what only it held is unloaded."""

from __future__ import annotations

import asyncio
import contextlib

from jackfield.host.builder import stop_all
from jackfield.host.snapshot import Snapshot


class Retired:
    """`drain_s` is how long requests of a former generation may keep its plugins; then these are unloaded under
    them."""

    def __init__(self, drain_s: float) -> None:
        self._drain_s = drain_s
        self._tasks: set[asyncio.Task[None]] = set()

    def __len__(self) -> int:
        return len(self._tasks)

    def retire(self, snapshot: Snapshot, successor: Snapshot) -> None:
        """Call this at the switch: `uses` of the plugins are counted here."""
        for plugin in successor.plugins.values():
            plugin.uses += 1
        for plugin in snapshot.plugins.values():
            if plugin.running and successor.plugins.get(plugin.id) is not plugin:
                plugin.move("draining")
                if plugin.grant is not None:
                    plugin.grant.rest()
        task = asyncio.create_task(self._drain(snapshot), name=f"drain-generation-{snapshot.generation}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def settled(self) -> None:
        """Waits until every former generation is gone."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    async def end(self) -> None:
        """Unloads at once what still drains."""
        for task in list(self._tasks):
            task.cancel()
        await self.settled()

    async def _drain(self, snapshot: Snapshot) -> None:
        with contextlib.suppress(TimeoutError, asyncio.CancelledError):
            async with asyncio.timeout(self._drain_s):
                await snapshot.drained()
        released = []
        for plugin in snapshot.plugins.values():
            plugin.uses -= 1
            if not plugin.uses:
                released.append(plugin)
        await stop_all(released)
