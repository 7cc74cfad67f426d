"""The last exchanges, over all workers."""

from __future__ import annotations

import msgspec

from jackfield.stores.database import Database
from jackfield.stores.traces import KEPT, Traces


def bodies(*numbers: int) -> list[bytes]:
    return [msgspec.json.encode({"n": number, "text": 'ü "quoted"'}) for number in numbers]


async def numbers(traces: Traces, **more: int) -> list[int]:
    return [msgspec.json.decode(body)["n"] for body in await traces.latest(**more)]


async def test_traces_come_back_newest_first_as_they_were_written(database: Database) -> None:
    traces = Traces(database)
    await traces.append(bodies(1, 2))
    await traces.append(bodies(3))
    assert await numbers(traces) == [3, 2, 1]
    assert bytes((await traces.latest(1))[0]) == bodies(3)[0]


async def test_only_the_last_are_kept(database: Database) -> None:
    traces, others = Traces(database), Traces(database)
    await traces.append(bodies(*range(KEPT + 30)))
    assert await numbers(traces) == list(range(KEPT + 29, 29, -1))
    await others.append(bodies(1000, 1001))
    assert await numbers(traces, limit=3) == [1001, 1000, KEPT + 29]
    assert len(await traces.latest(10 * KEPT)) == KEPT
