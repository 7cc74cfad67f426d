"""A thread with a SQLite connection of its own, for statements that run all the time: one hand-over each, where a
connection of the pool costs the event loop half a millisecond."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from jackfield.priority import stand_back
from jackfield.stores.base import Rows, Statement

CACHE_KB = 512


class SqliteLane:
    """The thread and its connection are made at the first use. `niceness` is how far the thread stands back where
    others want the processor."""

    def __init__(self, connect: Callable[[], sqlite3.Connection], niceness: int = 0) -> None:
        self._connect, self._niceness = connect, niceness
        self._connection: sqlite3.Connection | None = None
        self._thread: ThreadPoolExecutor | None = None

    async def run(self, *statements: Statement, subject: str | None = None) -> Rows:
        """Here every transaction that writes is alone, whatever its subject."""
        thread = self._thread
        if thread is None:
            thread = self._thread = ThreadPoolExecutor(1, thread_name_prefix="store")
        return await asyncio.get_running_loop().run_in_executor(thread, self._run, statements)

    def _run(self, statements: tuple[Statement, ...]) -> Rows:
        connection = self._connection or self._open()
        if len(statements) == 1:
            return connection.execute(*statements[0]).fetchall()
        connection.execute("BEGIN IMMEDIATE")
        try:
            for sql, values in statements:
                rows = connection.execute(sql, values).fetchall()
            connection.execute("COMMIT")
        except sqlite3.Error:
            connection.rollback()
            raise
        return rows

    def _open(self) -> sqlite3.Connection:
        stand_back(self._niceness)
        connection = self._connection = self._connect()
        # It writes, and hardly reads again what it wrote: a larger cache is only filled.
        connection.execute(f"PRAGMA cache_size={-CACHE_KB}").close()
        return connection

    async def aclose(self) -> None:
        """Once it returns, nothing of it runs any more."""
        thread, self._thread = self._thread, None
        if thread is not None:
            await asyncio.get_running_loop().run_in_executor(thread, self._close)
            thread.shutdown()

    def _close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()
