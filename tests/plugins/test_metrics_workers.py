"""The numbers of `metrics` over several workers: no sum ever falls, and none is counted twice."""

from __future__ import annotations

from typing import Any

import pytest

from jackfield.plugins.metrics import sheet
from jackfield.plugins.metrics.sheet import EDGES, OTHER, Sheet, read_stored
from jackfield.plugins.metrics.workers import GONE_AFTER_S, WORKER, Workers
from jackfield.sdk.services import KeyValue
from jackfield.services.allowance import Allowance
from jackfield.services.kv import PluginStorage
from jackfield.testing.memory import HandClock, MemoryStore

NAME = "jackfield_app_requests"
SECONDS = "jackfield_upstream_seconds"


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def kv(clock: HandClock) -> KeyValue:
    granted = Allowance.of("metrics", frozenset({"storage:read", "storage:write"}), clock)
    return PluginStorage(granted, MemoryStore(clock))


class Worker:
    def __init__(self, kv: KeyValue, clock: HandClock) -> None:
        self.sheet = Sheet(10)
        self.workers = Workers(kv, self.sheet, lambda: Sheet(10), clock.wall)

    def count(self, times: int) -> None:
        self.sheet.count(NAME, ("app", 200), times)

    async def total(self) -> float:
        return value_of(await self.workers.total())


def value_of(whole: Sheet) -> float:
    return sum(series.value for series in read_stored(whole.store())[NAME])


async def test_each_worker_answers_for_all(kv: KeyValue, clock: HandClock) -> None:
    first, second = Worker(kv, clock), Worker(kv, clock)
    first.count(2)
    assert (await first.total(), await second.total()) == (2, 2)
    second.count(3)
    assert await first.total() == 2, "it has not been told of yet"
    assert (await second.total(), await first.total()) == (5, 5)


async def test_what_a_worker_counted_stays_when_it_leaves(kv: KeyValue, clock: HandClock) -> None:
    first, second = Worker(kv, clock), Worker(kv, clock)
    first.count(2)
    second.count(3)
    await first.workers.publish()
    first.count(1)
    await first.workers.leave()
    assert await second.total() == 6
    assert await kv.list(WORKER) == (second.workers.key,)


async def test_one_that_could_not_say_that_it_leaves_is_counted_once(kv: KeyValue, clock: HandClock) -> None:
    lost, first, second = Worker(kv, clock), Worker(kv, clock), Worker(kv, clock)
    lost.count(4)
    await lost.workers.publish()
    clock.advance(GONE_AFTER_S + 1)
    await first.workers.bury()
    await second.workers.bury()
    assert await first.total() == 4
    assert lost.workers.key not in await kv.list(WORKER)


async def test_one_that_leaves_while_another_adds_up_is_counted_once(kv: KeyValue, clock: HandClock) -> None:
    """Its sheet was read, and then it was added to those that are gone."""
    leaving, adding = Worker(kv, clock), Worker(kv, clock)
    leaving.count(4)
    await leaving.workers.publish()
    await leaving.workers.leave()
    await kv.set(leaving.workers.key, {"at": clock.wall(), "sheet": leaving.sheet.store()})
    assert await adding.total() == 4


async def test_who_has_nothing_new_writes_only_to_show_that_it_is_there(kv: KeyValue, clock: HandClock) -> None:
    worker = Worker(kv, clock)
    await worker.workers.publish()
    written = await kv.get(worker.workers.key)
    clock.advance(10)
    await worker.workers.publish()
    assert await kv.get(worker.workers.key) == written
    clock.advance(60)
    await worker.workers.publish()
    assert (await kv.get(worker.workers.key))["at"] == clock.wall()


def test_past_so_many_combinations_the_rest_is_counted_together() -> None:
    numbers = Sheet(3)
    for number in range(10):
        numbers.count(NAME, (f"app{number}", 200))
    counted = {series.labels: series.value for series in read_stored(numbers.store())[NAME]}
    assert counted == {("app0", "200"): 1, ("app1", "200"): 1, ("app2", "200"): 1, (OTHER, OTHER): 7}


@pytest.mark.parametrize(
    "stored",
    [
        None,
        "nonsense",
        {NAME: [[["app"], 1]]},
        {NAME: [[["app", "200"], -1]]},
        {"of another version": [[["app"], 1]]},
        {SECONDS: [[["u", "m"], 1, [1, 2]]]},
    ],
)
def test_what_was_stored_by_whomever_is_looked_at_first(stored: Any) -> None:
    numbers = Sheet(3)
    numbers.add(read_stored(stored))
    assert not any(numbers.store().values())


def test_durations_fall_below_the_first_edge_that_is_not_less() -> None:
    numbers = Sheet(3)
    for seconds in (0.0, EDGES[0], 0.3, 1e9):
        numbers.observe(SECONDS, ("u", "m"), seconds)
    text = numbers.render().decode()
    assert 'jackfield_upstream_seconds_bucket{le="0.0001",model="m",upstream="u"} 2.0' in text
    assert 'jackfield_upstream_seconds_bucket{le="0.25",model="m",upstream="u"} 2.0' in text
    assert 'jackfield_upstream_seconds_bucket{le="0.5",model="m",upstream="u"} 3.0' in text
    assert 'jackfield_upstream_seconds_count{model="m",upstream="u"} 4.0' in text
    assert sheet.FAMILIES.keys() == numbers.store().keys()
