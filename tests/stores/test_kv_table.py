"""Keys and values as rows: what is left of those that have expired, and what reading costs."""

from __future__ import annotations

import asyncio

import pytest
from sqlalchemy import func, select

from jackfield.errors import Unavailable
from jackfield.stores.database import Database
from jackfield.stores.kv import KeyValueStore
from jackfield.stores.kv_base import Amount
from jackfield.stores.tables import kv as table

from .kv_clock import HandClock


@pytest.fixture
def kv(database: Database, clock: HandClock) -> KeyValueStore:
    return KeyValueStore(database, clock)


async def rows(database: Database) -> int:
    async with database.reading() as connection:
        return (await connection.execute(select(func.count()).select_from(table))).scalar_one()


async def test_the_sweep_removes_what_has_expired_a_little_at_a_time(
    database: Database, clock: HandClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("kv", "kv_statements"):
        monkeypatch.setattr(f"jackfield.stores.{module}.SWEPT_AT_ONCE", 3)
    kv = KeyValueStore(database, clock)
    for number in range(7):
        await kv.set("o", f"short {number}", 1, ttl_s=1)
        await kv.set("o", f"long {number}", 1, ttl_s=100)
    clock.now += 1
    assert await kv.sweep() == 7
    assert await kv.sweep() == 0
    assert await rows(database) == 7


async def test_sweeping_goes_on_though_the_store_fails_once(
    kv: KeyValueStore, clock: HandClock, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    await kv.set("o", "k", 1, ttl_s=1)
    clock.now += 1
    sweep, sweeps = kv.sweep, 0
    twice = asyncio.Event()

    async def fail_first() -> int:
        nonlocal sweeps
        sweeps += 1
        if sweeps == 1:
            raise Unavailable("the store is away")
        gone = await sweep()
        twice.set()
        return gone

    monkeypatch.setattr(kv, "sweep", fail_first)
    sweeping = asyncio.create_task(kv.keep_swept(every_s=0))
    await asyncio.wait_for(twice.wait(), 5)
    sweeping.cancel()
    await asyncio.wait([sweeping])
    assert await rows(database) == 0


async def test_short_lives_do_not_take_more_room_than_the_quota(
    kv: KeyValueStore, clock: HandClock, database: Database
) -> None:
    for number in range(50):
        await kv.set("o", f"k{number}", 1, ttl_s=1, quota=Amount(keys=5, size=1000))
        clock.now += 1
        assert await rows(database) <= 5


@pytest.mark.parametrize("place", ["sqlite"], indirect=True)
async def test_totals_are_summed_over_an_index_alone(database: Database) -> None:
    async with database.reading() as connection:
        query = select(func.count(), func.sum(table.c.size)).where(table.c.owner == "o")
        sql = str(query.compile(dialect=database.engine.dialect, compile_kwargs={"literal_binds": True}))
        plan = (await connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {sql}")).all()
    assert "COVERING INDEX kv_size" in str(plan)
