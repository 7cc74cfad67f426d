"""The connections to one origin: idle ones, slots for new ones, and those who wait for either."""

from __future__ import annotations

import asyncio
from collections import deque

from jackfield.transport.connection import Connection
from jackfield.transport.messages import Limits


class Pool:
    """A slot is the right to have one connection open; `slots` counts the taken ones."""

    def __init__(self, limits: Limits) -> None:
        self.idle: list[Connection] = []
        self.slots = 0
        self.waiting: deque[asyncio.Future[Connection | None]] = deque()
        self._limits = limits

    @property
    def busy(self) -> bool:
        return self.slots > len(self.idle) or bool(self.waiting)

    def take_idle(self) -> Connection | None:
        """The one used last, as it is the least likely to have been closed by the peer."""
        return self.idle.pop() if self.idle else None

    async def acquire(self, *, fresh: bool) -> Connection | None:
        """A connection, or a slot to open one. `fresh`: not one that has been idle.

        One that was handed on in our turn will do: it answered this very moment.
        """
        while True:
            if not fresh and not self.waiting and self.idle:
                return self.idle.pop()
            if self._take_slot():
                return None
            connection = await self._await_turn()
            if connection is None or not connection.closed:
                return connection

    def adopt(self, connection: Connection) -> None:
        """The slot that was acquired is now this connection's."""
        if connection.closed:
            self.free_slot()
        else:
            connection.owner = self

    def free_slot(self) -> None:
        self.slots -= 1
        while self.waiting:
            waiter = self.waiting.popleft()
            if not waiter.done():
                self.slots += 1
                waiter.set_result(None)
                return

    def release(self, connection: Connection) -> None:
        connection.rest()
        while self.waiting:
            waiter = self.waiting.popleft()
            if not waiter.done():
                waiter.set_result(connection)
                return
        if len(self.idle) < self._limits.max_idle_per_origin:
            self.idle.append(connection)
        else:
            connection.abort()

    def forget(self, connection: Connection) -> None:
        if connection in self.idle:
            self.idle.remove(connection)
        self.free_slot()

    def close_idle(self) -> None:
        for connection in tuple(self.idle):
            connection.abort()

    def _take_slot(self) -> bool:
        if self.waiting:
            return False
        if self.slots < self._limits.max_connections_per_origin:
            self.slots += 1
            return True
        if self.idle:
            connection = self.idle.pop(0)
            connection.owner = None  # so that its slot stays taken, now by us
            connection.abort()
            return True
        return False

    async def _await_turn(self) -> Connection | None:
        waiter: asyncio.Future[Connection | None] = asyncio.get_running_loop().create_future()
        self.waiting.append(waiter)
        try:
            return await waiter
        except asyncio.CancelledError:
            self._return_grant(waiter)
            raise

    def _return_grant(self, waiter: asyncio.Future[Connection | None]) -> None:
        """The turn came in the very moment of the cancellation: the next one gets it."""
        if waiter.cancelled() or not waiter.done():
            if waiter in self.waiting:
                self.waiting.remove(waiter)
            return
        connection = waiter.result()
        if connection is None:
            self.free_slot()
        elif not connection.closed:
            self.release(connection)
