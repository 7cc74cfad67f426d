"""Many writers at once: other tasks, other connections, other processes."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest

from jackfield.clock import SystemClock
from jackfield.sdk.services import QuotaExceeded
from jackfield.stores.kv import KeyValueStore
from jackfield.stores.kv_base import Amount, KeyValues

from .conftest import Place

QUOTA = Amount(keys=40, size=1000)
WRITE = """
import asyncio, pathlib, sys
from jackfield.clock import SystemClock
from jackfield.sdk.services import QuotaExceeded
from jackfield.stores.database import Database
from jackfield.stores.key_values import open_key_values
from jackfield.stores.kv_base import Amount

async def write(kv, name):
    stored = 0
    for number in range(25):
        await kv.increment("o", "n", 2)
        stored += await kv.compare_and_set("claims", str(number), None, name)
        try:
            await kv.set("full", f"{name}{number}", b"x", quota=Amount(keys=40, size=1000))
        except QuotaExceeded:
            pass
    print(stored)

async def main(url, folder, redis, name):
    database = await Database.open(url, pathlib.Path(folder))
    async with open_key_values(database, redis or None, SystemClock()) as kv:
        await write(kv, name)
    await database.dispose()

asyncio.run(main(*sys.argv[1:]))
"""


@pytest.fixture
async def stores(kv_place: Place) -> AsyncIterator[list[KeyValues]]:
    """Those of three gateways."""
    async with AsyncExitStack() as stack:
        yield [await stack.enter_async_context(kv_place.open_kv(SystemClock())) for _ in range(3)]


async def test_no_increment_is_lost(stores: list[KeyValues]) -> None:
    counted = await asyncio.gather(*(kv.increment("o", "n") for _ in range(20) for kv in stores))
    assert sorted(counted) == list(range(1, 61))


async def test_of_those_who_expect_the_same_one_wins(stores: list[KeyValues]) -> None:
    won = await asyncio.gather(
        *(kv.compare_and_set("o", "lock", None, [turn, place]) for turn in range(10) for place, kv in enumerate(stores))
    )
    assert sum(won) == 1
    turn, place = await stores[0].get("o", "lock")
    assert won[turn * len(stores) + place]


async def test_together_they_store_exactly_the_quota(stores: list[KeyValues]) -> None:
    async def store(kv: KeyValues, key: str) -> bool:
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


async def test_readers_do_not_wait_for_a_writer(place: Place) -> None:
    async with place.open() as database, place.open_kv(SystemClock()) as other:
        kv = KeyValueStore(database, SystemClock())
        await kv.set("o", "k", 1)
        async with database.writing("kv:o"):
            assert await asyncio.wait_for(kv.get("o", "k"), 2) == 1
            assert await asyncio.wait_for(other.list("o"), 2) == ("k",)


async def test_a_change_that_is_cancelled_anywhere_is_done_or_not_and_blocks_nobody(
    stores: list[KeyValues],
) -> None:
    kv = stores[0]
    for turns in range(0, 400, 16):
        before = await kv.get("o", "n", 0)
        changing = asyncio.create_task(kv.increment("o", "n"))
        for _ in range(turns):
            await asyncio.sleep(0)
        changing.cancel()
        await asyncio.wait([changing])
        await asyncio.wait_for(stores[1].set("o", "other", turns), 2)
        await asyncio.wait_for(kv.set("o", "other", turns), 2)
        assert await kv.get("o", "n", 0) in (before, before + 1)


async def test_a_change_that_is_cancelled_while_another_writes_blocks_nobody(place: Place) -> None:
    async with AsyncExitStack() as stack:
        stores = [await stack.enter_async_context(place.open_kv(SystemClock())) for _ in range(3)]
        other = await stack.enter_async_context(place.open())
        async with other.writing("kv:o"):
            changes = [change for kv in stores for change in (kv.increment("o", "n"), kv.set("o", "k", 1))]
            waiting = [asyncio.create_task(change) for change in changes]
            assert (await asyncio.wait(waiting, timeout=0.05))[0] == set()
            for task in waiting:
                task.cancel()
        await asyncio.wait_for(asyncio.wait(waiting), 4)
        counts = await asyncio.wait_for(asyncio.gather(*(kv.increment("o", "later") for kv in stores)), 4)
        assert sorted(counts) == [1, 2, 3]


async def test_other_processes_are_counted_too(kv_place: Place) -> None:
    command = [sys.executable, "-c", WRITE, kv_place.url, str(kv_place.data_dir), kv_place.redis or ""]
    starting = [asyncio.create_subprocess_exec(*command, name, stdout=asyncio.subprocess.PIPE) for name in ("a", "b")]
    processes = await asyncio.gather(*starting)
    told = await asyncio.wait_for(asyncio.gather(*(process.communicate() for process in processes)), 60)
    assert [process.returncode for process in processes] == [0, 0]
    async with kv_place.open_kv(SystemClock()) as kv:
        assert await kv.get("o", "n") == 2 * 25 * 2
        assert sum(int(output) for output, _ in told) == 25
        assert (await kv.usage("full")).keys == QUOTA.keys
