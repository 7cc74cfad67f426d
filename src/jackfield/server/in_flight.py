"""The exchanges under way, and the watch for clients that have gone.

Watching every request would cost a task each; one that is answered quickly needs none. So a single sweeper looks at
what has been under way for a while, and only then listens for the client's end.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

from jackfield.errors import ClientGone, JackfieldError, Unavailable
from jackfield.pipeline.exchange import State
from jackfield.server.asgi import Receive

TICK_S = 0.05
SLOW_CLIENT_S = 120.0


class Call:
    """One exchange and the task it runs in; `state` once its request is whole, `answering` once a head was sent, `gone`
    once its client is given up. While it is the client's turn to send or to take something `waits` is set, and `turn`
    is a number that changes whenever the client has done so."""

    __slots__ = ("answering", "gone", "receive", "seen", "state", "task", "turn", "waited", "waits", "watcher")

    def __init__(self, task: asyncio.Task[Any], receive: Receive) -> None:
        self.task, self.receive = task, receive
        self.state: State | None = None
        self.seen = self.answering = self.gone = False
        self.waits = True
        self.turn = 0
        # What the sweeper saw first of the present wait: its turn, and when that was.
        self.waited: tuple[int, float] = (-1, 0.0)
        self.watcher: asyncio.Task[None] | None = None

    def progress(self) -> None:
        self.turn += 1

    def follow(self, state: State) -> None:
        """The request goes on as another exchange."""
        self.state = state

    def interruption(self) -> JackfieldError:
        """Why the task was cancelled. The cancellation is done with: what is left to do is to settle."""
        self.task.uncancel()
        return ClientGone("the client was given up") if self.gone else Unavailable("the gateway is stopping")

    def drop(self) -> None:
        """The client is gone: the exchange ends where it is."""
        self.gone = True
        if self.state is not None:
            self.state.client_gone = True
        # The message tells this cancellation from those of the time-outs and task groups that a hook uses.
        self.task.cancel("the client is gone")


class InFlight:
    """All calls of this worker. `run` is the sweeper; its owner starts and cancels it."""

    def __init__(self) -> None:
        self._calls: set[Call] = set()
        # Remembered: on Python 3.11 each look for the running one is a system call.
        self._loop: asyncio.AbstractEventLoop | None = None

    def __len__(self) -> int:
        return len(self._calls)

    def enter(self, receive: Receive) -> Call:
        """The call that the current task has begun; it is to be removed at its end."""
        task = None if self._loop is None else asyncio.current_task(self._loop)
        if task is None:
            self._loop = asyncio.get_running_loop()
            task = asyncio.current_task(self._loop)
            assert task is not None
        call = Call(task, receive)
        self._calls.add(call)
        return call

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
        """Begins to watch what was already here at the last sweep; gives up clients that send or take nothing."""
        for call in tuple(self._calls):
            if call.waits and _is_stuck(call, now):
                call.waits = False
                call.drop()
            elif not call.seen:
                call.seen = True
            elif call.watcher is None and call.state is not None:
                call.watcher = asyncio.create_task(_watch(call), name=f"watch-{call.state.id}")


def _is_stuck(call: Call, now: float) -> bool:
    turn, since = call.waited
    if turn != call.turn:
        call.waited = (call.turn, now)
        return False
    return now - since > SLOW_CLIENT_S


async def _watch(call: Call) -> None:
    with contextlib.suppress(asyncio.CancelledError):
        while True:
            message = await call.receive()
            if message["type"] == "http.disconnect":
                call.drop()
                return
