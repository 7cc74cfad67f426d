"""Who keeps the event loop is known while it lasts."""

from __future__ import annotations

import asyncio
import threading
import time

import pytest
from structlog.testing import capture_logs

from jackfield.hooks import watchdog
from jackfield.hooks.watchdog import Watchdog, look

from .scene import Asked, Call, answer_with, make_hook, raise_it


class Looking:
    """A hook that looks at the watchdog's note from inside, before and after it waits."""

    def __init__(self) -> None:
        self.seen: list[str | None] = []

    async def check(self, _: object) -> None:
        self.seen.append(look(0.0))
        await asyncio.sleep(0)
        self.seen.append(look(0.0))


async def test_a_hook_is_noted_whenever_it_has_the_loop() -> None:
    looking = Looking()
    with capture_logs() as logs:
        await Asked(make_hook(looking.check, plugin="mine")).ask()
    assert looking.seen == ["mine", "mine"]
    assert {(log["event"], log["plugin"], log["hook"]) for log in logs} == {("event_loop_blocked", "mine", "check")}


async def test_two_exchanges_at_once_are_told_apart() -> None:
    looking = {plugin: Looking() for plugin in "abc"}
    await asyncio.gather(
        *(Asked(make_hook(looking[plugin].check, plugin=plugin)).ask() for plugin in looking for _ in range(3))
    )
    assert {plugin: set(found.seen) for plugin, found in looking.items()} == {"a": {"a"}, "b": {"b"}, "c": {"c"}}


async def test_a_hook_that_waits_does_not_have_the_loop() -> None:
    entered, release = asyncio.Event(), asyncio.Event()

    async def wait(_: object) -> None:
        entered.set()
        await release.wait()

    task = asyncio.create_task(Asked(make_hook(wait)).ask())
    async with asyncio.timeout(5):
        await entered.wait()
        assert look(0.0) is None
        release.set()
        await task


@pytest.mark.parametrize("call", [answer_with(None), raise_it(ValueError()), raise_it(SystemExit())])
async def test_nobody_is_noted_after_a_hook_has_ended(call: Call) -> None:
    await Asked(make_hook(call)).ask()
    assert watchdog.running is None
    assert look(0.0) is None


async def test_nobody_is_reported_before_the_patience_is_over() -> None:
    async def check(_: object) -> None:
        assert look(10.0) is None

    asked = Asked(make_hook(check))
    await asked.ask()
    assert asked.outcome == "passed"


async def test_the_report_comes_while_the_loop_is_kept() -> None:
    reported = threading.Event()

    async def block(_: object) -> None:
        """Keeps the loop until the report has come; ends by itself if none does."""
        end = time.monotonic() + 5
        while not reported.is_set() and time.monotonic() < end:
            if any(log["event"] == "event_loop_blocked" for log in list(logs)):
                reported.set()

    dog = Watchdog(patience_s=0.02)
    with capture_logs() as logs:
        dog.start()
        await Asked(make_hook(block, plugin="mine")).ask()
        dog.stop()
    assert reported.is_set()
    assert logs[0]["plugin"] == "mine"
    assert logs[0]["seconds"] >= 0


async def test_a_watchdog_that_was_never_started_can_be_stopped() -> None:
    dog = Watchdog()
    dog.stop()
    assert look(0.0) is None
