"""What workers say of themselves."""

from __future__ import annotations

from jackfield.stores.database import Database
from jackfield.stores.workers import FORGOTTEN_AFTER_S, Workers, WorkerState


async def test_each_worker_is_known_by_what_it_said_last(database: Database) -> None:
    workers = Workers(database)
    await workers.publish("w1", {"requests": 1}, at=10.0)
    await workers.publish("w2", {"requests": 5}, at=11.0)
    await workers.publish("w1", {"requests": 2}, at=12.0)
    assert await workers.all(60, now=12.0) == [
        WorkerState("w1", 12.0, {"requests": 2}),
        WorkerState("w2", 11.0, {"requests": 5}),
    ]


async def test_a_silent_worker_is_left_out_and_then_forgotten(database: Database) -> None:
    workers = Workers(database)
    await workers.publish("w1", {}, at=10.0)
    assert await workers.all(5, now=16.0) == []
    await workers.publish("w2", {}, at=11.0 + FORGOTTEN_AFTER_S)
    assert [state.id for state in await workers.all(1e9, now=1e6)] == ["w2"]


async def test_a_worker_that_leaves_is_gone_at_once(database: Database) -> None:
    workers = Workers(database)
    await workers.publish("w1", {}, at=10.0)
    await workers.withdraw("w1")
    assert await workers.all(60, now=10.0) == []
