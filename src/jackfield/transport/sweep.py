"""One timer for all deadlines of a client: a request costs a comparison, not a timer."""

from __future__ import annotations

import asyncio
from typing import Protocol

_REST_S = 0.01
"""Between two sweeps, so that many deadlines close together are one sweep."""


class Mortal(Protocol):
    due: float

    def shut(self, reason: str) -> None: ...

    def on_due(self, now: float) -> None:
        """Moves `due` on, or ends what is overdue."""


class Sweeper:
    """Its timer runs only while it has members, and is set for the earliest `due`."""

    def __init__(self) -> None:
        self.members: set[Mortal] = set()
        self.next_at = float("inf")
        self._timer: asyncio.TimerHandle | None = None
        self._emptied = asyncio.Event()

    def add(self, member: Mortal) -> None:
        self.members.add(member)
        self.expect(member.due)

    def discard(self, member: Mortal) -> None:
        self.members.discard(member)
        if not self.members:
            self._set_timer(float("inf"))
            self._emptied.set()

    async def shut_all(self, reason: str) -> None:
        """Returns when the last member has taken its leave."""
        for member in tuple(self.members):
            member.shut(reason)
        while self.members:
            self._emptied.clear()
            await self._emptied.wait()

    def expect(self, due: float) -> None:
        """To be told whenever a member's `due` may have come nearer."""
        if due < self.next_at:
            self._set_timer(due)

    def _set_timer(self, at: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self.next_at = at
        if at != float("inf"):
            self._timer = asyncio.get_running_loop().call_at(at, self._sweep)

    def _sweep(self) -> None:
        self._timer = None
        now = asyncio.get_running_loop().time()
        for member in [member for member in self.members if member.due <= now]:
            member.on_due(now)
        due = min((member.due for member in self.members), default=float("inf"))
        self._set_timer(max(due, now + _REST_S))
