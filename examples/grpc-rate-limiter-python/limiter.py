"""Counting requests by app, where most of them cost no call of the store."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

# How many times within a window a process asks the store for more: each time for so large a part.
SHARES = 10


class Counter(Protocol):
    async def increment(self, key: str, by: int = 1, *, ttl_s: float | None = None) -> int: ...


@dataclass(frozen=True)
class Standing:
    """Whether a request may pass, about how many more may, and else how long it is until one may."""

    passed: bool
    left: int = 0
    wait_s: float = 0.0


@dataclass
class Account:
    """One app's in the window that began at `began`."""

    began: float = -1.0
    own: int = 0
    taken: int = 0
    spent: bool = False
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


class Limiter:
    """The count is in the store. What a process took of it in advance it gives away by itself, and all processes
    together never let more through."""

    def __init__(self, store: Counter, most: int, window_s: int, now: Callable[[], float]) -> None:
        self._store, self._most, self._window_s, self._now = store, most, window_s, now
        self._accounts: dict[str, Account] = defaultdict(Account)

    async def take(self, app: str) -> Standing:
        account = self._accounts[app]
        async with account.lock:
            now = self._now()
            began = now - now % self._window_s
            if account.began != began:
                account.began, account.own, account.taken, account.spent = began, 0, 0, False
            if account.own == 0 and not account.spent:
                await self._ask(app, account)
            if account.own == 0:
                return Standing(False, wait_s=began + self._window_s - now)
            account.own -= 1
            return Standing(True, left=max(0, self._most - account.taken) + account.own)

    def usage(self) -> dict[str, int]:
        """How much of the window was taken, by app."""
        return {app: min(self._most, found.taken) - found.own for app, found in sorted(self._accounts.items())}

    async def _ask(self, app: str, account: Account) -> None:
        """The next part of what is left for everybody."""
        part = max(1, self._most // SHARES)
        key = f"{app}/{int(account.began // self._window_s)}"
        account.taken = await self._store.increment(key, part, ttl_s=2 * self._window_s)
        account.own = max(0, min(part, self._most - (account.taken - part)))
        account.spent = account.own == 0
