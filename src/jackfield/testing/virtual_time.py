"""An event loop on which waiting costs nothing: where nothing is ready, time jumps to the next timer."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable
from time import monotonic
from typing import Any

# How long others, such as a server on loopback or a thread, get before time goes on without them.
GRACE_S = 0.005
LONGEST_WAIT_S = 1.0


class JumpingSelector(selectors.DefaultSelector):
    """`now` is the loop's time. While threads work it is real time, so that no deadline passes before they had their
    chance."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.threads = 0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if ready or timeout == 0:
            return ready
        if timeout is None:
            return super().select(LONGEST_WAIT_S)
        # One descriptor is the loop's own, by which threads wake it.
        if self.threads or len(self.get_map()) > 1:
            began = monotonic()
            ready = super().select(min(timeout, GRACE_S))
            if ready or self.threads:
                self.now += min(timeout, monotonic() - began)
                return ready
        self.now += max(0.0, timeout)
        return []


class VirtualLoop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self.jumping = JumpingSelector()
        super().__init__(self.jumping)

    def time(self) -> float:
        return self.jumping.now

    def run_in_executor(self, executor: Any, func: Callable[..., Any], *args: Any) -> Any:  # type: ignore[override]
        future = super().run_in_executor(executor, func, *args)
        self.jumping.threads += 1
        future.add_done_callback(self._thread_done)
        return future

    def _thread_done(self, _: object) -> None:
        self.jumping.threads -= 1
