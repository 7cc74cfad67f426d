"""PostgreSQL: one store for many gateways."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from types import MappingProxyType
from typing import Any

import asyncpg
import msgspec
from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    FromClause,
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
from sqlalchemy.dialects.postgresql import JSONB, insert
from sqlalchemy.dialects.postgresql.base import ischema_names
from sqlalchemy.exc import DisconnectionError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.types import JSON

from jackfield.errors import ConfigError, Unavailable, Unprocessable
from jackfield.settings.store_urls import place_of
from jackfield.stores.base import Lane, Rows, Value
from jackfield.stores.compiled import KEPT
from jackfield.stores.postgres_lane import PostgresLane
from jackfield.stores.vectors import PgVector

LOCK_POLL_S = 0.05
OLDEST = 14_00_00
# No statement of ours takes longer: what does speaks with a server that is gone.
STATEMENT_S = 60.0
MIGRATING = "migrating"
NUL = "\\u0000"
# Else reading a schema that has the type would warn of it.
ischema_names["vector"] = PgVector

# In the database since `IS JSON` is newer than some of those that we run on.
IS_JSON = """
CREATE OR REPLACE FUNCTION jackfield_is_json(body text) RETURNS boolean LANGUAGE plpgsql IMMUTABLE STRICT AS $$
BEGIN
    PERFORM body::jsonb;
    RETURN true;
EXCEPTION WHEN data_exception THEN
    RETURN false;
