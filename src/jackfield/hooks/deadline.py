"""Running a stranger's coroutine inside our task, with a deadline it cannot ignore.

A hook that never waits costs one `send`; only one that does is given a timer. The coroutine stays in the request's own
task, so that task-local things a plugin uses (context variables, `asyncio.timeout`) mean what they say.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Generator
from functools import partial
from time import perf_counter_ns
from typing import Any, TypeVar

from jackfield.hooks import watchdog
from jackfield.hooks.watchdog import BLOCKED_NS, Watched, report_blocked

T = TypeVar("T")

# How long a hook whose time is up may still wait in its `finally` blocks before it is closed.
CLEAN_UP_S = 0.1
# A deadline that is looked at later than this after it passed was passed by a blocked loop, not by the hook.
LATE_S = 0.05


class Expired(Exception):
    """The deadline passed."""


class OwnExit(Exception):
    """What only the interpreter ends a coroutine with, raised by the coroutine itself: whoever let that through would
    take it for its own end."""


class Resumed:
    """The rest of a coroutine that has begun to wait. `longest_ns` is its longest stay on the loop without a break.

    At the deadline the coroutine is cancelled, once. If it waits on, to clean up or because it did not listen, it is
    closed a little later.

    What a plugin uses cancels our task too: time-outs, task groups. They take it back, but for the task groups of
    Python before 3.13, which leave it to be counted for ever where they fail. So a count that is left over means that
    the exchange was cancelled only where the coroutine let the cancellation through, or where it had a message: who
    cancels an exchange gives one. `interrupted` is whether that, or the closing of our own task, was the end.
    """

    __slots__ = (
        "_before",
        "_coroutine",
        "_due",
        "_messaged",
        "_patient",
        "_pending",
        "_seconds",
        "_strikes",
        "_timer",
        "_who",
        "interrupted",
        "longest_ns",
        "loop_ns",
    )

    _timer: asyncio.TimerHandle

    def __init__(
        self, who: Watched, coroutine: Coroutine[Any, Any, Any], pending: Any, deadline_s: float, spent_ns: int
    ) -> None:
        self._who, self._coroutine, self._pending = who, coroutine, pending
        self._seconds = max(0.0, deadline_s - spent_ns / 1e9)
        self._strikes = 0
        self._patient = True
        self.longest_ns = self.loop_ns = spent_ns
        self.interrupted = self._messaged = False

    def __await__(self) -> Generator[Any, Any, Any]:
        task = asyncio.current_task()
        assert task is not None
        loop = asyncio.get_running_loop()
        self._before = task.cancelling()
        self._due = loop.time() + self._seconds
        self._timer = loop.call_at(self._due, self._expire, task, loop)
        try:
            result = yield from self._steps()
        except BaseException as last:
            self._settle(task, last)
            raise
        finally:
            self._timer.cancel()
        self._settle(task, None)
        return result

    def _expire(self, task: asyncio.Task[Any], loop: asyncio.AbstractEventLoop) -> None:
        """Where somebody else kept the loop past the deadline, the hook first gets the turn that it was denied."""
        if self._patient and loop.time() - self._due > LATE_S:
            self._patient = False
            self._timer = loop.call_later(LATE_S, self._expire, task, loop)
            return
        self._patient = False
        self._strikes += 1
        if self._strikes == 1:
            self._timer = loop.call_later(CLEAN_UP_S, self._expire, task, loop)
        task.cancel()

    def _settle(self, task: asyncio.Task[Any], last: BaseException | None) -> None:
        """Turns our own cancellation into `Expired`, and lets nobody swallow the exchange's."""
        for _ in range(self._strikes):
            task.uncancel()
        if self.interrupted:
            return
        let_through = isinstance(last, asyncio.CancelledError) and not self._strikes
        # A message that comes together with our own cancellation is never thrown, only kept.
        messaged = self._messaged or getattr(task, "_cancel_message", None) is not None
        if task.cancelling() > self._before and (let_through or messaged):
            self.interrupted = True
            raise asyncio.CancelledError
        while task.cancelling() > self._before:
            task.uncancel()
        if self._strikes:
            raise Expired

    def _steps(self) -> Generator[Any, Any, Any]:
        pending = self._pending
        while True:
            try:
                value = yield from self._wait(pending)
            except GeneratorExit:
                self.interrupted = True
                self._coroutine.close()
                raise
            except BaseException as thrown:  # noqa: BLE001 - forwarded whole to the coroutine it is meant for
                self._note(thrown)
                if self._strikes > 1:
                    self._close()
                step = partial(self._coroutine.throw, thrown)
            else:
                step = partial(self._coroutine.send, value)
            began = self._enter()
            try:
                pending = step()
            except StopIteration as done:
                return done.value
            finally:
                self._leave(began)

    def _wait(self, pending: Any) -> Generator[Any, Any, Any]:
        """Waits for what the coroutine waits for. A task may ignore its cancellation, and with it ours while we wait
        for it; so we wait beside it, and can leave."""
        if type(pending) is asyncio.Future or not getattr(pending, "_asyncio_future_blocking", False):
            return (yield pending)
        pending._asyncio_future_blocking = False
        while not pending.done():
            gate = asyncio.get_running_loop().create_future()
            wake = partial(_open, gate)
            pending.add_done_callback(wake)
            try:
                yield from gate
            except asyncio.CancelledError as thrown:
                self._note(thrown)
                if self._strikes > 1:
                    raise
                pending.cancel()
            finally:
                pending.remove_done_callback(wake)
        return None

    def _note(self, thrown: BaseException) -> None:
        self._messaged = self._messaged or (isinstance(thrown, asyncio.CancelledError) and bool(thrown.args))

    def _close(self) -> None:
        """Ends a coroutine that still waits, whatever it thinks of that."""
        began = self._enter()
        try:
            self._coroutine.close()
        except BaseException as last:
            raise Expired from last
        finally:
            self._leave(began)
        raise Expired

    def _enter(self) -> int:
        began = perf_counter_ns()
        watchdog.since = began
        watchdog.running = self._who
        return began

    def _leave(self, began: int) -> None:
        watchdog.running = None
        spent = perf_counter_ns() - began
        self.loop_ns += spent
        self.longest_ns = max(self.longest_ns, spent)


async def finish_within(who: Watched, coroutine: Coroutine[Any, Any, T], seconds: float) -> T:
    """The result of a stranger's coroutine. Raises `Expired`, and whatever the coroutine raises. One that keeps the
    loop is reported; a `GeneratorExit` of its own is an `OwnExit`."""
    began = perf_counter_ns()
    watchdog.since = began
    watchdog.running = who
    try:
        pending = coroutine.send(None)
    except BaseException as last:
        _report(who, perf_counter_ns() - began)
        if isinstance(last, StopIteration):
            result: T = last.value
            return result
        if isinstance(last, GeneratorExit):
            raise OwnExit("GeneratorExit") from last
        raise
    finally:
        watchdog.running = None
    resumed = Resumed(who, coroutine, pending, seconds, perf_counter_ns() - began)
    try:
        rest: T = await resumed
        return rest
    except GeneratorExit as last:
        if resumed.interrupted:
            raise
        raise OwnExit("GeneratorExit") from last
    finally:
        _report(who, resumed.longest_ns)


def _report(who: Watched, longest_ns: int) -> None:
    if longest_ns > BLOCKED_NS:
        report_blocked(who, longest_ns)


def _open(gate: asyncio.Future[None], _: object) -> None:
    if not gate.done():
        gate.set_result(None)
