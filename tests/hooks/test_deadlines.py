"""A hook has a deadline that it cannot ignore, and everything asyncio offers works inside it."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import time
from typing import Any

import pytest

from jackfield.errors import PluginTimeout
from jackfield.hooks import deadline
from jackfield.sdk import Reject

from .scene import LONG_MS, SOON_MS, Asked, Call, make_hook

WITHIN_S = 5.0


async def hang(*_: object) -> None:
    await asyncio.Event().wait()


async def swallow_once(*_: object) -> None:
    with contextlib.suppress(asyncio.CancelledError):
        await asyncio.Event().wait()
    await asyncio.Event().wait()


async def swallow_for_ever(*_: object) -> None:
    while True:
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.Event().wait()


async def swallow_and_answer(*_: object) -> Reject:
    with contextlib.suppress(asyncio.CancelledError):
        await asyncio.Event().wait()
    return Reject(400, "late", "Too late.")


async def turn_into_another_error(*_: object) -> None:
    try:
        await asyncio.Event().wait()
    except asyncio.CancelledError:
        raise ValueError("not cancelled, not me") from None


async def clean_up_for_ever(*_: object) -> None:
    try:
        await asyncio.Event().wait()
    finally:
        await asyncio.Event().wait()


async def resist_being_closed(*_: object) -> None:
    for _ in range(3):
        with contextlib.suppress(asyncio.CancelledError, GeneratorExit):
            await asyncio.Event().wait()


async def wait_for_a_stubborn_task(*_: object) -> None:
    task = asyncio.create_task(swallow_for_ever())
    stubborn.append(task)
    await task


async def gather_stubborn_tasks(*_: object) -> None:
    tasks = [asyncio.create_task(swallow_for_ever()) for _ in range(2)]
    stubborn.extend(tasks)
    await asyncio.gather(*tasks)


async def group_stubborn_tasks(*_: object) -> None:
    async with asyncio.TaskGroup() as group:
        stubborn.append(group.create_task(swallow_for_ever()))


async def shield_a_task(*_: object) -> None:
    task = asyncio.create_task(hang())
    stubborn.append(task)
    await asyncio.shield(task)


async def spin(*_: object) -> None:
    """Gives the loop back all the time but never ends."""
    while True:
        await asyncio.sleep(0)


stubborn: list[asyncio.Task[Any]] = []


@pytest.fixture(autouse=True)
async def end_stubborn_tasks() -> Any:
    """Ends what hooks have left behind; a task that swallows its cancellation gets another error."""
    yield
    for task in stubborn:
        with contextlib.suppress(RuntimeError, StopIteration):
            task.get_coro().close()  # type: ignore[union-attr]
        task.cancel()
    await asyncio.gather(*stubborn, return_exceptions=True)
    stubborn.clear()


HANGING: list[Call] = [
    hang,
    swallow_once,
    swallow_for_ever,
    swallow_and_answer,
    turn_into_another_error,
    clean_up_for_ever,
    resist_being_closed,
    wait_for_a_stubborn_task,
    gather_stubborn_tasks,
    group_stubborn_tasks,
    shield_a_task,
    spin,
]


async def ask_in_time(asked: Asked) -> Any:
    async with asyncio.timeout(WITHIN_S):
        return await asked.ask()


def assert_untouched(task: asyncio.Task[Any] | None) -> None:
    """The task of the request is as if nothing had happened."""
    assert task is not None
    assert task.cancelling() == 0


@pytest.mark.parametrize("call", HANGING, ids=lambda call: call.__name__)
async def test_an_open_hook_that_hangs_is_left_behind(call: Call) -> None:
    asked = Asked(make_hook(call, timeout_ms=SOON_MS))
    assert await ask_in_time(asked) is None
    assert asked.outcome == "timeout"
    report = asked.hook.guard.stats.report()
    assert (report["errors"], report["timeouts"]) == (1, 1)
    assert report["last_error"] == "check: no answer within 20 ms"
    assert_untouched(asyncio.current_task())
    await asyncio.sleep(0)


@pytest.mark.parametrize("call", HANGING, ids=lambda call: call.__name__)
async def test_a_closed_hook_that_hangs_refuses_the_exchange(call: Call) -> None:
    asked = Asked(make_hook(call, timeout_ms=SOON_MS, on_failure="closed"))
    with pytest.raises(PluginTimeout) as refusal:
        await ask_in_time(asked)
    assert (refusal.value.status, refusal.value.plugin) == (504, "tested")
    assert_untouched(asyncio.current_task())
    await asyncio.sleep(0)


async def test_an_answer_after_the_deadline_counts_for_nothing_though_nothing_was_waited_for() -> None:
    async def block(_: object) -> Reject:
        end = time.perf_counter() + 0.03
        while time.perf_counter() < end:
            pass
        return Reject(400, "late", "Too late.")

    asked = Asked(make_hook(block, timeout_ms=SOON_MS))
    assert await asked.ask() is None
    assert asked.outcome == "timeout"


async def test_time_kept_from_the_loop_after_a_wait_counts_too() -> None:
    async def wait_and_block(_: object) -> Reject:
        await asyncio.sleep(0)
        end = time.perf_counter() + 0.03
        while time.perf_counter() < end:
            pass
        return Reject(400, "late", "Too late.")

    asked = Asked(make_hook(wait_and_block, timeout_ms=SOON_MS))
    assert await asked.ask() is None
    assert asked.outcome == "timeout"


async def test_waiting_long_within_the_deadline_is_no_fault() -> None:
    async def patient(_: object) -> Reject:
        for _ in range(200):
            await asyncio.sleep(0)
        return Reject(400, "done", "Done.")

    asked = Asked(make_hook(patient))
    assert await asked.ask() == Reject(400, "done", "Done.")


async def test_others_who_keep_the_loop_do_not_cost_a_hook_its_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deadline, "LATE_S", 0.02)
    ready = asyncio.Event()

    async def wait(_: object) -> None:
        asyncio.get_running_loop().call_soon(keep_the_loop)
        await ready.wait()

    def keep_the_loop() -> None:
        end = time.perf_counter() + 0.1
        while time.perf_counter() < end:
            pass
        asyncio.get_running_loop().call_soon(asyncio.get_running_loop().call_soon, ready.set)

    asked = Asked(make_hook(wait, timeout_ms=SOON_MS))
    assert await ask_in_time(asked) is None
    assert asked.outcome == "passed"


async def test_a_hook_may_clean_up_after_its_deadline() -> None:
    steps: list[str] = []

    async def tidy(_: object) -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            steps.append("told")
            raise
        finally:
            await asyncio.sleep(0.001)
            steps.append("cleaned up")

    asked = Asked(make_hook(tidy, timeout_ms=SOON_MS))
    assert await ask_in_time(asked) is None
    assert steps == ["told", "cleaned up"]
    assert asked.outcome == "timeout"


async def test_a_hook_that_does_not_end_is_closed_so_that_its_finally_runs() -> None:
    steps: list[str] = []

    async def stubborn_hook(_: object) -> None:
        try:
            await swallow_for_ever()
        finally:
            steps.append("closed")

    asked = Asked(make_hook(stubborn_hook, timeout_ms=SOON_MS))
    await ask_in_time(asked)
    assert steps == ["closed"]


async def test_its_own_timeouts_work_inside_a_hook() -> None:
    async def timed(_: object) -> Reject:
        try:
            async with asyncio.timeout(0.001):
                await asyncio.Event().wait()
        except TimeoutError:
            return Reject(400, "own", "My own time-out.")
        raise AssertionError("the time-out did not come")

    asked = Asked(make_hook(timed, timeout_ms=LONG_MS))
    assert await ask_in_time(asked) == Reject(400, "own", "My own time-out.")
    assert_untouched(asyncio.current_task())


async def test_a_timeout_of_its_own_that_it_lets_out_is_an_error_and_no_missed_deadline() -> None:
    async def timed(_: object) -> None:
        await asyncio.wait_for(asyncio.Event().wait(), 0.001)

    asked = Asked(make_hook(timed))
    assert await ask_in_time(asked) is None
    assert asked.outcome == "failed"
    assert asked.hook.guard.stats.timeouts == 0
    assert_untouched(asyncio.current_task())


async def test_the_deadline_passes_through_a_hooks_own_longer_timeout() -> None:
    async def timed(_: object) -> None:
        async with asyncio.timeout(60):
            await asyncio.Event().wait()

    asked = Asked(make_hook(timed, timeout_ms=SOON_MS))
    assert await ask_in_time(asked) is None
    assert asked.outcome == "timeout"


async def test_task_groups_work_inside_a_hook() -> None:
    async def grouped(_: object) -> Reject:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(asyncio.sleep(0, result=name)) for name in "ab"]
        return Reject(400, "".join(task.result() for task in tasks), "Grouped.")

    asked = Asked(make_hook(grouped))
    assert await ask_in_time(asked) == Reject(400, "ab", "Grouped.")


async def test_a_failing_task_group_is_one_failure_and_ends_its_tasks() -> None:
    ended = asyncio.Event()

    async def sibling() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    async def fail() -> None:
        raise ValueError("one of many")

    async def grouped(_: object) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(sibling())
            group.create_task(fail())

    asked = Asked(make_hook(grouped))
    assert await ask_in_time(asked) is None
    assert asked.outcome == "failed"
    assert "ExceptionGroup" in str(asked.hook.guard.stats.last_error)
    assert ended.is_set()
    assert_untouched(asyncio.current_task())


async def test_a_hook_that_handles_a_failing_task_group_answers() -> None:
    async def fail() -> None:
        raise ValueError("one of many")

    async def grouped(_: object) -> Reject:
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(fail())
        except* ValueError:
            await asyncio.sleep(0)
        return Reject(400, "handled", "Handled.")

    asked = Asked(make_hook(grouped))
    assert await ask_in_time(asked) == Reject(400, "handled", "Handled.")
    assert_untouched(asyncio.current_task())


async def test_the_tasks_of_a_group_end_with_the_hook_at_its_deadline() -> None:
    ended: list[str] = []

    async def child(name: str) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(name)

    async def grouped(_: object) -> None:
        async with asyncio.TaskGroup() as group:
            for name in "ab":
                group.create_task(child(name))

    asked = Asked(make_hook(grouped, timeout_ms=SOON_MS))
    await ask_in_time(asked)
    assert sorted(ended) == ["a", "b"]


async def test_a_task_that_a_hook_waits_for_gives_its_result_and_its_error() -> None:
    async def fail() -> None:
        raise ValueError("from the task")

    async def awaiting(_: object) -> Reject:
        told = await asyncio.create_task(asyncio.sleep(0, result="told"))
        try:
            await asyncio.create_task(fail())
        except ValueError as error:
            return Reject(400, told, str(error))
        raise AssertionError

    asked = Asked(make_hook(awaiting))
    assert await ask_in_time(asked) == Reject(400, "told", "from the task")


async def test_a_task_that_a_hook_starts_and_leaves_goes_on() -> None:
    done = asyncio.Event()

    async def later() -> None:
        await asyncio.sleep(0)
        done.set()

    async def starting(_: object) -> None:
        stubborn.append(asyncio.create_task(later()))

    await Asked(make_hook(starting)).ask()
    async with asyncio.timeout(WITHIN_S):
        await done.wait()


async def test_a_hook_runs_in_the_task_and_context_of_its_exchange() -> None:
    seen: contextvars.ContextVar[str] = contextvars.ContextVar("seen")
    tasks = []

    async def look(_: object) -> None:
        tasks.append(asyncio.current_task())
        await asyncio.sleep(0)
        tasks.append(asyncio.current_task())
        assert seen.get() == "outside"

    seen.set("outside")
    asked = Asked(make_hook(look))
    await asked.ask()
    assert asked.outcome == "passed"
    assert set(tasks) == {asyncio.current_task()}


async def test_threads_work_inside_a_hook() -> None:
    async def threaded(_: object) -> Reject:
        return Reject(400, await asyncio.to_thread(lambda: "threaded"), "Done.")

    assert await ask_in_time(Asked(make_hook(threaded))) == Reject(400, "threaded", "Done.")