END $$
"""


class PostgresBackend:
    """Connecting, and writers that wait for one another, take up to `busy_s`; the first open waits for a migration up
    to `migration_s`."""

    errors: tuple[type[Exception], ...] = (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError)
    # Reads are one statement each, and so need no transaction.
    writing: Mapping[str, Any] = MappingProxyType({"isolation_level": "READ COMMITTED"})
    tables = "SELECT tablename FROM pg_tables WHERE schemaname = current_schema()"
    # What it is made of depends on what the server has.
    is_plain = False

    def __init__(self, url: str, *, busy_s: float = 5.0, migration_s: float = 60.0) -> None:
        try:
            self.place = place_of(url)
        except ValueError as error:
            raise ConfigError(str(error), field="store.url") from None
        self._url = url.replace("+asyncpg", "", 1)
        self._busy_s = busy_s
        self._migration_s = migration_s

    def prepare(self) -> None:
        """Nothing: the database is there, or the first connection tells."""

    async def is_made(self) -> bool:
        connection = await self._connect()
        try:
            return bool(await connection.fetchval("SELECT to_regclass('alembic_version') IS NOT NULL"))
        finally:
            connection.terminate()

    def engine(self) -> AsyncEngine:
        engine = create_async_engine(
            "postgresql+asyncpg://",
            async_creator=self._connect,
            isolation_level="AUTOCOMMIT",
            pool_size=4,
            max_overflow=4,
            pool_timeout=self._busy_s,
            json_serializer=_encode_document,
            json_deserializer=msgspec.json.decode,
            execution_options={"compiled_cache": KEPT},
        )
        event.listen(engine.sync_engine, "checkout", _refuse_closed)
        return engine

    async def _connect(self, *_: Any, **__: Any) -> Any:
        """Raises `ConfigError` for what will not be better the next time."""
        milliseconds = str(round(self._busy_s * 1000))
        try:
            return await asyncpg.connect(
                self._url,
                timeout=self._busy_s,
                command_timeout=STATEMENT_S,
                server_settings={"application_name": "jackfield", "lock_timeout": milliseconds},
            )
        except (asyncpg.InvalidAuthorizationSpecificationError, asyncpg.InvalidCatalogNameError) as error:
            raise ConfigError(f"{self.place} refuses: {error}", field="store.url") from error
        except (ValueError, asyncpg.ClientConfigurationError) as error:
            # What it could not read may be a part of the password.
            raise ConfigError(f"{self.place}: the rest of the URL is not understood", field="store.url") from error
        except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            reason = str(error) or f"no answer within {self._busy_s:g} s"
            raise Unavailable(f"the store at {self.place} cannot be reached: {reason}") from error

    @asynccontextmanager
    async def migrating(self) -> AsyncIterator[None]:
        connection = await self._connect()
        try:
            await self._take(connection)
            yield
        finally:
            connection.terminate()

    async def _take(self, connection: Any) -> None:
        for _ in range(max(1, round(self._migration_s / LOCK_POLL_S))):
            if await connection.fetchval("SELECT pg_try_advisory_lock($1)", key_of(MIGRATING)):
                return
            await asyncio.sleep(LOCK_POLL_S)
        raise Unavailable(f"{self.place}: another process has been migrating it for {self._migration_s:g} s")

    async def configure(self, lane: Lane) -> None:
        ((told,),) = await lane.run(("SHOW server_version_num", ()))
        version = int(told)
        if version < OLDEST:
            needed, found = OLDEST // 10_000, version // 10_000
            raise ConfigError(f"{self.place} is PostgreSQL {found}: {needed} or newer is needed", field="store.url")
        ((encoding,),) = await lane.run(("SHOW server_encoding", ()))
        if encoding != "UTF8":
            raise ConfigError(f"{self.place} keeps texts in {encoding}: it must be UTF8", field="store.url")
        await lane.run((IS_JSON, ()))

    async def hold(self, transaction: AsyncConnection, subject: str) -> None:
        await transaction.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": key_of(subject)})

    async def run_alone(self, connection: AsyncConnection, sql: str, *values: Value) -> Rows:
        driver: Any = (await connection.get_raw_connection()).driver_connection
        return [tuple(row) for row in await driver.fetch(sql, *values)]

    def insert(self, table: Table) -> Any:
        return insert(table)

    def open_lane(self, *, stands_back: bool = False) -> PostgresLane:
        """The work is done elsewhere, where nobody can stand back."""
        return PostgresLane(self._connect, key_of)

    def rows_of(self, batches: FromClause, columns: Sequence[Column[Any]]) -> FromClause:
        elements = func.jsonb_array_elements(cast(batches.c.body, JSONB)).table_valued("value", joins_implicitly=True)

        def value(place: int, column: Column[Any]) -> ColumnElement[Any]:
            found = elements.c.value.op("->>")(literal_column(str(place)))
            return (found if isinstance(column.type, String) else cast(found, column.type)).label(column.name)

        values = (value(place, column) for place, column in enumerate(columns))
        return select(*values).select_from(batches, elements).subquery()

    def is_json(self, body: ColumnElement[str]) -> ColumnElement[bool]:
        return func.jackfield_is_json(body).is_(True)

    def texts_of(self, parameter: str) -> FromClause:
        given = cast(bindparam(parameter, type_=String), JSON)
        elements = func.json_array_elements_text(given).table_valued("value", with_ordinality="place").render_derived()
        return select(elements.c.value).order_by(elements.c.place).subquery()

    def bucket(self, instant: ColumnElement[float], seconds: int) -> ColumnElement[int]:
        # Literal, since the same parameter given twice is not the same expression to `GROUP BY`.
        size: ColumnElement[int] = literal_column(str(seconds))
        return cast(func.floor(instant), BigInteger).op("/")(size).op("*")(size)


def key_of(subject: str) -> int:
    """What a lock is called: in 64 bits, the same everywhere."""
    digest = hashlib.blake2b(f"jackfield:{subject}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big", signed=True)


def _encode_document(value: Any) -> str:
    """Raises `Unprocessable` for the one character that cannot be kept."""
    encoded = msgspec.json.encode(value).decode()
    if NUL in encoded.replace("\\\\", ""):
        raise Unprocessable("there is a NUL in it, which PostgreSQL cannot keep")
    return encoded


def _refuse_closed(connection: Any, _record: Any, _proxy: Any) -> None:
    """A connection that the server has closed meanwhile is replaced by a new one, and nobody notices."""
    if connection.driver_connection.is_closed():
        raise DisconnectionError
