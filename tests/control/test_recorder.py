"""Records on their way to the ledger, and what is left of them when something breaks."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from jackfield.control.recorder import Pace, Recorder
from jackfield.control.records import UsageRecord
from jackfield.stores.database import Database
from jackfield.stores.journal import COLUMNS
from jackfield.stores.ledger import Ledger, UsageFilter
from jackfield.stores.sqlite import SqliteBackend
from jackfield.stores.traces import KEPT, Traces

CHILD = """
import asyncio, pathlib, sys, time
from jackfield.control.recorder import Recorder
from jackfield.control.records import UsageRecord
from jackfield.stores.database import Database

async def main():
    database = await Database.open("sqlite", pathlib.Path(sys.argv[1]))
    async with Recorder(database) as recorder:
        for number in range(1_000_000):
            recorder.add(UsageRecord(str(number), time.time()))
            if number == 300:
                print("going", flush=True)
            await asyncio.sleep(0.0005)

asyncio.run(main())
"""


def record(number: int, **more: Any) -> UsageRecord:
    return UsageRecord(f"r{number:05}", float(number), **more)


async def records(database: Database) -> list[dict[str, Any]]:
    return (await Ledger(database).page(UsageFilter(), limit=100_000)).records


async def kept(database: Database) -> list[str]:
    return [found["id"] for found in reversed(await records(database))]


async def eventually(condition: Any) -> None:
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.005)


@contextmanager
def held(database: Database) -> Iterator[None]:
    """Another process writes and does not end."""
    other = sqlite3.connect(database.backend.place, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    try:
        yield
    finally:
        other.execute("ROLLBACK")
        other.close()


@pytest.fixture
async def impatient(tmp_path: Path) -> Any:
    """A store whose writers wait for one another only shortly."""
    database = await Database.over(SqliteBackend(tmp_path / "store.db", busy_s=0.02))
    yield database
    await database.dispose()


def test_a_record_has_the_fields_of_the_ledger_in_their_order() -> None:
    assert UsageRecord.__struct_fields__ == COLUMNS


async def test_a_record_comes_back_as_it_was_added(database: Database) -> None:
    added = record(1, key_id="key_1", stream=True, cost_nanousd=7, total_ms=1.5, error="upstream_timeout")
    recorder = Recorder(database)
    recorder.add(added)
    assert await recorder.flush()
    (found,) = (await Ledger(database).page(UsageFilter())).records
    assert found == msgspec.structs.asdict(added)


async def test_records_leave_by_themselves(database: Database) -> None:
    async with Recorder(database) as recorder:
        recorder.add(record(1))
        assert recorder.depth == 1
        await eventually(lambda: recorder.depth == 0)
        assert await kept(database) == ["r00001"]


@pytest.mark.parametrize("look", ["depth", "flush", "flush_traces", "close"])
async def test_a_source_adds_what_it_holds_before_anybody_looks(database: Database, look: str) -> None:
    recorder = Recorder(database)
    recorder.ask_first(lambda: recorder.add(record(1)))
    match look:
        case "depth":
            assert recorder.depth == 1
        case "flush":
            assert await recorder.flush()
            assert await kept(database) == ["r00001"]
        case "flush_traces":
            await recorder.flush_traces()
            assert len(recorder._records) == 1
        case "close":
            async with recorder:
                pass
            assert await kept(database) == ["r00001"]


async def test_a_full_batch_leaves_at_once(database: Database) -> None:
    async with Recorder(database, Pace(every_s=3600, batch=10)) as recorder:
        recorder.add(record(0))
        await eventually(lambda: recorder.depth == 0)
        for number in range(1, 11):
            recorder.add(record(number))
        await eventually(lambda: recorder.depth == 0)
        assert len(await kept(database)) == 11


async def test_workers_write_to_one_ledger_at_the_same_time(tmp_path: Path) -> None:
    databases = [await Database.open("sqlite", tmp_path) for _ in range(3)]
    recorders = [Recorder(database, Pace(batch=20)) for database in databases]
    for number in range(300):
        recorders[number % 3].add(record(number))
    assert await asyncio.gather(*(recorder.flush() for recorder in recorders)) == [True] * 3
    assert await kept(databases[0]) == [f"r{number:05}" for number in range(300)]
    for database in databases:
        await database.dispose()


async def test_many_records_go_in_several_batches(database: Database) -> None:
    recorder = Recorder(database, Pace(batch=100))
    for number in range(250):
        recorder.add(record(number))
    assert await recorder.flush()
    assert await kept(database) == [f"r{number:05}" for number in range(250)]


async def test_records_wait_for_a_store_that_fails_and_are_kept_once(impatient: Database) -> None:
    async with Recorder(impatient, Pace(every_s=0.001, retry_s=0.001, retry_most_s=0.01)) as recorder:
        with held(impatient):
            for number in range(20):
                recorder.add(record(number))
            await eventually(lambda: recorder.failures >= 3)
            assert recorder.depth == 20
        await eventually(lambda: recorder.depth == 0)
        assert recorder.failures == 0
    assert await kept(impatient) == [f"r{number:05}" for number in range(20)]
    assert recorder.lost == 0


async def test_of_too_many_waiting_records_the_oldest_are_dropped_and_counted(impatient: Database) -> None:
    recorder = Recorder(impatient, Pace(capacity=5))
    with held(impatient):
        recorder.add(record(0))
        assert not await recorder.flush()
        for number in range(1, 8):
            recorder.add(record(number))
        assert not await recorder.flush()
        assert (recorder.depth, recorder.lost) == (5, 3)
    assert await recorder.flush()
    assert await kept(impatient) == ["r00003", "r00004", "r00005", "r00006", "r00007"]


async def test_retries_come_less_and_less_often(database: Database) -> None:
    recorder = Recorder(database, Pace(retry_s=0.1, retry_most_s=5))
    delays = []
    for failures in (1, 2, 3, 7, 5000):
        recorder.failures = failures
        delays.append(recorder._retry_delay())
    assert delays == [0.1, 0.2, 0.4, 5, 5]


async def test_a_record_that_cannot_be_encoded_keeps_no_other_out(database: Database) -> None:
    recorder = Recorder(database)
    recorder.add(record(1))
    recorder.add(record(2, error=object()))
    recorder.add(record(3))
    assert await recorder.flush()
    assert await kept(database) == ["r00001", "r00003"]
    assert (recorder.lost, recorder.depth) == (1, 0)


async def test_a_cancelled_flush_loses_nothing(database: Database) -> None:
    recorder = Recorder(database)
    recorder.add(record(1))
    with held(database):
        flushing = asyncio.create_task(recorder.flush())
        await eventually(lambda: recorder._in_flight == 1)
        flushing.cancel()
        await asyncio.wait([flushing])
        assert flushing.cancelled()
        assert recorder.depth == 1
    assert await recorder.flush()
    assert await kept(database) == ["r00001"]


async def test_closing_writes_what_is_left(database: Database) -> None:
    recorder = Recorder(database, Pace(every_s=3600))
    async with recorder:
        for number in range(3):
            recorder.add(record(number))
        recorder.trace(b'{"n": 1}')
    assert await kept(database) == ["r00000", "r00001", "r00002"]
    assert len(await Traces(database).latest()) == 1
    names = {task.get_name() for task in asyncio.all_tasks() if not task.done()}
    assert not names & {"recorder", "trace recorder", "unfolder"}


async def test_closing_is_bounded_and_counts_what_it_could_not_write(impatient: Database) -> None:
    with held(impatient):
        async with asyncio.timeout(10):
            async with Recorder(impatient, Pace(retry_s=0.01, closing_s=0.1)) as recorder:
                recorder.add(record(1))
                recorder.add(record(2))
    assert (recorder.lost, recorder.depth) == (2, 0)


async def test_only_the_newest_traces_are_made_and_written(database: Database) -> None:
    made = []

    def make(number: int) -> bytes:
        made.append(number)
        return msgspec.json.encode({"n": number})

    async with Recorder(database, Pace(traces_every_s=3600)) as recorder:
        for number in range(KEPT + 50):
            recorder.trace(lambda number=number: make(number))
        await eventually(lambda: made)
    newest = await Traces(database).latest(2)
    assert [msgspec.json.decode(body)["n"] for body in newest] == [KEPT + 49, KEPT + 48]
    assert made == list(range(50, KEPT + 50))


async def test_traces_that_no_other_worker_needs_are_written_when_they_are_asked_for(database: Database) -> None:
    async with Recorder(database, Pace(every_s=0.001, traces_every_s=0), shared=False) as recorder:
        recorder.trace(b'{"n": 1}')
        recorder.add(record(1))
        await eventually(lambda: recorder.depth == 0)
        assert await Traces(database).latest() == []
        await recorder.flush_traces()
        assert len(await Traces(database).latest()) == 1
        recorder.trace(b'{"n": 2}')
    assert len(await Traces(database).latest()) == 2


async def test_a_full_buffer_does_not_hurry_a_store_that_fails(impatient: Database) -> None:
    recorder = Recorder(impatient, Pace(capacity=2, batch=2))
    with held(impatient):
        recorder.add(record(0))
        assert not await recorder.flush()
        for number in range(1, 9):
            recorder.add(record(number))
        assert not recorder._due.is_set()


async def test_a_trace_that_fails_is_left_out(database: Database) -> None:
    async with Recorder(database) as recorder:
        recorder.trace(lambda: 1 // 0)
        recorder.trace(b"{not json")
        recorder.trace(b'{"n": 1}')
        recorder.add(record(1))
    assert [bytes(body) for body in await Traces(database).latest()] == [b'{"n": 1}']
    assert await kept(database) == ["r00001"]


async def seconds_lost_when_killed(folder: Path) -> float:
    """Between the last record that is kept and the kill; nothing before that record may be missing."""
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-c", CHILD, str(folder), stdout=asyncio.subprocess.PIPE
    )
    assert child.stdout is not None
    assert await asyncio.wait_for(child.stdout.readline(), 60) == b"going\n"
    os.kill(child.pid, signal.SIGKILL)
    killed = time.time()
    await child.wait()
    database = await Database.open("sqlite", folder)
    found = sorted((int(row["id"]), row["at"]) for row in await records(database))
    await database.dispose()
    assert [number for number, _ in found] == list(range(len(found)))
    return killed - found[-1][1]


async def test_killing_the_process_loses_at_most_the_last_200_ms(tmp_path: Path) -> None:
    # Of three tries the best: a machine that is busy with other things may stop the child for longer.
    losses = []
    while len(losses) < 3 and min(losses, default=1) >= 0.2:
        losses.append(await seconds_lost_when_killed(tmp_path / str(len(losses))))
    assert min(losses) < 0.2
