"""Running a stranger's coroutine in a task of its own, noted whenever it has the event loop."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Generator
from functools import partial
from time import perf_counter_ns
from typing import Any

from jackfield.hooks import watchdog
from jackfield.hooks.watchdog import Watched


class Steps:
    """To be awaited once. `longest_ns` is its longest stay on the loop without a break."""

    __slots__ = ("_coroutine", "_who", "longest_ns")

    def __init__(self, who: Watched, coroutine: Coroutine[Any, Any, Any]) -> None:
        self._who, self._coroutine = who, coroutine
        self.longest_ns = 0

    def __await__(self) -> Generator[Any, Any, Any]:
        step: Callable[[], Any] = partial(self._coroutine.send, None)
        while True:
            try:
                pending = self._take(step)
            except StopIteration as done:
                return done.value
            try:
                value = yield pending
            except GeneratorExit:
                self._take(self._coroutine.close)
                raise
            except BaseException as thrown:  # noqa: BLE001 - forwarded whole to the coroutine it is meant for
                step = partial(self._coroutine.throw, thrown)
            else:
                step = partial(self._coroutine.send, value)

    def _take(self, step: Callable[[], Any]) -> Any:
        began = perf_counter_ns()
        watchdog.since = began
        watchdog.running = self._who
        try:
            return step()
        finally:
            watchdog.running = None
            self.longest_ns = max(self.longest_ns, perf_counter_ns() - began)
