"""SQLite's driver for SQLAlchemy: a thread for each connection, and one hand-over to it for each statement, where
aiosqlite's own cursors take four. Under load each of them waits for the event loop."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, Self, TypeVar

import aiosqlite
from aiosqlite.core import _STOP_RUNNING_SENTINEL

from jackfield.stores.base import Value

T = TypeVar("T")
Description = tuple[tuple[Any, ...], ...]


class ThreadedConnection(aiosqlite.Connection):
    """`connect` runs in the thread."""

    def __init__(self, connect: Callable[[], sqlite3.Connection]) -> None:
        super().__init__(connect, iter_chunk_size=64)
        # Whoever is cancelled while it opens leaves the thread behind.
        self._thread.daemon = True

    def cursor(self) -> ReadyCursor:  # type: ignore[override]
        return ReadyCursor(self)

    async def _execute(self, fn: Callable[..., T], *args: Any, **kwargs: Any) -> T:
        if not self._running or not self._connection:
            raise ValueError("Connection closed")
        return await self.hand_over(partial(fn, *args, **kwargs))

    async def hand_over(self, work: Callable[[], T]) -> T:
        """The event loop of one who was cancelled may be gone before the work is done."""
        loop = asyncio.get_running_loop()
        told: asyncio.Future[T] = loop.create_future()

        def run() -> None:
            try:
                tell: Callable[[], None] = partial(_end_well, told, work())
            except BaseException as error:  # noqa: BLE001 - it is told to whoever waits
                tell = partial(_end_badly, told, error)
            with suppress(RuntimeError):
                loop.call_soon_threadsafe(tell)

        self._tx.put_nowait((None, run))
        return await told

    def stop(self) -> None:
        """Nobody waits for its end."""
        self._running = False
        self._tx.put_nowait((None, self._end))

    def _end(self) -> object:
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        return _STOP_RUNNING_SENTINEL


def _end_well(told: asyncio.Future[T], result: T) -> None:
    if not told.done():
        told.set_result(result)


def _end_badly(told: asyncio.Future[T], error: BaseException) -> None:
    if not told.done():
        told.set_exception(error)


class ReadyCursor:
    """What SQLAlchemy asks of one. All rows are there once a statement has run, and nothing of it is open any more."""

    arraysize = 1

    def __init__(self, connection: ThreadedConnection) -> None:
        self._connection = connection
        self._rows: Sequence[Any] = ()
        self.description: Description | None = None
        self.rowcount = -1
        self.lastrowid: int | None = None

    async def __aenter__(self) -> Self:
        return self

    async def execute(self, sql: str, values: Iterable[Value] = ()) -> Self:
        return await self._connection._execute(self._run, sqlite3.Cursor.execute, sql, values)

    async def executemany(self, sql: str, rows: Iterable[Iterable[Value]]) -> Self:
        return await self._connection._execute(self._run, sqlite3.Cursor.executemany, sql, rows)

    def _run(self, execute: Callable[..., Any], sql: str, values: Iterable[Any]) -> Self:
        cursor = self._connection._conn.cursor()
        try:
            execute(cursor, sql, values)
            self.description = cursor.description
            self._rows = cursor.fetchall() if cursor.description else ()
            self.rowcount, self.lastrowid = cursor.rowcount, cursor.lastrowid
        finally:
            cursor.close()
        return self

    async def fetchall(self) -> Sequence[Any]:
        return self._rows

    async def close(self) -> None:
        """Nothing to do."""
