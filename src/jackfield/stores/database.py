"""One open database: connections for reading, transactions for writing, and errors in Jackfield's own
words."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Self

from sqlalchemy.exc import DBAPIError, StatementError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncConnection

from jackfield.errors import ConfigError, JackfieldError, Unavailable
from jackfield.settings.store_urls import is_postgres
from jackfield.stores.base import Backend, Rows, Statement, Value
from jackfield.stores.compiled import Compiled, Make, compile_for
from jackfield.stores.extras import need
from jackfield.stores.schema import bring_up_to_date, is_up_to_date
from jackfield.stores.sqlite import SqliteBackend

SQLITE_FILE = "jackfield.db"


def backend_for(url: str, data_dir: Path) -> Backend:
    """`sqlite` is the file in the data folder, `sqlite:///path` another file, `postgresql://…` a server. Never echoes
    credentials."""
    if url == "sqlite":
        return SqliteBackend(data_dir / SQLITE_FILE)
    scheme, _, rest = url.partition("://")
    if scheme == "sqlite":
        if not rest.startswith("/") or rest in ("/", "/:memory:"):
            raise ConfigError("a SQLite store is a file: sqlite or sqlite:///path", field="store.url")
        return SqliteBackend(Path(rest[1:]))
    if is_postgres(url):
        need("asyncpg", extra="postgres", field="store.url")
        # Imported here: who stays with SQLite need not have its driver.
        from jackfield.stores.postgres import PostgresBackend

        return PostgresBackend(url)
    raise ConfigError(f"no store is called {scheme!r}: use sqlite, sqlite:///path or postgresql://…", field="store.url")


class Database:
    """Belongs to the event loop that opened it."""

    def __init__(self, backend: Backend) -> None:
        self.backend = backend
        self.engine = backend.engine()
        self._failures: tuple[type[Exception], ...] = (DBAPIError, *backend.errors)
        self._lane, self._back_lane = backend.open_lane(), backend.open_lane(stands_back=True)
        # Writers of this process queue here, in order; between processes the database's own lock decides.
        self._writer = asyncio.Lock()

    @classmethod
    async def open(cls, url: str, data_dir: Path) -> Self:
        """Makes what is missing and brings the schema up to date; safe for any number of processes at
        once."""
        return await cls.over(backend_for(url, data_dir))

    @classmethod
    async def over(cls, backend: Backend) -> Self:
        backend.prepare()
        database = cls(backend)
        try:
            await database._migrate()
        except BaseException:
            await database.dispose()
            raise
        return database

    async def _migrate(self) -> None:
        async with self.backend.migrating():
            with self._translated():
                await self.backend.configure(self._lane)
                if await is_up_to_date(self.backend, self._lane):
                    return
            async with self.writing() as transaction:
                await transaction.run_sync(bring_up_to_date, self.backend.place)

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncConnection]:
        with self._translated():
            async with self.engine.connect() as connection:
                yield connection

    @asynccontextmanager
    async def writing(self, subject: str | None = None) -> AsyncIterator[AsyncConnection]:
        """One transaction: what is done in it happens whole at the end of the block, or not at all. Who looks before it
        writes names a `subject`: of transactions on the same, each sees all that the one before has done."""
        with self._translated():
            async with self._writer, self.engine.connect() as connection:
                await connection.execution_options(**self.backend.writing)
                async with connection.begin():
                    if subject is not None:
                        await self.backend.hold(connection, subject)
                    yield connection

    def compiled(self, make: Make) -> Compiled:
        """The statement that `make` makes, for `run_alone` and the like."""
        return compile_for(self.backend, self.engine.dialect, make)

    async def run_alone(self, sql: str, *values: Value) -> Rows:
        """The quick way to write with one statement that needs no look before."""
        return await self.run_together((sql, values))

    async def run_together(self, *statements: Statement, subject: str | None = None, stands_back: bool = False) -> Rows:
        """The quick way to write with several statements, as one transaction: see `Lane.run`."""
        lane = self._back_lane if stands_back else self._lane
        with self._translated():
            async with self._writer:
                return await lane.run(*statements, subject=subject)

    async def read_alone(self, sql: str, *values: Value) -> Rows:
        """The quick way to read with one statement; waits for no writer."""
        with self._translated():
            async with self.engine.connect() as connection:
                return await self.backend.run_alone(connection, sql, *values)

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except self._failures as error:
            reason = error.orig if isinstance(error, DBAPIError) else error
            told = str(reason) or type(reason).__name__
            raise Unavailable(f"the store at {self.backend.place} failed: {told}") from error
        except StatementError as error:
            # A value that the backend refused before the database saw it.
            raise error.orig if isinstance(error.orig, JackfieldError) else error from error
        except PoolTimeout as error:
            raise Unavailable(f"the store at {self.backend.place} is too busy") from error

    async def dispose(self) -> None:
        await self._lane.aclose()
        await self._back_lane.aclose()
        await self.engine.dispose()
