"""A plugin that keeps failing is put aside, and let back in when a call of it succeeds."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from jackfield.errors import PluginFailed, PluginQuarantined
from jackfield.hooks.guard import QUARANTINE_AFTER, QUARANTINE_S, PluginGuard

from .scene import SOON_MS, Asked, HandClock, answer_with, make_hook


class Fickle:
    """A hook that fails while `ill`, and counts its calls."""

    def __init__(self) -> None:
        self.ill, self.calls = True, 0

    async def check(self, _: object) -> None:
        self.calls += 1
        if self.ill:
            raise ValueError("ill")


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def plugin() -> Fickle:
    return Fickle()


async def make_ill(asked: Asked) -> None:
    for _ in range(QUARANTINE_AFTER):
        if asked.hook.closed:
            with pytest.raises(PluginFailed):
                await asked.ask()
        else:
            await asked.ask()


async def test_an_open_plugin_in_quarantine_is_not_called_and_not_recorded_as_passed(
    plugin: Fickle, clock: HandClock
) -> None:
    asked = Asked(make_hook(plugin.check, clock=clock))
    await make_ill(asked)
    assert await asked.ask() is None
    assert asked.outcome == "quarantined"
    assert plugin.calls == QUARANTINE_AFTER


async def test_a_closed_plugin_stays_closed_in_quarantine(plugin: Fickle, clock: HandClock) -> None:
    asked = Asked(make_hook(plugin.check, clock=clock, on_failure="closed"))
    await make_ill(asked)
    clock.now += 10
    with pytest.raises(PluginQuarantined) as refusal:
        await asked.ask()
    error = refusal.value
    assert (error.status, error.plugin, error.retry_after_s) == (503, "tested", QUARANTINE_S - 10)
    assert "tested is quarantined" in error.message
    assert plugin.calls == QUARANTINE_AFTER


@pytest.mark.parametrize("on_failure", ["open", "closed"])
async def test_after_a_while_one_call_is_let_through_and_heals_it(
    plugin: Fickle, clock: HandClock, on_failure: Any
) -> None:
    asked = Asked(make_hook(plugin.check, clock=clock, on_failure=on_failure))
    await make_ill(asked)
    clock.now += QUARANTINE_S
    plugin.ill = False
    for _ in range(3):
        assert await asked.ask() is None
    assert asked.hook.guard.breaker.state == "closed"
    assert plugin.calls == QUARANTINE_AFTER + 3


async def test_a_probe_that_fails_makes_it_longer(plugin: Fickle, clock: HandClock) -> None:
    asked = Asked(make_hook(plugin.check, clock=clock, on_failure="closed"))
    await make_ill(asked)
    clock.now += QUARANTINE_S
    with pytest.raises(PluginFailed):
        await asked.ask()
    clock.now += QUARANTINE_S
    with pytest.raises(PluginQuarantined) as refusal:
        await asked.ask()
    assert refusal.value.retry_after_s == QUARANTINE_S


async def test_while_the_probe_is_under_way_nobody_else_is_let_through(clock: HandClock) -> None:
    release, entered = asyncio.Event(), asyncio.Event()
    calls: list[int] = []

    async def probe(_: object) -> None:
        calls.append(1)
        if len(calls) <= QUARANTINE_AFTER:
            raise ValueError("ill")
        entered.set()
        await release.wait()

    hook = make_hook(probe, clock=clock)
    await make_ill(Asked(hook))
    clock.now += QUARANTINE_S
    first, second = Asked(hook), Asked(hook)
    task = asyncio.create_task(first.ask())
    async with asyncio.timeout(5):
        await entered.wait()
        await second.ask()
        release.set()
        await task
    assert (first.outcome, second.outcome) == ("passed", "quarantined")


async def test_a_probe_whose_client_leaves_makes_room_for_another(clock: HandClock) -> None:
    entered = asyncio.Event()
    calls: list[int] = []

    async def probe(_: object) -> None:
        calls.append(1)
        if len(calls) <= QUARANTINE_AFTER:
            raise ValueError("ill")
        if len(calls) == QUARANTINE_AFTER + 1:
            entered.set()
            await asyncio.Event().wait()

    asked = Asked(make_hook(probe, clock=clock))
    await make_ill(asked)
    clock.now += QUARANTINE_S
    task = asyncio.create_task(asked.ask())
    async with asyncio.timeout(5):
        await entered.wait()
        task.cancel("the client is gone")
        await asyncio.wait([task])
    await asked.ask()
    assert asked.outcome == "passed"


async def test_failures_must_come_in_a_row(plugin: Fickle, clock: HandClock) -> None:
    asked = Asked(make_hook(plugin.check, clock=clock))
    for _ in range(3):
        plugin.ill = True
        for _ in range(QUARANTINE_AFTER - 1):
            await asked.ask()
        plugin.ill = False
        await asked.ask()
    assert asked.hook.guard.breaker.state == "closed"


async def test_all_hooks_of_a_plugin_share_its_quarantine(plugin: Fickle, clock: HandClock) -> None:
    guard = PluginGuard("tested", clock)
    await make_ill(Asked(make_hook(plugin.check, guard=guard)))
    other = Asked(make_hook(answer_with(None), "background", guard=guard))
    await other.ask()
    assert other.outcome == "quarantined"


async def test_another_plugin_is_not_touched(plugin: Fickle, clock: HandClock) -> None:
    await make_ill(Asked(make_hook(plugin.check, clock=clock)))
    other = Asked(make_hook(answer_with(None), plugin="other", clock=clock))
    await other.ask()
    assert other.outcome == "passed"


async def test_time_outs_and_nonsense_count_like_errors(clock: HandClock) -> None:
    async def hang(_: object) -> None:
        await asyncio.Event().wait()

    guard = PluginGuard("tested", clock)
    for _ in range(QUARANTINE_AFTER - 1):
        await Asked(make_hook(answer_with("nonsense"), guard=guard)).ask()
    await Asked(make_hook(hang, guard=guard, timeout_ms=SOON_MS)).ask()
    assert guard.breaker.state == "open"


async def test_a_hook_that_works_does_not_hide_one_that_fails(plugin: Fickle, clock: HandClock) -> None:
    guard = PluginGuard("tested", clock)
    plugin.ill = True
    ill = Asked(make_hook(plugin.check, guard=guard))
    well = Asked(make_hook(answer_with(None), "background", name="note", guard=guard))
    for _ in range(QUARANTINE_AFTER):
        await ill.ask()
        await well.ask()
    assert guard.quarantined
    clock.now += QUARANTINE_S
    await well.ask()
    assert not guard.quarantined
    await ill.ask()
    assert guard.quarantined
