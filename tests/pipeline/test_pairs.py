"""Every pre hook that ran gets its post hook, in reverse; one that did not run gets none."""

from __future__ import annotations

from typing import Any

import pytest

from .conftest import OpenGate

PAIR = """
    @hook("pre_flight", on_failure="open")
    async def before(self, exchange):
        SEEN.append("before {name}")
        {body}
    @hook("response_head", on_failure="open")
    async def head(self, exchange):
        SEEN.append("head {name}")
    @hook("response_body", on_failure="open")
    async def after(self, exchange):
        SEEN.append("after {name}")
    @hook("background")
    async def last(self, exchange):
        SEEN.append("last {name}")
"""


def pair(name: str, body: str = "pass") -> str:
    return PAIR.format(name=name, body=body)


def of(seen: list[Any], word: str) -> list[str]:
    return [entry.split()[1] for entry in seen if entry.startswith(word)]


@pytest.mark.parametrize("stream", [False, True])
async def test_post_hooks_run_in_reverse(open_gate: OpenGate, seen: list[Any], stream: bool) -> None:
    gate = await open_gate({name: pair(name) for name in "abc"})
    await gate.chat(stream=stream)
    await gate.record()
    assert of(seen, "before") == ["a", "b", "c"]
    assert of(seen, "head") == of(seen, "after") == of(seen, "last") == ["c", "b", "a"]


ENDS = {
    "rejects": "return Reject(418, 'no', 'No.')",
    "answers": "return Answer(say('from memory'))",
}


@pytest.mark.parametrize("end", ENDS.values(), ids=ENDS)
@pytest.mark.parametrize("stream", [False, True])
async def test_where_one_ends_the_exchange_those_before_it_and_itself_get_theirs(
    open_gate: OpenGate, seen: list[Any], end: str, stream: bool
) -> None:
    gate = await open_gate({"a": pair("a"), "b": pair("b", end), "c": pair("c")})
    await gate.chat(stream=stream)
    await gate.record()
    assert of(seen, "before") == ["a", "b"]
    assert of(seen, "head") == of(seen, "after") == ["b", "a"]


async def test_where_one_reads_a_malformed_body_those_before_it_and_itself_get_theirs(
    open_gate: OpenGate, seen: list[Any]
) -> None:
    gate = await open_gate({"a": pair("a"), "b": pair("b", "exchange.request"), "c": pair("c")})
    assert (await gate.chat(messages=7)).status == 400
    await gate.record()
    assert of(seen, "before") == ["a", "b"]
    assert of(seen, "after") == ["b", "a"]


async def test_where_nobody_is_known_none_of_pre_flight_ran_and_none_gets_a_post_hook(
    open_gate: OpenGate, seen: list[Any]
) -> None:
    only_post = """
        @hook("response_body", on_failure="open")
        async def after(self, exchange):
            SEEN.append("after post")
    """
    gate = await open_gate({"a": pair("a"), "post": only_post})
    assert (await gate.chat(key="wrong")).status == 401
    await gate.record()
    assert of(seen, "after") == ["post"]


async def test_a_refusal_at_ingress_is_seen_by_those_whose_ingress_ran(open_gate: OpenGate, seen: list[Any]) -> None:
    enters = """
        @hook("ingress")
        async def enter(self, exchange):
            {body}
        @hook("response_body", on_failure="open")
        async def after(self, exchange):
            SEEN.append("after {name}")
    """
    gate = await open_gate(
        {
            "a": enters.format(name="a", body="pass"),
            "b": enters.format(name="b", body="return Reject(403, 'no', 'No.')"),
            "c": enters.format(name="c", body="pass"),
        }
    )
    assert (await gate.chat()).status == 403
    await gate.record()
    assert of(seen, "after") == ["b", "a"]


async def test_one_that_failed_has_run_and_gets_its_post_hook(open_gate: OpenGate, seen: list[Any]) -> None:
    gate = await open_gate({"a": pair("a", "raise ValueError('broken')")})
    await gate.chat()
    await gate.record()
    assert seen == ["before a", "head a", "after a", "last a"]


async def test_after_a_post_hook_rejects_the_others_see_the_refusal(open_gate: OpenGate, seen: list[Any]) -> None:
    looks = """
        @hook("response_body", on_failure="open")
        async def after(self, exchange):
            SEEN.append(exchange.response.text() or exchange.response.code)
            {body}
    """
    gate = await open_gate(
        {
            "a": looks.format(body="pass"),
            "b": looks.format(body="return Reject(451, 'no_body', 'Not this.')"),
            "c": looks.format(body="pass"),
        }
    )
    assert (await gate.chat()).status == 451
    await gate.record()
    assert seen == ["You said: hello", "You said: hello", "no_body"]


CLOSED_BOTH_WAYS = """
    @hook("pre_flight", on_failure="closed")
    async def before(self, exchange):
        raise KeyError("first")
    @hook("response_body", on_failure="closed")
    async def after(self, exchange):
        raise ValueError("second")
"""


async def test_of_two_failures_of_closed_hooks_the_first_is_told(open_gate: OpenGate) -> None:
    gate = await open_gate({"a": CLOSED_BOTH_WAYS})
    for _ in range(5):
        called = await gate.chat()
        assert (called.status, called.json["error"]["code"]) == (502, "plugin_failed")
    assert (await gate.chat()).json["error"]["code"] == "plugin_quarantined"
