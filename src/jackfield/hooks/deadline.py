"""Running a stranger's coroutine inside our task, with a deadline it cannot ignore.

A hook that never waits costs one `send`; only one that does is given a timer. The coroutine stays in the request's own
task, so that task-local things a plugin uses (context variables, `asyncio.timeout`) mean what they say.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Generator
from functools import partial
from time import perf_counter_ns
from typing import Any


class Expired(Exception):
    """The deadline passed."""


class Resumed:
    """The rest of a coroutine that has begun to wait. `longest_ns` is its longest stay on the loop without a break."""

    __slots__ = ("_coroutine", "_expired", "_pending", "_seconds", "longest_ns", "loop_ns")

    def __init__(self, coroutine: Coroutine[Any, Any, Any], pending: Any, seconds: float) -> None:
        self._coroutine, self._pending, self._seconds = coroutine, pending, seconds
        self._expired = False
        self.longest_ns = self.loop_ns = 0

    def __await__(self) -> Generator[Any, Any, Any]:
        task = asyncio.current_task()
        assert task is not None
        timer = asyncio.get_running_loop().call_later(self._seconds, self._expire, task)
        try:
            result = yield from self._steps()
        except BaseException:
            self._settle(task)
            raise
        finally:
            timer.cancel()
        self._settle(task)
        return result

    def _expire(self, task: asyncio.Task[Any]) -> None:
        self._expired = True
        task.cancel()

    def _settle(self, task: asyncio.Task[Any]) -> None:
        """Turns our own cancellation into `Expired`, and lets nobody swallow anyone else's."""
        if self._expired:
            task.uncancel()
        if task.cancelling():
            raise asyncio.CancelledError
        if self._expired:
            raise Expired

    def _steps(self) -> Generator[Any, Any, Any]:
        pending = self._pending
        while True:
            try:
                value = yield pending
            except GeneratorExit:
                self._coroutine.close()
                raise
            except BaseException as thrown:  # noqa: BLE001 - forwarded whole to the coroutine it is meant for
                if self._expired:
                    self._abandon(thrown)
                step = partial(self._coroutine.throw, thrown)
            else:
                step = partial(self._coroutine.send, value)
            began = perf_counter_ns()
            try:
                pending = step()
            except StopIteration as done:
                return done.value
            finally:
                self._spent(perf_counter_ns() - began)

    def _abandon(self, thrown: BaseException) -> None:
        """Cancels the coroutine; where it waits again instead of ending it is closed, whatever it thinks of that."""
        began = perf_counter_ns()
        try:
            self._coroutine.throw(thrown)
            self._coroutine.close()
        except BaseException as last:
            raise Expired from last
        finally:
            self._spent(perf_counter_ns() - began)
        raise Expired

    def _spent(self, nanoseconds: int) -> None:
        self.loop_ns += nanoseconds
        self.longest_ns = max(self.longest_ns, nanoseconds)
