"""The exchanges under way, and the watch for clients that have gone.

Watching every request would cost a task each; one that is answered quickly needs none. So a single sweeper looks at
what has been under way for a while, and only then listens for the client's end.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

from jackfield.pipeline.exchange import State
from jackfield.server.asgi import Receive

TICK_S = 0.05
SLOW_CLIENT_S = 120.0


class Call:
    """One exchange and the task it runs in. `answering` once a head was sent;
    `sending_since` is loop time while the client is being written to."""

    __slots__ = ("answering", "receive", "seen", "sending_since", "state", "task", "watcher")

    def __init__(self, state: State, task: asyncio.Task[Any], receive: Receive) -> None:
        self.state, self.task, self.receive = state, task, receive
        self.seen = self.answering = False
        self.sending_since: float | None = None
        self.watcher: asyncio.Task[None] | None = None

    def drop(self) -> None:
        """The client is gone: the exchange ends where it is."""
        self.state.client_gone = True
        self.task.cancel("the client is gone")


class InFlight:
    """All calls of this worker. `run` is the sweeper; its owner starts and cancels it."""

    def __init__(self) -> None:
        self._calls: set[Call] = set()

    def __len__(self) -> int:
        return len(self._calls)

    def add(self, call: Call) -> None:
        self._calls.add(call)

    def remove(self, call: Call) -> None:
        self._calls.discard(call)
        if call.watcher is not None:
            call.watcher.cancel()
            call.watcher = None

    async def run(self) -> None:
        while True:
            await asyncio.sleep(TICK_S)
            self.sweep(asyncio.get_running_loop().time())

    def sweep(self, now: float) -> None:
        """Begins to watch what was already here at the last sweep; gives up clients that no longer take anything."""
        for call in tuple(self._calls):
            if not call.seen:
                call.seen = True
            elif call.watcher is None:
                call.watcher = asyncio.create_task(_watch(call), name=f"watch-{call.state.id}")
            if call.sending_since is not None and now - call.sending_since > SLOW_CLIENT_S:
                call.sending_since = None
                call.drop()


async def _watch(call: Call) -> None:
    with contextlib.suppress(asyncio.CancelledError):
        while True:
            message = await call.receive()
            if message["type"] == "http.disconnect":
                call.drop()
                return
