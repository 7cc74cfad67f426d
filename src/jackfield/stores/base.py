"""What differs between databases, and nothing else: each has one module that answers these questions."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol

from sqlalchemy import ColumnElement, FromClause, Table
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine


class Backend(Protocol):
    """One kind of database at one place. `place` names it in messages, without credentials."""

    place: str

    def prepare(self) -> None:
        """Makes the files and folders that must exist before the first connection."""

    def engine(self) -> AsyncEngine: ...

    def migrating(self) -> AbstractAsyncContextManager[None]:
        """Held by the one process that brings the schema up to date, while others wait; bounded."""

    async def configure(self, connection: AsyncConnection) -> None:
        """Settings that the database itself remembers; called while `migrating`, outside a transaction."""

    async def run_alone(self, connection: AsyncConnection, sql: str, *values: str) -> None:
        """One statement, as a transaction of its own, in as few turns of the event loop as there can be:
        under load each turn waits for the loop. Cancelling leaves it done or not done, never half."""

    def insert(self, table: Table) -> Any:
        """An INSERT that knows `on_conflict_do_nothing` and `on_conflict_do_update`."""

    def rows_of(self, parameter: str, columns: Sequence[str]) -> FromClause:
        """The rows of a JSON array of arrays bound to `parameter`, so that a batch is one statement with
        one value."""

    def texts_of(self, parameter: str) -> FromClause:
        """The strings of a JSON array bound to `parameter`, as rows of one column `value`."""

    def bucket(self, instant: ColumnElement[float], seconds: int) -> ColumnElement[int]:
        """The start of the time bucket that `instant` (seconds since the epoch) falls into."""
