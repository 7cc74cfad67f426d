"""Fresh stores of every kind: what a test says of one it says of all."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import msgspec
import pytest

from jackfield.clock import Clock
from jackfield.stores.database import Database
from jackfield.stores.key_values import open_key_values
from jackfield.stores.kv_base import KeyValues
from servers import empty_postgres, empty_redis, migrated_postgres

from .kv_clock import HandClock

POSTGRES = {"postgres": migrated_postgres, "bare postgres": empty_postgres}


class Place(msgspec.Struct, frozen=True):
    """Where a store is, for any number of gateways, in this process or others."""

    url: str
    data_dir: Path
    redis: str | None = None

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Database]:
        database = await Database.open(self.url, self.data_dir)
        try:
            yield database
        finally:
            await database.dispose()

    @asynccontextmanager
    async def open_kv(self, clock: Clock) -> AsyncIterator[KeyValues]:
        async with self.open() as database, open_key_values(database, self.redis, clock) as kv:
            yield kv


@pytest.fixture(params=["sqlite", "postgres"])
async def place(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Place]:
    """An empty database."""
    async with AsyncExitStack() as stack:
        yield await _make(request.param, tmp_path / "data", stack)


@pytest.fixture(params=["sqlite", "postgres", "redis"])
async def kv_place(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Place]:
    """An empty place for keys and values."""
    async with AsyncExitStack() as stack:
        yield await _make(request.param, tmp_path / "data", stack)


async def _make(kind: str, data_dir: Path, stack: AsyncExitStack) -> Place:
    url, redis = "sqlite", None
    if kind in POSTGRES:
        url = await stack.enter_async_context(POSTGRES[kind]())
    elif kind == "redis":
        redis = await stack.enter_async_context(empty_redis())
    return Place(url, data_dir, redis)


@pytest.fixture
async def database(place: Place) -> AsyncIterator[Database]:
    async with place.open() as database:
        yield database


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
async def kv(kv_place: Place, clock: HandClock) -> AsyncIterator[KeyValues]:
    async with kv_place.open_kv(clock) as kv:
        yield kv
