"""When the exchange itself is cancelled, as when its client leaves, that passes through every hook."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import pytest

from jackfield.hooks.dispatch import notify
from jackfield.hooks.trace import Trace

from .scene import LONG_MS, SOON_MS, Asked, Call, answer_with, make_exchange, make_hook

WITHIN_S = 5.0
GONE = "the client is gone"


class Waiting:
    """A hook that waits, and what it does when it is cancelled."""

    def __init__(self, then: Call) -> None:
        self.entered = asyncio.Event()
        self.seen: list[str] = []
        self._then = then

    async def hook(self, exchange: object) -> Any:
        self.entered.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.seen.append("cancelled")
            return await self._then(exchange)


async def pass_on(_: object) -> None:
    raise asyncio.CancelledError


async def raise_another(_: object) -> None:
    raise ValueError("instead")


async def wait_again(_: object) -> None:
    while True:
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.Event().wait()


async def clean_up(_: object) -> None:
    await asyncio.sleep(0)
    raise asyncio.CancelledError


async def cancel_while_waiting(asked: Asked, waiting: Waiting) -> asyncio.Task[Any]:
    task = asyncio.create_task(asked.ask())
    async with asyncio.timeout(WITHIN_S):
        await waiting.entered.wait()
        task.cancel(GONE)
        await asyncio.wait([task])
    return task


@pytest.mark.parametrize("on_failure", ["open", "closed"])
@pytest.mark.parametrize("then", [pass_on, answer_with(None), answer_with("nonsense"), raise_another, clean_up])
async def test_a_hook_cannot_swallow_the_cancellation_of_its_exchange(then: Call, on_failure: Any) -> None:
    waiting = Waiting(then)
    asked = Asked(make_hook(waiting.hook, timeout_ms=LONG_MS, on_failure=on_failure))
    task = await cancel_while_waiting(asked, waiting)
    assert task.cancelled()
    assert waiting.seen == ["cancelled"]
    assert asked.outcome == "cancelled"


async def test_one_that_waits_on_is_ended_at_its_deadline() -> None:
    waiting = Waiting(wait_again)
    asked = Asked(make_hook(waiting.hook, timeout_ms=SOON_MS))
    task = await cancel_while_waiting(asked, waiting)
    assert task.cancelled()
    assert asked.outcome == "cancelled"


async def test_a_client_that_leaves_is_no_failure_of_the_plugin() -> None:
    waiting = Waiting(raise_another)
    asked = Asked(make_hook(waiting.hook))
    for _ in range(20):
        waiting.entered.clear()
        await cancel_while_waiting(asked, waiting)
    assert asked.hook.guard.stats.errors == 0
    assert asked.hook.guard.breaker.state == "closed"


async def test_hooks_that_come_later_are_not_called() -> None:
    waiting = Waiting(answer_with(None))
    last = make_hook(answer_with(None), "background", plugin="last")
    first = make_hook(waiting.hook, "background", plugin="first")
    task = asyncio.create_task(notify((first, last), make_exchange(), Trace(0)))
    async with asyncio.timeout(WITHIN_S):
        await waiting.entered.wait()
        task.cancel(GONE)
        await asyncio.wait([task])
    assert task.cancelled()
    assert last.guard.stats.report()["calls"] == 0


async def test_a_cancellation_and_a_deadline_at_once_are_a_cancellation() -> None:
    waiting = Waiting(wait_again)
    asked = Asked(make_hook(waiting.hook, timeout_ms=SOON_MS, on_failure="closed"))
    task = asyncio.create_task(asked.ask())
    async with asyncio.timeout(WITHIN_S):
        await waiting.entered.wait()
        asyncio.get_running_loop().call_later(SOON_MS / 1000, task.cancel, GONE)
        await asyncio.wait([task])
    assert task.cancelled()
    assert task.cancelling() == 1


async def test_a_task_that_is_torn_down_takes_its_hook_with_it() -> None:
    closed: list[str] = []

    async def hook(_: object) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            closed.append("closed")

    asked = Asked(make_hook(hook))
    coroutine = asked.ask()
    coroutine.send(None)
    coroutine.close()
    assert closed == ["closed"]
    assert asked.outcome == "cancelled"
    assert asked.hook.guard.stats.errors == 0


async def test_a_cancellation_without_a_message_passes_where_the_hook_lets_it() -> None:
    waiting = Waiting(clean_up)
    asked = Asked(make_hook(waiting.hook))
    task = asyncio.create_task(asked.ask())
    async with asyncio.timeout(WITHIN_S):
        await waiting.entered.wait()
        task.cancel()
        await asyncio.wait([task])
    assert task.cancelled()


async def test_hooks_that_run_while_their_task_is_being_cancelled_run_as_ever() -> None:
    """As the background hooks of an exchange that the gateway ends because it stops."""
    begun, calls = asyncio.Event(), make_hook(wait_a_little, "background")

    async def exchange() -> None:
        try:
            begun.set()
            await asyncio.Event().wait()
        finally:
            await notify((calls, calls), make_exchange(), trace)

    trace = Trace(0)
    task = asyncio.create_task(exchange())
    async with asyncio.timeout(WITHIN_S):
        await begun.wait()
        task.cancel(GONE)
        await asyncio.wait([task])
    assert task.cancelled()
    assert [call[3] for call in trace.hooks] == ["passed", "passed"]


async def wait_a_little(_: object) -> None:
    await asyncio.sleep(0)
