"""A thread with a connection of its own."""

from __future__ import annotations

import os
import sqlite3
import sys
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from jackfield.stores.lane import SqliteLane


class Connections:
    """Makes connections, and notes which thread it is asked in, and at what priority."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.threads: list[threading.Thread] = []
        self.priorities: list[int] = []

    def __call__(self) -> sqlite3.Connection:
        self.threads.append(threading.current_thread())
        self.priorities.append(os.getpriority(os.PRIO_PROCESS, 0))
        return sqlite3.connect(self.path, isolation_level=None)


@pytest.fixture
def connections(tmp_path: Path) -> Connections:
    return Connections(tmp_path / "store.db")


@pytest.fixture
async def lane(connections: Connections) -> AsyncIterator[SqliteLane]:
    lane = SqliteLane(connections)
    await lane.run(("CREATE TABLE t (n)", ()))
    yield lane
    await lane.aclose()


async def test_all_runs_in_one_thread_that_is_not_the_loop_s(lane: SqliteLane, connections: Connections) -> None:
    await lane.run(("INSERT INTO t VALUES (?)", (1,)))
    assert await lane.run(("SELECT n FROM t", ())) == [(1,)]
    (thread,) = connections.threads
    assert thread is not threading.current_thread()


async def test_several_statements_happen_together_or_not_at_all(lane: SqliteLane) -> None:
    insert = "INSERT INTO t VALUES (?)"
    assert await lane.run((insert, (1,)), (insert + " RETURNING n", (2,))) == [(2,)]
    with pytest.raises(sqlite3.OperationalError, match="no such table: nowhere"):
        await lane.run((insert, (3,)), ("INSERT INTO nowhere VALUES (1)", ()))
    assert await lane.run(("SELECT n FROM t", ())) == [(1,), (2,)]


async def test_closing_is_done_when_it_returns_and_a_later_use_opens_anew(
    lane: SqliteLane, connections: Connections
) -> None:
    await lane.aclose()
    await lane.aclose()
    assert not connections.threads[0].is_alive()
    assert await lane.run(("SELECT count(*) FROM t", ())) == [(0,)]
    assert len(connections.threads) == 2


@pytest.mark.parametrize("niceness", [0, 5])
async def test_only_its_own_thread_stands_back(connections: Connections, niceness: int) -> None:
    here = os.getpriority(os.PRIO_PROCESS, 0)
    lane = SqliteLane(connections, niceness)
    await lane.run(("SELECT 1", ()))
    await lane.aclose()
    expected = max(here, niceness) if sys.platform == "linux" else here
    assert (connections.priorities, os.getpriority(os.PRIO_PROCESS, 0)) == ([expected], here)
