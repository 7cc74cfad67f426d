"""What several workers count, together."""

from __future__ import annotations

import pytest

from jackfield.clock import SystemClock
from jackfield.control.board import WorkerBoard
from jackfield.errors import Unavailable
from jackfield.stores.database import Database
from jackfield.stores.workers import Workers
from jackfield.telemetry.metrics import Counter, Metrics, Snapshot, merge


class Worker:
    def __init__(self, database: Database, number: int, run: str = "run", *, shared: bool = True) -> None:
        metrics = Metrics()
        self.requests: Counter = metrics.counter("requests", "Requests")
        self.busy = metrics.gauge("busy", "Under way")
        self.board = WorkerBoard(Workers(database), run, number, metrics, SystemClock(), shared=shared)

    async def counts(self) -> tuple[float, float]:
        """Requests and those under way, of all workers as this one sees them."""
        merged = merge(await self.board.snapshots())
        return total(merged, "requests"), total(merged, "busy")


def total(snapshot: Snapshot, name: str) -> float:
    return sum(series.value for series in snapshot[name].series)


async def test_each_worker_answers_for_all(database: Database) -> None:
    first, second = Worker(database, 0), Worker(database, 1)
    first.requests.add(amount=3)
    second.requests.add(amount=4)
    second.busy.set(1)
    for worker in (first, second):
        await worker.board.publish()
    assert await first.counts() == await second.counts() == (7, 1)
    first.requests.add()
    assert await first.counts() == (8, 1)


async def test_a_successor_counts_on_from_where_its_place_was_left(database: Database) -> None:
    other, former = Worker(database, 0), Worker(database, 1)
    former.requests.add(amount=5)
    former.busy.set(2)
    await former.board.publish()
    successor = Worker(database, 1)
    await successor.board.inherit()
    successor.requests.add()
    await successor.board.publish()
    assert await other.counts() == await successor.counts() == (6, 0)


async def test_what_another_run_left_behind_counts_for_nothing(database: Database) -> None:
    stranger = Worker(database, 0, "earlier")
    stranger.requests.add(amount=9)
    await stranger.board.publish()
    worker = Worker(database, 0)
    await worker.board.inherit()
    assert await worker.counts() == (0, 0)


async def test_a_worker_that_ends_takes_its_counts_with_it(database: Database) -> None:
    first, second = Worker(database, 0), Worker(database, 1)
    second.requests.add()
    await second.board.publish()
    await second.board.withdraw()
    assert await first.counts() == (0, 0)


async def test_while_the_store_fails_the_others_count_as_last_read(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = Worker(database, 0), Worker(database, 1)
    second.requests.add(amount=2)
    await second.board.publish()
    assert await first.counts() == (2, 0)

    async def fail(*_: object, **__: object) -> None:
        raise Unavailable("the store failed")

    monkeypatch.setattr(Workers, "all", fail)
    monkeypatch.setattr(Workers, "publish", fail)
    first.requests.add()
    await first.board.publish()
    assert await first.counts() == (3, 0)


async def test_a_worker_alone_writes_nothing(database: Database) -> None:
    alone = Worker(database, 0, shared=False)
    alone.requests.add()
    await alone.board.inherit()
    await alone.board.run()
    assert await alone.counts() == (1, 0)
    assert await Workers(database).all(1e9, now=0) == []


async def test_each_worker_tells_which_generation_it_serves(database: Database) -> None:
    boards = [
        WorkerBoard(
            Workers(database), "run", number, Metrics(), SystemClock(), shared=True, generation=lambda n=number: n
        )
        for number in (3, 4)
    ]
    await boards[1].publish()
    assert await boards[0].generations() == {"run-3": 3, "run-4": 4}


async def test_a_single_worker_speaks_for_itself(database: Database) -> None:
    board = WorkerBoard(Workers(database), "run", 0, Metrics(), SystemClock(), shared=False, generation=lambda: 7)
    assert await board.generations() == {"run-0": 7}


async def test_while_the_store_fails_the_others_are_told_of_as_last_read(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = Worker(database, 0), Worker(database, 1)
    await second.board.publish()
    assert await first.board.generations() == {"run-0": 0, "run-1": 0}

    async def fail(*_: object, **__: object) -> None:
        raise Unavailable("the store fails")

    monkeypatch.setattr(Workers, "all", fail)
    assert await first.board.generations() == {"run-0": 0, "run-1": 0}
