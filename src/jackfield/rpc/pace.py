"""How much the other side may ask: who asks for more is read from again a little later, so that it costs us only so
much. What comes back for what we asked does not count: it is bounded by our asking."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

PER_S = 5_000.0
BURST = 100.0
# So many bytes cost as much as one message more.
SIZE = 4096


class Pace:
    """`set_reading` is told when to read no more, and when to go on."""

    __slots__ = ("_left", "_loop", "_set_reading", "_since", "_timer")

    def __init__(self, loop: asyncio.AbstractEventLoop, set_reading: Callable[[bool], None]) -> None:
        self._loop, self._set_reading = loop, set_reading
        self._left, self._since = BURST, loop.time()
        self._timer: asyncio.TimerHandle | None = None

    @property
    def paused(self) -> bool:
        return self._timer is not None

    def count(self, size: int) -> None:
        """One message more that asks for something."""
        now = self._loop.time()
        self._left = min(BURST, self._left + (now - self._since) * PER_S) - 1 - size / SIZE
        self._since = now
        if self._left < 0 and self._timer is None:
            self._set_reading(False)
            # A fifth of the burst at a time: to stop and go on for each message would cost more than the message.
            self._timer = self._loop.call_later((BURST / 5 - self._left) / PER_S, self._go_on)

    def _go_on(self) -> None:
        self._timer = None
        self._set_reading(True)

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
