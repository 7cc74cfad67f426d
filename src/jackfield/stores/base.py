"""What differs between databases, and nothing else: each has one module that answers these questions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol

from sqlalchemy import Column, ColumnElement, FromClause, Table
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

Value = str | bytes | float | None
Rows = list[tuple[Any, ...]]
Statement = tuple[str, tuple[Value, ...]]


class Lane(Protocol):
    """A connection beside the pool, which runs one thing after the other."""

    async def run(self, *statements: Statement, subject: str | None = None) -> Rows:
        """All of them as one transaction that sees one state of the store; answers with the rows that the last selects
        or returns. Of transactions on one `subject`, anywhere, each begins when the one before it has ended. Cancelling
        leaves it done or not done, never half."""

    async def aclose(self) -> None: ...


class Backend(Protocol):
    """One kind of database at one place. `place` names it in messages, without credentials. `errors` are its driver's
    own; `writing` are the execution options of a connection for a transaction that writes; `tables` selects the names
    of those that there are. A new one that `is_plain` is always made in the same way, by the statements for SQLite."""

    place: str
    errors: tuple[type[Exception], ...]
    writing: Mapping[str, Any]
    tables: str
    is_plain: bool

    def prepare(self) -> None:
        """Makes the files and folders that must exist before the first connection."""

    async def is_made(self) -> bool:
        """Whether there is a store already. Looks, and makes nothing."""

    def engine(self) -> AsyncEngine: ...

    def migrating(self) -> AbstractAsyncContextManager[None]:
        """Held by the one process that brings the schema up to date, while others wait; bounded."""

    async def configure(self, lane: Lane) -> None:
        """Settings that the database itself remembers; called while `migrating`. Refuses a database that is not
        fit."""

    async def hold(self, transaction: AsyncConnection, subject: str) -> None:
        """Waits, bounded, for every other transaction on this subject to end; those that come later wait for this
        one."""

    async def run_alone(self, connection: AsyncConnection, sql: str, *values: Value) -> Rows:
        """One statement, as a transaction of its own, in as few turns of the event loop as there can be:
        under load each turn waits for the loop. Cancelling leaves it done or not done, never half. Answers
        with the rows that it selects or returns."""

    def insert(self, table: Table) -> Any:
        """An INSERT that knows `on_conflict_do_nothing` and `on_conflict_do_update`."""

    def open_lane(self, *, stands_back: bool = False) -> Lane:
        """With `stands_back` it leaves the processor to others where it can."""

    def rows_of(self, batches: FromClause, columns: Sequence[Column[Any]]) -> FromClause:
        """The rows of all JSON arrays of arrays in the column `body` of `batches`."""

    def is_json(self, body: ColumnElement[str]) -> ColumnElement[bool]: ...

    def texts_of(self, parameter: str) -> FromClause:
        """The strings of a JSON array bound to `parameter`, as rows of one column `value`."""

    def bucket(self, instant: ColumnElement[float], seconds: int) -> ColumnElement[int]:
        """The start of the time bucket that `instant` (seconds since the epoch) falls into."""
