"""SQLite in a file of the data folder: the embedded default."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import sqlite3
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any

import msgspec
from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    FromClause,
    Integer,
    String,
    Table,
    bindparam,
    cast,
    event,
    func,
    literal_column,
    select,
    text,
)
from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.sql.selectable import TableValuedAlias

from jackfield.errors import ConfigError, Unavailable
from jackfield.stores.base import Lane, Rows, Value
from jackfield.stores.compiled import KEPT
from jackfield.stores.folder import make_private_file, make_private_folder
from jackfield.stores.lane import SqliteLane
from jackfield.stores.sqlite_driver import ThreadedConnection

LOCK_POLL_S = 0.02
# About a tenth of a processor that another thread wants whole: enough to end what it began.
STANDS_BACK = 10


class SqliteBackend:
    """Writers wait for one another up to `busy_s`; the first open waits for a migration up to
    `migration_s`."""

    errors: tuple[type[Exception], ...] = (sqlite3.Error,)
    writing: Mapping[str, Any] = MappingProxyType({"writing": True})
    tables = "SELECT name FROM sqlite_master WHERE type = 'table'"
    is_plain = True

    def __init__(self, path: Path, *, busy_s: float = 5.0, migration_s: float = 60.0) -> None:
        self.path = path
        self.place = str(path)
        self._busy_s = busy_s
        self._migration_s = migration_s

    def prepare(self) -> None:
        make_private_folder(self.path.parent)
        make_private_file(self.path)

    async def is_made(self) -> bool:
        return self.path.exists()

    def engine(self) -> AsyncEngine:
        engine = create_async_engine(
            f"sqlite+aiosqlite:///{self.path}",
            async_creator=self._connect_thread,
            pool_size=4,
            max_overflow=4,
            pool_timeout=self._busy_s,
            # Every transaction of ours ends by itself; one more rollback is one more wait for the driver's thread.
            pool_reset_on_return=None,
            json_serializer=lambda value: msgspec.json.encode(value).decode(),
            json_deserializer=msgspec.json.decode,
            execution_options={"compiled_cache": KEPT},
        )
        event.listen(engine.sync_engine, "begin", _begin)
        event.listen(engine.sync_engine, "invalidate", _roll_back)
        return engine

    @asynccontextmanager
    async def migrating(self) -> AsyncIterator[None]:
        lock = os.open(f"{self.path}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            await self._take(lock)
            yield
        finally:
            os.close(lock)

    async def _take(self, lock: int) -> None:
        for _ in range(max(1, round(self._migration_s / LOCK_POLL_S))):
            try:
                return fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                await asyncio.sleep(LOCK_POLL_S)
        raise Unavailable(f"{self.place}: another process has been migrating it for {self._migration_s:g} s")

    async def configure(self, lane: Lane) -> None:
        if await lane.run(("PRAGMA journal_mode=WAL", ())) != [("wal",)]:
            raise ConfigError(f"{self.place} is on a file system that cannot keep a write-ahead log", field="store.url")

    async def hold(self, transaction: AsyncConnection, subject: str) -> None:
        """Nothing to do: here only one transaction writes at a time."""

    async def run_alone(self, connection: AsyncConnection, sql: str, *values: Value) -> Rows:
        # The driver's own call is one hand-over to its thread, and no transaction to be ended, which would be
        # another; a busy loop makes the thread wait for each.
        driver = (await connection.get_raw_connection()).driver_connection
        return await driver.execute_fetchall(sql, values)  # type: ignore[union-attr, no-any-return]

    def insert(self, table: Table) -> Any:
        return insert(table)

    def open_lane(self, *, stands_back: bool = False) -> SqliteLane:
        return SqliteLane(self._connect, STANDS_BACK if stands_back else 0)

    async def _connect_thread(self) -> ThreadedConnection:
        connection = ThreadedConnection(self._connect)
        await connection
        return connection

    def _connect(self) -> sqlite3.Connection:
        """No transactions but those we begin: the driver's own begin too late and lose to other writers."""
        connection = sqlite3.connect(self.path, isolation_level=None, timeout=self._busy_s)
        connection.execute("PRAGMA synchronous=FULL").close()
        connection.execute("PRAGMA foreign_keys=ON").close()
        return connection

    def rows_of(self, batches: FromClause, columns: Sequence[Column[Any]]) -> FromClause:
        # Materialised because `json_each` encodes the row anew at every mention of its value.
        elements = func.json_each(batches.c.body).table_valued("value", joins_implicitly=True)
        found = select(elements.c.value.label("value")).select_from(batches, elements)
        rows = found.cte("batch").prefix_with("MATERIALIZED", dialect="sqlite")
        # Quicker than `->>`, which makes the path anew at every row.
        values = (func.json_extract(rows.c.value, text(f"'$[{place}]'")) for place in range(len(columns)))
        return select(*(value.label(column.name) for value, column in zip(values, columns, strict=True))).subquery()

    def is_json(self, body: ColumnElement[str]) -> ColumnElement[bool]:
        return func.json_valid(body) == literal_column("1")

    def texts_of(self, parameter: str) -> FromClause:
        elements = _elements(parameter)
        return select(elements.c.value.label("value")).order_by(elements.c.key).subquery()

    def bucket(self, instant: ColumnElement[float], seconds: int) -> ColumnElement[int]:
        return cast(instant, Integer).op("/")(seconds).op("*")(seconds)


def _elements(parameter: str) -> TableValuedAlias:
    return func.json_each(bindparam(parameter, type_=String)).table_valued("key", "value")


def _begin(connection: Connection) -> None:
    """Reads need no transaction, each being one statement; a write takes its lock before it looks."""
    if connection.get_execution_options().get("writing"):
        connection.exec_driver_sql("BEGIN IMMEDIATE")


def _roll_back(connection: Any, _record: Any, _error: BaseException | None) -> None:
    """A connection whose call was cancelled is closed, but stays open underneath for as long as anything holds a cursor
    of it, and its transaction would keep all writers out."""
    with contextlib.suppress(sqlite3.Error):
        connection.rollback()
