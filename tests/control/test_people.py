"""Who uses the gateway, and since when."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from jackfield.control import people as module
from jackfield.control.directory import Directory
from jackfield.control.objects import ControlObjects
from jackfield.control.people import BODIES, USER, People, Person
from jackfield.errors import Unavailable
from jackfield.stores.database import Database
from jackfield.stores.kv import KeyValueStore
from jackfield.stores.objects import StoredObject

from .conftest import SECRET, SetClock


@pytest.fixture
def kept(database: Database, clock: SetClock) -> KeyValueStore:
    return KeyValueStore(database, clock)


class Failing:
    """A store that is down until it is `up`."""

    def __init__(self, kept: KeyValueStore) -> None:
        self._kept, self.up, self.asked = kept, asyncio.Event(), 0

    async def get(self, owner: str, key: str, default: Any = None) -> Any:
        self.asked += 1
        if not self.up.is_set():
            raise Unavailable("the store is down")
        return await self._kept.get(owner, key, default)

    async def compare_and_set(self, owner: str, key: str, expected: Any, value: Any) -> bool:
        return await self._kept.compare_and_set(owner, key, expected, value)


async def test_who_never_called_is_nobody(kept: KeyValueStore, clock: SetClock) -> None:
    people = People(kept, clock)
    assert await people.find("alice") is None
    assert people.described("alice") is None


async def test_who_calls_is_known_since_the_first_time(kept: KeyValueStore, clock: SetClock) -> None:
    people = People(kept, clock)
    people.note("shop/alice")
    clock.now += 60
    people.note("shop/alice")
    assert await people.find("shop/alice") == Person(id="shop/alice", created_at=1000.0)
    assert await people.find("alice") is None


async def test_it_survives_a_restart(kept: KeyValueStore, clock: SetClock) -> None:
    async with People(kept, clock) as people:
        people.note("alice")
    clock.now = 9000.0
    async with People(kept, clock) as people:
        people.note("alice")
        assert await people.find("alice") == Person(id="alice", created_at=1000.0)
    assert await People(kept, clock).find("alice") == Person(id="alice", created_at=1000.0)


async def test_it_is_written_in_the_background(kept: KeyValueStore, clock: SetClock) -> None:
    async with People(kept, clock) as people, asyncio.timeout(5):
        people.note("alice")
        while await kept.get("people", "alice") is None:
            await asyncio.sleep(0)


async def test_of_several_workers_the_earliest_stays(kept: KeyValueStore, clock: SetClock) -> None:
    early, late = People(kept, clock), People(kept, clock)
    early.note("alice")
    clock.now = 2000.0
    late.note("alice")
    async with early:
        pass
    async with late:
        pass
    assert await late.find("alice") == Person(id="alice", created_at=1000.0)


async def test_nobody_is_lost_while_the_store_is_down(kept: KeyValueStore, clock: SetClock) -> None:
    failing = Failing(kept)
    with capture_logs() as logs:
        async with People(failing, clock, retry_s=0.001) as people, asyncio.timeout(5):
            people.note("alice")
            people.note("bob")
            while failing.asked < 3:
                await asyncio.sleep(0.001)
            failing.up.set()
            while await kept.get("people", "bob") is None:
                await asyncio.sleep(0.001)
    assert await kept.get("people", "alice") == 1000.0
    assert logs[0]["waiting"] == 2


async def test_a_store_that_stays_down_does_not_keep_the_gateway(
    kept: KeyValueStore, clock: SetClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "FLUSH_S", 0.01)

    class Hanging(Failing):
        async def get(self, owner: str, key: str, default: Any = None) -> Any:
            await asyncio.Event().wait()

    async with asyncio.timeout(5), People(Hanging(kept), clock) as people:
        people.note("alice")
    assert "people" not in {task.get_name() for task in asyncio.all_tasks()}


@pytest.mark.parametrize("user", ["", "\ud800", "x" * 10_000, "ü" * 400])
async def test_what_no_store_can_hold_harms_nobody(kept: KeyValueStore, clock: SetClock, user: str) -> None:
    async with People(kept, clock) as people:
        people.note(user)
        people.note("alice")
        await people.find(user)
    assert await kept.get("people", "alice") == 1000.0


async def test_memory_is_bounded(clock: SetClock, kept: KeyValueStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_NOTED", 10)
    people = People(kept, clock)
    for number in range(50):
        people.note(f"user{number}")
    assert (len(people._noted), len(people._waiting)) == (10, 10)
    async with people:
        pass
    for number in range(50):
        people.note(f"user{number}")
        assert len(people._noted) <= 10


async def test_whom_the_operator_describes_is_known_by_that(
    database: Database, kept: KeyValueStore, clock: SetClock
) -> None:
    objects, people = ControlObjects(database, clock, BODIES), People(kept, clock)
    directory = Directory(database, SECRET, clock, followers=(people,))
    people.note("alice")
    clock.now = 2000.0
    body = {"name": "Alice", "preferences": {"language": "en"}}
    await objects.put(USER, "alice", body, actor="test")
    await directory.refresh()
    described = Person(id="alice", created_at=2000.0, name="Alice", preferences={"language": "en"})
    assert people.described("alice") == described == await people.find("alice")
    await objects.delete(USER, "alice", actor="test")
    await directory.refresh()
    assert people.described("alice") is None
    assert await people.find("alice") == Person(id="alice", created_at=1000.0)


async def test_a_user_that_is_not_understood_is_left_out(kept: KeyValueStore, clock: SetClock) -> None:
    people = People(kept, clock)
    people.take(StoredObject(USER, "alice", "default", 1, {"future": 1}, 0.0, 0.0, False))
    assert people.described("alice") is None


async def test_an_object_written_elsewhere_is_followed(
    database: Database, kept: KeyValueStore, clock: SetClock, tmp_path: Path
) -> None:
    people = People(kept, clock)
    elsewhere = await Database.open("sqlite", tmp_path / "data")
    async with Directory(database, SECRET, clock, followers=(people,), poll_s=0.005), asyncio.timeout(5):
        await ControlObjects(elsewhere, clock, BODIES).put(USER, "alice", {}, actor="test")
        while people.described("alice") is None:
            await asyncio.sleep(0.005)
    await elsewhere.dispose()
