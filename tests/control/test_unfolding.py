"""When the ledger's batches are taken apart."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from structlog.testing import capture_logs

from jackfield.control.recorder import Pace, Recorder
from jackfield.control.records import UsageRecord
from jackfield.control.unfolding import LoopLoad, Unfolder, UnfoldingPace
from jackfield.errors import Unavailable
from jackfield.stores.database import Database
from jackfield.stores.ledger import Ledger


class Journal:
    """In place of a ledger: how much is there, and how it was moved."""

    def __init__(self, waiting: int) -> None:
        self.waiting = waiting
        self.stood_back: list[bool] = []
        self.broken = False

    async def unfold(self, *, stands_back: bool = False) -> int:
        if self.broken:
            raise Unavailable("the store failed")
        self.stood_back.append(stands_back)
        moved = min(self.waiting, 10)
        self.waiting -= moved
        return moved

    async def unfold_all(self) -> None:
        while await self.unfold():
            pass


def unfolder(journal: Any, load: float, pace: UnfoldingPace | None = None) -> Unfolder:
    unfolder = Unfolder(journal, pace or UnfoldingPace(busy=0.5, backlog=100), lambda: load)
    unfolder.note(journal.waiting)
    return unfolder


async def test_a_loop_with_time_leaves_nothing_waiting() -> None:
    journal = Journal(25)
    await unfolder(journal, load=0.4).work()
    assert (journal.waiting, journal.stood_back) == (0, [True] * 4)


async def test_a_busy_loop_keeps_its_time() -> None:
    journal = Journal(90)
    await unfolder(journal, load=0.6).work()
    assert (journal.waiting, journal.stood_back) == (90, [])


async def test_a_busy_loop_lets_only_so_many_wait() -> None:
    journal = Journal(150)
    await unfolder(journal, load=1.0).work()
    assert (90 <= journal.waiting <= 100, set(journal.stood_back)) == (True, {True})


async def test_of_far_too_many_the_first_go_without_standing_back() -> None:
    journal = Journal(220)
    await unfolder(journal, load=1.0).work()
    assert journal.waiting <= 100
    assert journal.stood_back[:2] == [False, False]
    assert journal.stood_back[-1] is True


async def test_a_loop_that_becomes_busy_is_left_alone_at_once() -> None:
    journal, loads = Journal(90), iter([0.1, 0.1, 0.9])
    busier = Unfolder(journal, UnfoldingPace(busy=0.5, backlog=100), lambda: next(loads))  # type: ignore[arg-type]
    busier.note(90)
    await busier.work()
    assert journal.waiting == 70


async def test_nothing_is_asked_of_the_store_where_nothing_was_appended() -> None:
    journal = Journal(0)
    idle = unfolder(journal, load=0.0)
    await idle.work()
    await idle.work()
    assert journal.stood_back == [True]


async def test_what_an_earlier_process_left_is_found() -> None:
    journal = Journal(30)
    await Unfolder(journal, UnfoldingPace(), lambda: 0.0).work()  # type: ignore[arg-type]
    assert journal.waiting == 0


async def test_a_store_that_fails_is_told_of_once_and_tried_again() -> None:
    journal = Journal(5)
    journal.broken = True
    trying = unfolder(journal, load=0.0, pace=UnfoldingPace(every_s=0.001))
    with capture_logs() as logs:
        task = asyncio.create_task(trying.run())
        async with asyncio.timeout(10):
            while not logs:
                await asyncio.sleep(0.005)
            journal.broken = False
            while journal.waiting:
                await asyncio.sleep(0.005)
    task.cancel()
    assert [entry["event"] for entry in logs] == ["usage records wait in the journal"]


async def test_the_load_is_the_share_of_the_time_that_the_thread_computed() -> None:
    load = LoopLoad()
    sum(range(300_000))
    computing = load()
    await asyncio.sleep(0.02)
    assert 0 <= load() < computing <= 1.1


@pytest.mark.parametrize("busy", [0.0, 2.0])
async def test_closing_leaves_nothing_in_the_journal(database: Database, busy: float) -> None:
    async with Recorder(database, Pace(unfolding=UnfoldingPace(busy=busy))) as recorder:
        for number in range(3):
            recorder.add(UsageRecord(f"r{number}", float(number)))
    assert await Ledger(database).unfold() == 0


async def test_a_recorder_takes_apart_what_it_wrote(database: Database) -> None:
    rows = "SELECT id FROM usage"
    pace = Pace(every_s=0.001, unfolding=UnfoldingPace(every_s=0.001, busy=2.0))
    async with Recorder(database, pace) as recorder, asyncio.timeout(10):
        recorder.add(UsageRecord("r1", 1.0))
        while not (found := await database.read_alone(rows)):
            await asyncio.sleep(0.005)
    assert found == [("r1",)]
