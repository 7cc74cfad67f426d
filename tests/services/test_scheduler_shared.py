"""Several gateways on one store: a task's due run happens once, and what one leaves another takes up."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from jackfield.errors import Unavailable
from jackfield.services.scheduler import LEASE_S

from .planning import Runs, gateways
from .virtual import in_virtual_time


@in_virtual_time
async def test_each_due_run_happens_once_among_all(tmp_path: Path) -> None:
    async with gateways(tmp_path) as them:
        runs = Runs(them.clock, lambda: asyncio.sleep(1))
        for _ in range(3):
            await them.plugin().schedule("tidy", "* * * * *", runs)
        await them.pass_by(41 + 9 * 60)
        (listed,) = await them.plugin().list() or await them.opened[0].list()
    assert runs.seconds == [40 + 60 * n for n in range(10)]
    assert (runs.most_under_way, listed.runs) == (1, 10)


@in_virtual_time
async def test_delays_too(tmp_path: Path) -> None:
    async with gateways(tmp_path) as them:
        runs = Runs(them.clock, lambda: asyncio.sleep(2))
        for _ in range(3):
            await them.plugin().schedule("tidy", 10, runs)
            await asyncio.sleep(1)
        await them.pass_by(58)
    assert runs.seconds == [10, 22, 34, 46, 58]
    assert runs.most_under_way == 1


@in_virtual_time
async def test_once_too(tmp_path: Path) -> None:
    async with gateways(tmp_path) as them:
        runs, plugins = Runs(them.clock), [them.plugin() for _ in range(3)]
        for plugin in plugins:
            await plugin.schedule("remind", 10, runs, once=True)
        await them.pass_by(100)
        assert [await plugin.list() for plugin in plugins] == [(), (), ()]
    assert runs.seconds == [10]


@in_virtual_time
async def test_a_task_that_one_cancels_runs_on_none(tmp_path: Path) -> None:
    async with gateways(tmp_path) as them:
        runs, one, other = Runs(them.clock), them.plugin(), them.plugin()
        task = await one.schedule("tidy", 10, runs)
        assert await other.schedule("tidy", 10, runs) == task
        await them.pass_by(5)
        assert await one.cancel(task)
        await them.pass_by(100)
        assert await other.list() == ()
        await one.schedule("tidy", 10, runs)
        await them.pass_by(11)
    assert runs.seconds == [115]


@in_virtual_time
async def test_no_run_overlaps_one_of_the_version_before(tmp_path: Path) -> None:
    async with gateways(tmp_path) as them:
        runs = Runs(them.clock, lambda: asyncio.sleep(30))
        before = them.plugin()
        await before.schedule("tidy", 10, runs)
        await them.pass_by(15)
        before.rest()
        await them.plugin().schedule("tidy", 10, runs)
        await them.pass_by(40)
    assert (runs.seconds, runs.most_under_way) == ([10, 50], 1)


@in_virtual_time
async def test_a_long_run_keeps_its_lease(tmp_path: Path) -> None:
    async with gateways(tmp_path) as them:
        runs = Runs(them.clock, lambda: asyncio.sleep(100))
        for _ in range(2):
            await them.plugin().schedule("tidy", "* * * * *", runs)
        await them.pass_by(200)
    # What became due at 100 is not made up for.
    assert (runs.seconds, runs.most_under_way) == ([40, 160], 1)


@in_virtual_time
async def test_a_holder_that_is_gone_does_not_block_the_next_run(tmp_path: Path) -> None:
    async with gateways(tmp_path) as them:
        runs = Runs(them.clock)
        await them.plugin().schedule("tidy", "* * * * *", runs)
        at = them.clock.wall() + 39.9
        taken = {"holder": "gone", "due": at, "latest": at, "at": at, "until": at + LEASE_S, "since": 0.0}
        assert await them.leases.take("plugin:a", "tidy", **taken) == 0
        await them.pass_by(101)
    assert runs.seconds == [55, 100]


@in_virtual_time
async def test_a_restart_keeps_the_count_and_goes_on_with_the_delay(tmp_path: Path) -> None:
    async with gateways(tmp_path) as them:
        runs, before = Runs(them.clock), them.plugin()
        await before.schedule("tidy", 100, runs)
        await them.pass_by(150)
        await before.aclose()
        after = them.plugin()
        await after.schedule("tidy", 100, runs)
        await them.pass_by(51)
        (listed,) = await after.list()
    assert (runs.seconds, listed.runs) == ([100, 200], 2)


@in_virtual_time
async def test_a_restart_within_the_minute_of_a_run_does_not_repeat_it(tmp_path: Path) -> None:
    async with gateways(tmp_path) as them:
        runs, before = Runs(them.clock), them.plugin()
        await before.schedule("tidy", "14 22 * * *", runs)
        await them.pass_by(41)
        await before.aclose()
        # The clock is set back besides.
        them.clock.began -= 20
        await them.plugin().schedule("tidy", "14 22 * * *", runs)
        await them.pass_by(3600)
    assert runs.seconds == [40]


@in_virtual_time
async def test_without_the_store_nothing_runs_until_it_is_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with gateways(tmp_path) as them:
        runs = Runs(them.clock)
        await them.plugin().schedule("tidy", 10, runs)

        async def fail(*_: Any, **__: Any) -> bool:
            raise Unavailable("the store is gone")

        with monkeypatch.context() as patched, capture_logs() as logs:
            patched.setattr(them.leases, "take", fail, raising=False)
            await them.pass_by(22)
        await them.pass_by(8)
    assert {line["event"] for line in logs} == {"task_not_run"}
    assert runs.seconds == [25]


@in_virtual_time
async def test_where_the_end_of_a_run_cannot_be_kept_the_next_one_comes_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with gateways(tmp_path) as them:
        runs = Runs(them.clock)
        await them.plugin().schedule("tidy", 30, runs)

        async def fail(*_: Any, **__: Any) -> bool:
            raise Unavailable("the store is gone")

        with monkeypatch.context() as patched:
            patched.setattr(them.leases, "release", fail, raising=False)
            await them.pass_by(31)
        await them.pass_by(31)
    assert runs.seconds == [30, 60]


@in_virtual_time
async def test_a_row_that_was_lost_is_made_again(tmp_path: Path) -> None:
    async with gateways(tmp_path) as them:
        runs = Runs(them.clock)
        await them.plugin().schedule("tidy", 10, runs)
        await them.leases.forget("plugin:a")
        await them.pass_by(20)
    assert runs.seconds == [15]


@in_virtual_time
async def test_a_pause_after_failures_is_kept_by_all(tmp_path: Path) -> None:
    async def fail() -> None:
        raise ValueError("no tidying today")

    async with gateways(tmp_path) as them:
        runs = Runs(them.clock, fail)
        for _ in range(3):
            await them.plugin().schedule("tidy", 40, runs)
        await them.pass_by(600)
    assert runs.seconds == [40, 120, 280, 580]
