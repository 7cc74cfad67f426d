"""A stranger's coroutine in a task of its own is known of whenever it has the event loop."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine
from typing import Any

import msgspec
import pytest
from structlog.testing import capture_logs

from jackfield.hooks import deadline, watchdog
from jackfield.hooks.deadline import Expired, finish_within
from jackfield.hooks.steps import Steps
from jackfield.hooks.watchdog import BLOCKED_NS, look

from .scene import LONG_MS


class Who(msgspec.Struct, frozen=True):
    plugin: str = "mine"
    name: str = "complete"


async def run(coroutine: Coroutine[Any, Any, Any]) -> Any:
    return await Steps(Who(), coroutine)


def keep_the_loop() -> None:
    end = time.perf_counter_ns() + BLOCKED_NS + 5_000_000
    while time.perf_counter_ns() < end:
        pass


async def test_it_is_noted_before_and_after_it_waits_and_not_meanwhile() -> None:
    entered, release = asyncio.Event(), asyncio.Event()

    async def work() -> list[str | None]:
        seen = [look(0.0)]
        entered.set()
        await release.wait()
        return [*seen, look(0.0)]

    with capture_logs() as logs:
        task = asyncio.create_task(run(work()))
        async with asyncio.timeout(5):
            await entered.wait()
            assert look(0.0) is None
            release.set()
            assert await task == ["mine", "mine"]
    assert {(log["event"], log["hook"]) for log in logs} == {("event_loop_blocked", "complete")}
    assert watchdog.running is None


@pytest.mark.parametrize("problem", [ValueError, SystemError, KeyboardInterrupt])
async def test_what_it_raises_is_raised_and_nobody_is_noted_after(problem: type[BaseException]) -> None:
    async def fail() -> None:
        await asyncio.sleep(0)
        raise problem("no")

    with pytest.raises(problem, match="no"):
        await Steps(Who(), fail())
    assert watchdog.running is None


async def test_a_cancellation_reaches_it() -> None:
    entered, told = asyncio.Event(), []

    async def wait() -> None:
        try:
            entered.set()
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            told.append(look(0.0))
            raise

    task = asyncio.create_task(run(wait()))
    async with asyncio.timeout(5):
        await entered.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert told == ["mine"]
    assert task.cancelled()


async def test_it_may_swallow_its_cancellation() -> None:
    entered = asyncio.Event()

    async def stay() -> str:
        entered.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            await asyncio.sleep(0)
        return "stayed"

    task = asyncio.create_task(run(stay()))
    async with asyncio.timeout(5):
        await entered.wait()
        task.cancel()
        assert await task == "stayed"


async def test_it_is_closed_with_its_task() -> None:
    closed: list[str] = []

    async def wait() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            closed.append("closed")

    outer = run(wait())
    outer.send(None)
    outer.close()
    assert closed == ["closed"]
    assert watchdog.running is None


async def test_its_longest_stay_is_known() -> None:
    async def work() -> None:
        await asyncio.sleep(0)
        keep_the_loop()
        await asyncio.sleep(0)

    steps = Steps(Who(), work())
    await steps
    assert steps.longest_ns > BLOCKED_NS


async def at_once() -> None:
    keep_the_loop()


async def after_a_wait() -> None:
    await asyncio.sleep(0)
    keep_the_loop()


async def and_fails() -> None:
    keep_the_loop()
    raise ValueError("no")


async def and_waits_for_ever() -> None:
    keep_the_loop()
    await asyncio.Event().wait()


@pytest.mark.parametrize(
    ("work", "seconds", "error"),
    [
        (at_once, LONG_MS, None),
        (after_a_wait, LONG_MS, None),
        (and_fails, LONG_MS, ValueError),
        (and_waits_for_ever, 0.06, Expired),
    ],
)
async def test_a_step_of_a_life_that_kept_the_loop_is_reported(work: Any, seconds: float, error: Any) -> None:
    with capture_logs() as logs:
        if error is None:
            await finish_within(Who(name="on_load"), work(), seconds)
        else:
            with pytest.raises(error):
                await finish_within(Who(name="on_load"), work(), seconds)
    (report,) = logs
    assert (report["event"], report["plugin"], report["hook"]) == ("hook_blocked_loop", "mine", "on_load")
    assert report["seconds"] >= BLOCKED_NS / 1e9


async def test_one_that_only_waits_is_not_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0]
    monkeypatch.setattr(deadline, "perf_counter_ns", lambda: now[0])

    async def wait() -> str:
        asyncio.get_running_loop().call_soon(now.__setitem__, 0, 10 * BLOCKED_NS)
        await asyncio.sleep(0)
        return "done"

    with capture_logs() as logs:
        assert await finish_within(Who(), wait(), 5) == "done"
    assert logs == []
