"""A connection to PostgreSQL beside the pool, for statements that run all the time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from jackfield.stores.base import Rows, Statement

# The driver has no types.
Connection = Any


class PostgresLane:
    """The connection is made at the first use, and again after it broke. `key_of` tells by which number a subject is
    locked."""

    def __init__(self, connect: Callable[[], Awaitable[Connection]], key_of: Callable[[str], int]) -> None:
        self._connect, self._key_of = connect, key_of
        self._connection: Connection | None = None
        self._turn = asyncio.Lock()
        self._running: set[asyncio.Task[Rows]] = set()

    async def run(self, *statements: Statement, subject: str | None = None) -> Rows:
        """What was begun ends by itself where its caller is cancelled."""
        running = asyncio.create_task(self._run(statements, subject), name="store")
        self._running.add(running)
        running.add_done_callback(self._ended)
        return await asyncio.shield(running)

    def _ended(self, running: asyncio.Task[Rows]) -> None:
        self._running.discard(running)
        if not running.cancelled():
            # Nobody may be left to ask for it.
            running.exception()

    async def _run(self, statements: tuple[Statement, ...], subject: str | None) -> Rows:
        async with self._turn:
            connection = self._connection
            if connection is None or connection.is_closed():
                connection = self._connection = await self._connect()
            try:
                rows = await self._run_on(connection, statements, subject)
            except BaseException:
                # It takes its transaction and its locks with it.
                connection.terminate()
                raise
        return [tuple(row) for row in rows]

    async def _run_on(
        self, connection: Connection, statements: tuple[Statement, ...], subject: str | None
    ) -> list[Any]:
        if subject is None:
            return await _run_together(connection, statements)
        # Before the transaction begins, and so before it decides which state of the store it sees.
        key = self._key_of(subject)
        await connection.execute(f"SELECT pg_advisory_lock({key})")
        rows = await _run_together(connection, statements)
        await connection.execute(f"SELECT pg_advisory_unlock({key})")
        return rows

    async def aclose(self) -> None:
        """Once it returns, nothing of it runs any more."""
        if self._running:
            await asyncio.wait(self._running)
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.terminate()


async def _run_together(connection: Connection, statements: tuple[Statement, ...]) -> list[Any]:
    if len(statements) == 1:
        ((sql, values),) = statements
        found: list[Any] = await connection.fetch(sql, *values)
        return found
    async with connection.transaction(isolation="repeatable_read"):
        for sql, values in statements:
            found = await connection.fetch(sql, *values)
    return found
