"""`tool:before_execute`: who was granted it may refuse a call; whoever fails to answer does not."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from jackfield.hooks.guard import PluginStats
from jackfield.sdk.caller import Caller, current_caller
from jackfield.sdk.events import Event, ToolRefusal
from jackfield.sdk.tools import ToolSpec
from jackfield.services.events import ASKED_S, EVENTS_PERMISSIONS
from jackfield.services.tool_gate import ToolGate
from jackfield.services.tool_table import ToolDirectory, ToolTable

from .conftest import HandClock
from .listening import ALL, Heard, Scene, wait_for_ever
from .virtual import LoopClock, in_virtual_time

BEFORE = "tool:before_execute"


@pytest.fixture
async def scene(clock: HandClock) -> AsyncIterator[Scene]:
    scene = Scene(clock)
    yield scene
    await scene.aclose()


def refuse(event: Event) -> ToolRefusal:
    return ToolRefusal(f"not {event.data['toolName']}")


async def test_who_may_refuse_refuses(scene: Scene) -> None:
    scene.plugin("guard", ALL).on(BEFORE, Heard(refuse))
    assert await scene.bus.ask(BEFORE, {"toolName": "t"}) == ("guard", ToolRefusal("not t"))


async def test_without_the_permission_a_refusal_is_only_an_answer(scene: Scene) -> None:
    heard = Heard(refuse)
    scene.plugin("would-be", EVENTS_PERMISSIONS).on(BEFORE, heard)
    assert await scene.bus.ask(BEFORE, {"toolName": "t"}) is None
    await scene.settle()
    assert len(heard.events) == 1


async def test_everyone_is_told_once_also_of_what_is_refused(scene: Scene) -> None:
    first, second, listener = Heard(refuse), Heard(refuse), Heard()
    scene.plugin("first", ALL).on(BEFORE, first)
    scene.plugin("second", ALL).on(BEFORE, second)
    scene.plugin("listener").on(BEFORE, listener)
    refused = await scene.bus.ask(BEFORE, {"toolName": "t"})
    await scene.settle()
    assert refused is not None
    assert refused[0] == "first"
    assert [len(heard.events) for heard in (first, second, listener)] == [1, 1, 1]


async def test_one_that_fails_does_not_refuse_and_is_counted(scene: Scene) -> None:
    def fail(event: Event) -> None:
        raise RuntimeError("broken")

    plugin = scene.plugin("guard", ALL)
    plugin.on(BEFORE, Heard(fail))
    assert await scene.bus.ask(BEFORE, {}) is None
    assert (scene.stats["guard"].errors, scene.bus.counts.failed) == (1, 1)


@in_virtual_time
async def test_one_that_is_late_does_not_refuse_and_all_of_a_plugins_have_two_seconds() -> None:
    scene = Scene(LoopClock())
    plugin = scene.plugin("guard", ALL)
    plugin.on(BEFORE, wait_for_ever)

    async def wait_too(event: Event) -> None:
        await asyncio.Event().wait()

    plugin.on(BEFORE, wait_too)
    began = scene.clock.monotonic()
    assert await scene.bus.ask(BEFORE, {}) is None
    assert scene.clock.monotonic() - began < ASKED_S + 0.5
    assert scene.stats["guard"].timeouts == 2


async def test_what_cannot_be_shown_is_refused_where_somebody_may(scene: Scene) -> None:
    deep: Any = "x"
    for _ in range(200):
        deep = [deep]
    assert await scene.bus.ask(BEFORE, {"input": deep}) is None
    scene.plugin("guard", ALL).on(BEFORE, Heard())
    refused = await scene.bus.ask(BEFORE, {"input": deep})
    assert refused is not None
    assert refused[0] == "guard"


async def test_text_that_is_no_unicode_is_shown_escaped(scene: Scene) -> None:
    heard = Heard()
    scene.plugin("guard", ALL).on(BEFORE, heard)
    assert await scene.bus.ask(BEFORE, {"input": {"a": "\udfff"}}) is None
    assert heard.data == [{"input": {"a": "\\udfff"}}]


class Bench:
    """One tool, behind the gate."""

    def __init__(self, scene: Scene) -> None:
        self.ran: list[dict[str, Any]] = []
        table = ToolTable("kit")
        table.register(ToolSpec(name="echo"), self.echo)
        self._directory = ToolDirectory([table])
        stats: dict[str, PluginStats] = {}
        self._gate = ToolGate(scene.bus, lambda caller, tool: True, stats.get)

    async def echo(self, arguments: dict[str, Any], context: Any) -> dict[str, Any]:
        self.ran.append(arguments)
        return arguments

    async def run(self, caller: Caller, **arguments: Any) -> Any:
        return await self._gate.run(self._directory, "plugin_kit_echo", arguments, caller)


async def test_a_refused_call_does_not_happen_and_the_reason_is_told(scene: Scene) -> None:
    bench, after = Bench(scene), Heard()
    scene.plugin("guard", ALL).on(BEFORE, Heard(refuse))
    scene.plugin("listener").on("tool:after_execute", after)
    reply = await bench.run(Caller(user="alice"), city="here")
    await scene.settle()
    assert (reply.success, reply.error) == (False, "Refused by guard: not plugin_kit_echo")
    assert (bench.ran, after.events) == ([], [])


async def test_before_and_after_are_told_on_behalf_of_the_caller(scene: Scene) -> None:
    callers: list[Any] = []

    def look(event: Event) -> None:
        caller = current_caller()
        callers.append((event.type, caller and caller.user, caller and caller.depth))
        if event.type == BEFORE:
            event.data["input"]["city"] = "elsewhere"

    heard = Heard(look)
    guard, listener = scene.plugin("guard", ALL), scene.plugin("listener")
    guard.on(BEFORE, heard)
    listener.on("tool:after_execute", heard)
    bench = Bench(scene)
    reply = await bench.run(Caller(user="alice", conversation="c1"), city="here")
    await scene.settle()
    assert reply.result == {"city": "here"}
    assert callers == [(BEFORE, "alice", 1), ("tool:after_execute", "alice", 1)]
    after = heard.data[1]
    assert after.pop("durationMs") >= 0
    call = after.pop("callId")
    assert call.startswith("call_")
    assert after == {
        "toolName": "plugin_kit_echo",
        "input": {"city": "here"},
        "userId": "alice",
        "conversationId": "c1",
        "success": True,
    }
