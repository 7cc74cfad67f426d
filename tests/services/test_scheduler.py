"""A plugin's scheduled tasks: when they run, what ends them, and what is told of them."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from jackfield.sdk.caller import Caller, acting_for, current_caller
from jackfield.sdk.services import NotGranted
from jackfield.services.scheduler import MOST_TASKS, RUN_S

from .planning import Runs, gateways
from .virtual import BEGAN, in_virtual_time


@in_virtual_time
async def test_a_delay_counts_from_the_end_of_the_last_run(tmp_path: Path) -> None:
    async with gateways(tmp_path) as them:
        runs = Runs(them.clock, lambda: asyncio.sleep(5))
        await them.plugin().schedule("tidy", 10, runs)
        await them.pass_by(47)
    assert runs.seconds == [10, 25, 40]


@in_virtual_time
async def test_cron_runs_at_its_times(tmp_path: Path) -> None:
    async with gateways(tmp_path) as them:
        runs = Runs(them.clock)
        # It is 22:13:20.
        await them.plugin().schedule("tidy", "*/5 * * * *", runs)
        await them.pass_by(700)
    assert runs.seconds == [100, 400, 700]


@in_virtual_time
async def test_once_is_once(tmp_path: Path) -> None:
    async with gateways(tmp_path) as them:
        runs, plugin = Runs(them.clock), them.plugin()
        await plugin.schedule("remind", 10, runs, once=True)
        await them.pass_by(100)
        assert await plugin.list() == ()
        await plugin.schedule("remind", 10, runs, once=True)
        await them.pass_by(100)
    assert runs.seconds == [10, 110]


@in_virtual_time
async def test_to_schedule_a_name_again_replaces_it(tmp_path: Path) -> None:
    async with gateways(tmp_path) as them:
        former, runs, plugin = Runs(them.clock), Runs(them.clock), them.plugin()
        first = await plugin.schedule("tidy", 10, former)
        await them.pass_by(15)
        assert await plugin.schedule("tidy", 20, runs) == first
        await them.pass_by(30)
        (listed,) = await plugin.list()
    assert (former.seconds, runs.seconds, listed.schedule) == ([10], [35], 20)


@in_virtual_time
async def test_cancelling_ends_it_and_what_is_under_way_ends_by_itself(tmp_path: Path) -> None:
    async with gateways(tmp_path) as them:
        runs, plugin = Runs(them.clock, lambda: asyncio.sleep(5)), them.plugin()
        task = await plugin.schedule("tidy", 10, runs)
        await them.pass_by(12)
        assert await plugin.cancel(task)
        assert not await plugin.cancel(task)
        assert not await plugin.cancel("task_nobody")
        await them.pass_by(50)
        assert await plugin.list() == ()
    assert (runs.seconds, runs.under_way) == ([10], 0)


@in_virtual_time
async def test_nothing_runs_before_open_nor_after_rest(tmp_path: Path) -> None:
    async with gateways(tmp_path) as them:
        runs, plugin = Runs(them.clock), them.plugin(is_open=False)
        await plugin.schedule("tidy", 10, runs)
        await them.pass_by(5)
        plugin.open()
        await them.pass_by(30)
        plugin.rest()
        await them.pass_by(100)
    assert runs.seconds == [10, 20, 30]


@in_virtual_time
async def test_what_was_due_while_it_rested_is_not_made_up_for(tmp_path: Path) -> None:
    async with gateways(tmp_path) as them:
        runs, cron, plugin = Runs(them.clock), Runs(them.clock), them.plugin()
        await plugin.schedule("tidy", 30, runs)
        await plugin.schedule("hourly", "0 * * * *", cron)
        await them.pass_by(10)
        plugin.rest()
        await them.pass_by(3590)
        plugin.open()
        await them.pass_by(35)
    assert (runs.seconds, cron.seconds) == ([3630], [])


@in_virtual_time
async def test_what_fails_is_counted_told_and_runs_again(tmp_path: Path) -> None:
    async def fail() -> None:
        raise ValueError("no tidying today")

    async def leave() -> None:
        raise SystemExit(3)

    async def interrupt() -> None:
        raise KeyboardInterrupt

    async def exit_generator() -> None:
        raise GeneratorExit

    async with gateways(tmp_path) as them:
        heard, plugin = them.hear("scheduler:task_executed"), them.plugin()
        task = await plugin.schedule("tidy", 10, Runs(them.clock, fail))
        await plugin.schedule("leave", 15, Runs(them.clock, leave))
        await plugin.schedule("interrupt", 16, Runs(them.clock, interrupt))
        await plugin.schedule("exit", 9, Runs(them.clock, exit_generator))
        await them.pass_by(31)
        listed = {one.name: one for one in await plugin.list()}
        await them.scene.settle()
    assert listed["tidy"].last_error == "ValueError: no tidying today"
    assert listed["leave"].last_error == "SystemExit: 3"
    assert (listed["exit"].runs, listed["exit"].last_error) == (2, "OwnExit: GeneratorExit")
    assert (them.stats["a"].errors, listed["tidy"].runs) == (6, 2)
    first = next(one for one in heard.data if one["name"] == "tidy")
    assert first.pop("durationMs") >= 0
    assert first == {"taskId": task, "name": "tidy", "pluginId": "a", "success": False}
    assert [one["name"] for one in heard.data] == ["exit", "tidy", "leave", "interrupt", "exit", "tidy"]


@in_virtual_time
async def test_what_fails_in_a_row_is_tried_less_and_less_often(tmp_path: Path) -> None:
    broken = True

    async def tidy() -> None:
        if broken:
            raise ValueError("no tidying today")

    async with gateways(tmp_path) as them:
        runs, cron = Runs(them.clock, tidy), Runs(them.clock, tidy)
        plugin = them.plugin()
        await plugin.schedule("tidy", 40, runs)
        await plugin.schedule("by the clock", "* * * * *", cron)
        await them.pass_by(1060)
        assert runs.seconds == [40, 120, 280, 580, 880]
        (listed,) = [one for one in await plugin.list() if one.name == "tidy"]
        assert listed.next_run is not None
        assert round(listed.next_run.timestamp()) == BEGAN + 1180
        broken = False
        await them.pass_by(210)
    assert runs.seconds[5:] == [1180, 1220, 1260]
    assert [second % 60 for second in cron.seconds[:3]] == [cron.seconds[0] % 60] * 3


@in_virtual_time
async def test_a_run_has_five_minutes(tmp_path: Path) -> None:
    async with gateways(tmp_path) as them:
        runs, plugin = Runs(them.clock, asyncio.Event().wait), them.plugin()
        await plugin.schedule("stuck", 200, runs)
        await them.pass_by(200 + RUN_S + 305)
        (listed,) = await plugin.list()
    assert runs.seconds == [200, 800]
    assert them.stats["a"].timeouts == 1
    assert listed.runs == 2


@in_virtual_time
async def test_a_list_tells_when_it_ran_and_will_run(tmp_path: Path) -> None:
    def moment(seconds: float) -> datetime:
        return datetime.fromtimestamp(BEGAN + seconds, UTC)

    async with gateways(tmp_path) as them:
        plugin = them.plugin()
        await plugin.schedule("tidy", "15 22 * * *", Runs(them.clock), timezone="UTC")
        (before,) = await plugin.list()
        await them.pass_by(101)
        (after,) = await plugin.list()
    assert (before.last_run, before.runs, before.next_run) == (None, 0, moment(100))
    assert after.last_run is not None
    assert after.last_run.replace(microsecond=0) == moment(100)
    assert (after.runs, after.next_run, after.last_error) == (1, moment(100 + 86_400), None)


@in_virtual_time
async def test_it_runs_on_nobodys_behalf_whoever_scheduled_it(tmp_path: Path) -> None:
    callers: list[Any] = []

    async def look() -> None:
        callers.append(current_caller())

    async with gateways(tmp_path) as them:
        plugin = them.plugin()
        with acting_for(Caller(user="alice")):
            await plugin.schedule("tidy", 10, look)
        await them.pass_by(21)
    assert callers == [None, None]


@in_virtual_time
async def test_to_close_ends_what_is_under_way_and_frees_its_lease(tmp_path: Path) -> None:
    async with gateways(tmp_path) as them:
        runs, plugin = Runs(them.clock, asyncio.Event().wait), them.plugin()
        await plugin.schedule("stuck", 10, runs)
        await them.pass_by(11)
        began = them.clock.monotonic()
        await plugin.aclose()
        assert them.clock.monotonic() - began < 2
        lease = await them.leases.find("plugin:a", "stuck")
    assert (lease.holder, lease.last_error) == ("", "it was stopped with its plugin")
    assert runs.under_way == 0


@in_virtual_time
async def test_each_permission_is_asked_for(tmp_path: Path) -> None:
    async with gateways(tmp_path) as them:
        reader = them.plugin("reader", frozenset({"scheduler:read"}))
        writer = them.plugin("writer", frozenset({"scheduler:write"}))
        with pytest.raises(NotGranted, match="scheduler:write"):
            await reader.schedule("tidy", 10, Runs(them.clock))
        with pytest.raises(NotGranted, match="scheduler:write"):
            await reader.cancel("task")
        with pytest.raises(NotGranted, match="scheduler:read"):
            await writer.list()


@in_virtual_time
async def test_what_is_wrong_is_refused_and_changes_nothing(tmp_path: Path) -> None:
    async with gateways(tmp_path) as them:
        plugin = them.plugin()
        handler = Runs(them.clock)
        for name, when, given in (("", 10, handler), ("x" * 201, 10, handler), ("a", 0.1, handler), ("a", 10, None)):
            with pytest.raises(ValueError, match=r"task|when"):
                await plugin.schedule(name, when, given)  # type: ignore[arg-type]
        assert await plugin.list() == ()


@in_virtual_time
async def test_a_plugin_has_at_most_a_hundred_tasks(tmp_path: Path) -> None:
    async with gateways(tmp_path) as them:
        plugin = them.plugin()
        for n in range(MOST_TASKS):
            if n % 90 == 89:
                await asyncio.sleep(60)
            await plugin.schedule(f"task {n}", 10_000, Runs(them.clock))
        with pytest.raises(ValueError, match="100 scheduled tasks"):
            await plugin.schedule("one more", 10, Runs(them.clock))
        await plugin.schedule("task 7", 20_000, Runs(them.clock))
