"""A plugin's own coroutine, stepped by hand: made to wait for ever where it waits, and watched while it ends."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Generator
from typing import Any

from jackfield.testing.exchanges import LEFT


class Driven:
    """`waits` is how often it has waited. At wait number `stall_at` what it waits for never comes; `reached` is set
    then. `broken_by`, if given, is raised into it there instead.

    `swallowed` is whether it went on as if nothing had happened after it was cancelled from outside: at `deadline`, in
    the loop's time, or because the client left. What its own time-outs cancel is its own business.
    """

    def __init__(
        self,
        coroutine: Coroutine[Any, Any, Any],
        *,
        stall_at: int = 0,
        broken_by: BaseException | None = None,
        deadline: float = float("inf"),
    ) -> None:
        self._coroutine, self._stall_at, self._broken_by, self._deadline = coroutine, stall_at, broken_by, deadline
        self.waits = 0
        self.reached = asyncio.Event()
        self._cancelled = False
        self.swallowed = False

    def __await__(self) -> Generator[Any, Any, Any]:
        value: Any = None
        error: BaseException | None = None
        while True:
            try:
                pending = self._coroutine.send(value) if error is None else self._coroutine.throw(error)
            except StopIteration as done:
                self.swallowed = self._cancelled
                return done.value
            self.waits += 1
            value = error = None
            try:
                value = yield from self._wait(pending)
            except GeneratorExit:
                self.swallowed = self._cancelled
                self._coroutine.close()
                raise
            except BaseException as thrown:  # noqa: BLE001 - forwarded whole to the coroutine it is meant for
                self._note(thrown)
                error = thrown

    def _wait(self, pending: Any) -> Generator[Any, Any, Any]:
        if self.waits != self._stall_at:
            return (yield pending)
        if hasattr(pending, "_asyncio_future_blocking"):
            pending._asyncio_future_blocking = False
        self.reached.set()
        if self._broken_by is not None:
            raise self._broken_by
        try:
            yield from asyncio.get_running_loop().create_future()
        except asyncio.CancelledError:
            if hasattr(pending, "cancel"):
                pending.cancel()
            raise
        return None

    def _note(self, thrown: BaseException) -> None:
        if isinstance(thrown, asyncio.CancelledError):
            late = asyncio.get_running_loop().time() >= self._deadline
            self._cancelled = self._cancelled or late or thrown.args == (LEFT,)
