"""A writer that is killed leaves whole values, and sums that are those of what is there."""

from __future__ import annotations

import asyncio
import contextlib
import sys

from jackfield.clock import SystemClock
from jackfield.stores.kv_base import Amount, KeyValues
from jackfield.stores.values import encode_value

from .conftest import Place

WRITE = """
import asyncio, pathlib, sys
from jackfield.clock import SystemClock
from jackfield.stores.database import Database
from jackfield.stores.key_values import open_key_values
from jackfield.stores.kv_base import Amount

async def main(url, folder, redis):
    database = await Database.open(url, pathlib.Path(folder))
    async with open_key_values(database, redis or None, SystemClock()) as kv:
        for number in range(1_000_000):
            value = {"number": number, "text": "x" * (number * 37 % 5000)}
            await kv.set("o", f"k{number % 40}", value, quota=Amount(keys=50, size=1_000_000))
            await kv.set_many("pairs", {"one": number, "other": number})
            await kv.delete("o", f"k{number * 7 % 40}")
            print(await kv.increment("o", "n"), flush=True)

asyncio.run(main(*sys.argv[1:]))
"""
ROUNDS = 20


async def test_a_killed_writer_leaves_whole_values_and_exact_sums(kv_place: Place) -> None:
    command = [sys.executable, "-c", WRITE, kv_place.url, str(kv_place.data_dir), kv_place.redis or ""]
    writer = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    assert writer.stdout is not None
    told = [await asyncio.wait_for(writer.stdout.readline(), 20) for _ in range(ROUNDS)]
    writer.kill()
    told += (await asyncio.wait_for(writer.stdout.read(), 20)).splitlines(keepends=True)
    counted = int([line for line in told if line.endswith(b"\n")][-1])
    async with kv_place.open_kv(SystemClock()) as kv:
        assert await kv.get("o", "n") in (counted, counted + 1)
        assert await kv.get("pairs", "one") == await kv.get("pairs", "other")
        assert await settled_usage(kv) == await sum_of(kv, "o")
        await kv.set("o", "after", 1, quota=Amount(keys=50, size=1_000_000))


async def sum_of(kv: KeyValues, owner: str) -> Amount:
    values = {key: await kv.get(owner, key) for key in await kv.list(owner)}
    for key, value in values.items():
        assert key == "n" or value["text"] == "x" * (value["number"] * 37 % 5000)
    return Amount(len(values), sum(len(key) + len(encode_value(value)[1]) for key, value in values.items()))


async def settled_usage(kv: KeyValues) -> Amount:
    """What the killed one had sent may still arrive."""
    usage = await kv.usage("o")
    for _ in range(100):
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(asyncio.Event().wait(), 0.02)
        before, usage = usage, await kv.usage("o")
        if before == usage:
            break
    return usage
