"""The two ends of a stream: what was sent waits in an `Inlet` until it is taken, an `Outlet` sends no more than there
is credit for."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Any

CREDIT = 32


class Inlet:
    """`give` is called with how many more items may come."""

    __slots__ = ("_error", "_items", "_over", "_taken", "_waiter", "allowed")

    def __init__(self) -> None:
        self._items: deque[Any] = deque()
        self._over = False
        self._error: Exception | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._taken = 0
        self.allowed = CREDIT

    def put(self, item: Any) -> bool:
        """Whether there was credit for it."""
        if self.allowed <= 0:
            return False
        self.allowed -= 1
        self._items.append(item)
        self._wake()
        return True

    def end(self, error: Exception | None = None) -> None:
        """What was put before is still there to be taken."""
        self._over, self._error = True, error
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def take(self, deadline_s: float | None, late: Callable[[], None]) -> tuple[bool, Any]:
        """The next item, or that there is none. Raises what the stream ended with; `late` is to end it."""
        if not self._items and not self._over:
            timer = asyncio.get_running_loop().call_later(deadline_s, late) if deadline_s is not None else None
            try:
                await self._wait()
            finally:
                if timer is not None:
                    timer.cancel()
        if self._items:
            self._taken += 1
            return True, self._items.popleft()
        if self._error is not None:
            raise self._error
        return False, None

    async def _wait(self) -> None:
        while not self._items and not self._over:
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter

    def credit(self) -> int:
        """How many more items may be announced now: nothing until half of them were taken."""
        if self._over or self._taken < CREDIT // 2:
            return 0
        more, self._taken = self._taken, 0
        self.allowed += more
        return more


class Outlet:
    __slots__ = ("_credit", "_waiter")

    def __init__(self, credit: int) -> None:
        self._credit = credit
        self._waiter: asyncio.Future[None] | None = None

    def add(self, credit: int) -> None:
        self._credit += credit
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def spend(self) -> None:
        """Waits for credit, and uses one of it."""
        while self._credit <= 0:
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter
        self._credit -= 1
