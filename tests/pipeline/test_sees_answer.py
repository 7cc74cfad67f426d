"""What hooks may ask of an exchange beyond their own point: the answer at its end, an answer in the routing, a turn in
ascending order, and whether the request is still the client's."""

from __future__ import annotations

from typing import Any

import msgspec

from jackfield.hooks.guard import PluginGuard
from jackfield.hooks.table import BoundHook, HookTable
from jackfield.sdk.hooks import HookSpec
from jackfield.testing.waiting import until

from .gate import error_of, text_of


async def seen_by(seen: list[Any], count: int) -> list[Any]:
    async def look() -> list[Any]:
        return seen

    return await until(look, lambda found: len(found) >= count)


async def test_a_background_hook_that_asks_for_it_sees_the_answer(open_gate: Any, seen: list[Any]) -> None:
    look = """
    @hook("background", sees_answer=True)
    async def look(self, exchange):
        SEEN.append((exchange.stream, exchange.response.text()))
    """
    gate = await open_gate({"looker": look})
    whole, streamed = await gate.chat("hi"), await gate.stream("hi")
    assert streamed.status == 200
    assert await seen_by(seen, 2) == [(False, text_of(whole)), (True, text_of(whole))]


async def test_a_background_hook_that_does_not_ask_has_none(open_gate: Any, seen: list[Any]) -> None:
    gate = await open_gate({"looker": '@hook("background")\nasync def look(self, e): SEEN.append(e.response)'})
    await gate.chat("hi")
    assert await seen_by(seen, 1) == [None]


async def test_an_answer_in_the_routing_takes_the_upstreams_place(open_gate: Any) -> None:
    gate = await open_gate({"cache": '@hook("routing")\nasync def find(self, e): return Answer(say("kept"))'})
    assert text_of(await gate.chat("hi")) == "kept"
    assert (await gate.stream("hi")).status == 200
    assert gate.asked == []


async def test_a_request_that_cannot_be_routed_is_taken_back(open_gate: Any, seen: list[Any]) -> None:
    send_away = """
    @hook("routing", before=("looker",))
    async def send_away(self, exchange):
        return Replace(edit(exchange.request, model="nobody-has-it"))
    """
    look = '@hook("response_body", on_failure="open")\nasync def look(self, e): SEEN.append((e.model, e.replaced))'
    gate = await open_gate({"router": send_away, "looker": look})
    assert error_of(await gate.chat("hi"))[0] == 502
    assert seen == [("scripted", False)]


async def test_a_request_knows_when_it_came_and_whether_it_is_still_the_clients(
    open_gate: Any, seen: list[Any]
) -> None:
    edits = """
    @hook("pre_flight", on_failure="closed")
    async def change(self, exchange):
        SEEN.append((exchange.at > 1e9, exchange.replaced))
        return Replace(edit(exchange.request, user="other"))

    @hook("background")
    async def look(self, exchange):
        SEEN.append((exchange.replaced, exchange.attempts[0].at_ms > 0))
    """
    gate = await open_gate({"editor": edits})
    await gate.chat("hi")
    assert await seen_by(seen, 2) == [(True, False), (True, True)]


def test_hooks_that_go_forward_keep_their_order_where_a_point_runs_in_reverse() -> None:
    def bound(plugin: str, priority: int, forward: bool) -> BoundHook:
        spec = HookSpec(point="response_body", name="look", on_failure="open", forward=forward)
        guard: PluginGuard = None  # type: ignore[assignment]
        return BoundHook(plugin, spec, msgspec.json.encode, guard, priority=priority, timeout_ms=1, closed=False)

    table = HookTable([bound("a", 1, False), bound("x", 2, True), bound("b", 3, False), bound("y", 4, True)])
    assert [hook.plugin for hook in table.row("chat").response_body] == ["x", "b", "y", "a"]
