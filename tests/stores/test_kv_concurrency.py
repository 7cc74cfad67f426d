"""Many writers at once: other tasks, other connections, other processes."""

from __future__ import annotations

import asyncio
import sqlite3
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from jackfield.clock import SystemClock
from jackfield.sdk.services import QuotaExceeded
from jackfield.stores.database import Database
from jackfield.stores.kv import Amount, KeyValueStore

QUOTA = Amount(keys=40, size=1000)
WRITE = """
import asyncio, pathlib, sys
from jackfield.clock import SystemClock
from jackfield.sdk.services import QuotaExceeded
from jackfield.stores.database import Database
from jackfield.stores.kv import Amount, KeyValueStore

async def main(folder, name):
    database = await Database.open("sqlite", pathlib.Path(folder))
    kv = KeyValueStore(database, SystemClock())
    stored = 0
    for number in range(15):
        await kv.increment("o", "n", 2)
        stored += await kv.compare_and_set("claims", str(number), None, name)
        try:
            await kv.set("full", f"{name}{number}", b"x", quota=Amount(keys=40, size=1000))
        except QuotaExceeded:
            pass
    print(stored)
    await database.dispose()

asyncio.run(main(*sys.argv[1:]))
"""


@pytest.fixture
async def stores(tmp_path: Path) -> AsyncIterator[list[KeyValueStore]]:
    """Three gateways, as far as the database is concerned."""
    async with AsyncExitStack() as stack:
        found = []
        for _ in range(3):
            database = await Database.open("sqlite", tmp_path)
            stack.push_async_callback(database.dispose)
            found.append(KeyValueStore(database, SystemClock()))
        yield found


async def test_no_increment_is_lost(stores: list[KeyValueStore]) -> None:
    counted = await asyncio.gather(*(kv.increment("o", "n") for _ in range(20) for kv in stores))
    assert sorted(counted) == list(range(1, 61))


async def test_of_those_who_expect_the_same_one_wins(stores: list[KeyValueStore]) -> None:
    won = await asyncio.gather(
        *(kv.compare_and_set("o", "lock", None, [turn, place]) for turn in range(10) for place, kv in enumerate(stores))
    )
    assert sum(won) == 1
    turn, place = await stores[0].get("o", "lock")
    assert won[turn * len(stores) + place]


async def test_together_they_store_exactly_the_quota(stores: list[KeyValueStore]) -> None:
    async def store(kv: KeyValueStore, key: str) -> bool:
        try:
            await kv.set("o", key, b"x", quota=QUOTA)
        except QuotaExceeded:
            return False
        return True

    stored = await asyncio.gather(*(store(kv, f"{place}-{n}") for n in range(20) for place, kv in enumerate(stores)))
    assert sum(stored) == QUOTA.keys
    usage = await stores[0].usage("o")
    assert usage.keys == QUOTA.keys
    assert usage.size == sum(len(key) + 1 for key in await stores[1].list("o"))


async def test_readers_do_not_wait_for_a_writer(stores: list[KeyValueStore], tmp_path: Path) -> None:
    database = await Database.open("sqlite", tmp_path)
    kv = KeyValueStore(database, SystemClock())
    await kv.set("o", "k", 1)
    async with database.writing():
        assert await asyncio.wait_for(kv.get("o", "k"), 2) == 1
        assert await asyncio.wait_for(stores[0].list("o"), 2) == ("k",)
    await database.dispose()


async def test_a_change_that_is_cancelled_anywhere_is_done_or_not_and_blocks_nobody(
    stores: list[KeyValueStore],
) -> None:
    kv = stores[0]
    for turns in range(0, 400, 8):
        before = await kv.get("o", "n", 0)
        changing = asyncio.create_task(kv.increment("o", "n"))
        for _ in range(turns):
            await asyncio.sleep(0)
        changing.cancel()
        await asyncio.wait([changing])
        await asyncio.wait_for(stores[1].set("o", "other", turns), 2)
        await asyncio.wait_for(kv.set("o", "other", turns), 2)
        assert await kv.get("o", "n", 0) in (before, before + 1)


async def test_a_change_that_is_cancelled_while_another_writes_blocks_nobody(
    stores: list[KeyValueStore], tmp_path: Path
) -> None:
    other = sqlite3.connect(tmp_path / "jackfield.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    waiting = [asyncio.create_task(change) for kv in stores for change in (kv.increment("o", "n"), kv.set("o", "k", 1))]
    assert (await asyncio.wait(waiting, timeout=0.05))[0] == set()
    for task in waiting:
        task.cancel()
    other.execute("ROLLBACK")
    other.close()
    await asyncio.wait_for(asyncio.wait(waiting), 4)
    counts = await asyncio.wait_for(asyncio.gather(*(kv.increment("o", "later") for kv in stores)), 4)
    assert sorted(counts) == [1, 2, 3]


async def test_other_processes_are_counted_too(tmp_path: Path) -> None:
    starting = [
        asyncio.create_subprocess_exec(sys.executable, "-c", WRITE, str(tmp_path), name, stdout=asyncio.subprocess.PIPE)
        for name in ("a", "b", "c")
    ]
    processes = await asyncio.gather(*starting)
    told = await asyncio.wait_for(asyncio.gather(*(process.communicate() for process in processes)), 60)
    assert [process.returncode for process in processes] == [0, 0, 0]
    database = await Database.open("sqlite", tmp_path)
    kv = KeyValueStore(database, SystemClock())
    assert await kv.get("o", "n") == 3 * 15 * 2
    assert sum(int(output) for output, _ in told) == 15
    assert (await kv.usage("full")).keys == QUOTA.keys
    await database.dispose()
