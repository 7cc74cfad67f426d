"""`routing` and `attempt`: where a request goes."""

from __future__ import annotations

from typing import Any

from jackfield.testing import Answer, Upstream
from jackfield.testing.setup import link

from .conftest import OpenGate
from .gate import UPSTREAM_KEY, error_of, text_of


def two_links(first: Upstream, second: Upstream) -> list[dict[str, Any]]:
    key = {"api_key_env": "UPSTREAM_KEY", "max_retries": 0}
    return [link(first, name="first", **key), link(second, name="second", priority=1, **key)]


async def test_candidates_are_seen_and_their_order_replaced(
    open_gate: OpenGate, upstream: Upstream, seen: list[Any]
) -> None:
    turns = """
        @hook("routing")
        async def turn(self, exchange):
            SEEN.append([candidate.upstream for candidate in exchange.candidates])
            return Replace(exchange.candidates[::-1])
    """
    async with Upstream(key=UPSTREAM_KEY) as second:
        gate = await open_gate({"a": turns, "b": turns, "c": turns}, upstreams=two_links(upstream, second))
        called = await gate.chat()
        assert called.headers["x-jackfield-upstream"] == "second"
        assert len(second.requests) == 1
    assert seen == [["first", "second"], ["second", "first"], ["first", "second"]]


async def test_one_candidate_with_another_model(open_gate: OpenGate) -> None:
    chooses = """
        @hook("routing")
        async def choose(self, exchange):
            return Replace(edit(exchange.candidates[0], model="scripted-mini"))
    """
    gate = await open_gate({"a": chooses})
    await gate.chat()
    assert gate.asked[0]["model"] == "scripted-mini"
    record = await gate.record()
    assert (record["model"], record["upstream_model"]) == ("scripted", "scripted-mini")


async def test_routing_may_reject(open_gate: OpenGate) -> None:
    rejects = """
        @hook("routing")
        async def choose(self, exchange):
            return Reject(503, "no_capacity", "Nobody has time.")
    """
    gate = await open_gate({"a": rejects})
    assert error_of(await gate.chat()) == (503, "no_capacity", "a")
    assert (await gate.record())["attempts"] == 0


async def test_an_upstream_that_does_not_exist_is_the_plugins_fault(open_gate: OpenGate) -> None:
    invents = """
        @hook("routing")
        async def choose(self, exchange):
            return Replace(edit(exchange.candidates[0], upstream="nowhere"))
    """
    gate = await open_gate({"a": invents})
    status, _, plugin = error_of(await gate.chat())
    assert (status, plugin) == (502, "a")
    assert (await gate.record())["plugin"] == "a"


async def test_leaving_no_candidate_is_the_plugins_fault(open_gate: OpenGate) -> None:
    gate = await open_gate({"a": "@hook('routing')\nasync def choose(self, exchange): return Replace(())"})
    status, _, plugin = error_of(await gate.chat())
    assert (status, plugin) == (502, "a")


async def test_routing_is_asked_once_and_attempt_for_each_try(
    open_gate: OpenGate, upstream: Upstream, seen: list[Any]
) -> None:
    counts = """
        @hook("routing")
        async def choose(self, exchange):
            SEEN.append("routing")
        @hook("attempt")
        async def attempt(self, exchange):
            SEEN.append(("attempt", len(exchange.attempts)))
    """
    async with Upstream(key=UPSTREAM_KEY) as second:
        upstream.always(Answer.status(500))
        gate = await open_gate({"a": counts}, upstreams=two_links(upstream, second))
        assert text_of(await gate.chat()) == "You said: hello"
    assert seen == ["routing", ("attempt", 0), ("attempt", 1)]


async def test_attempt_may_replace_headers_and_body(open_gate: OpenGate) -> None:
    changes = """
        @hook("attempt")
        async def attempt(self, exchange):
            outgoing = exchange.outgoing
            body = outgoing.body.replace(b"hello", b"goodbye")
            return Replace(edit(outgoing, headers=(*outgoing.headers, (b"x-own", b"1")), body=body))
    """
    gate = await open_gate({"a": changes})
    assert text_of(await gate.chat()) == "You said: goodbye"
    assert gate.upstream.requests[0].header("x-own") == "1"
    assert gate.upstream.requests[0].header("authorization") == f"Bearer {UPSTREAM_KEY}"


async def test_each_try_begins_with_the_request_as_it_was(open_gate: OpenGate, upstream: Upstream) -> None:
    adds = """
        @hook("attempt")
        async def attempt(self, exchange):
            outgoing = exchange.outgoing
            return Replace(edit(outgoing, body=outgoing.body.replace(b"hello", b"hello hello")))
    """
    async with Upstream(key=UPSTREAM_KEY) as second:
        upstream.always(Answer.status(500))
        gate = await open_gate({"a": adds}, upstreams=two_links(upstream, second))
        assert text_of(await gate.chat()) == "You said: hello hello"


SHOWS = """
    @hook("attempt")
    async def attempt(self, exchange):
        SEEN.append(repr(exchange.outgoing))
    @hook("response_body", on_failure="open")
    async def body(self, exchange):
        SEEN.append(repr(exchange.outgoing))
    @hook("background")
    async def background(self, exchange):
        SEEN.append(repr(exchange.outgoing) + repr(exchange.inbound) + repr(exchange.identity))
"""


async def test_no_hook_ever_sees_the_credential(open_gate: OpenGate, seen: list[Any]) -> None:
    gate = await open_gate({"a": SHOWS})
    await gate.chat()
    await gate.record()
    assert len(seen) == 3
    assert UPSTREAM_KEY not in "".join(seen)
    assert gate.gateway.api_key not in "".join(seen)
    assert gate.upstream.requests[0].header("authorization") == f"Bearer {UPSTREAM_KEY}"


async def test_no_hook_ever_sees_a_header_whose_value_is_from_the_environment(
    open_gate: OpenGate, seen: list[Any]
) -> None:
    gate = await open_gate({"a": SHOWS}, headers={"x-team-secret": {"env": "UPSTREAM_KEY"}})
    await gate.chat()
    await gate.record()
    assert UPSTREAM_KEY not in "".join(seen)
    assert gate.upstream.requests[0].header("x-team-secret") == UPSTREAM_KEY


def leads_to(url: str) -> str:
    return f"""
        @hook("attempt")
        async def attempt(self, exchange):
            return Replace(edit(exchange.outgoing, url={url!r}))
    """


async def test_the_credential_never_reaches_another_origin(open_gate: OpenGate) -> None:
    async with Upstream() as foreign:
        gate = await open_gate(
            {"a": leads_to(f"{foreign.openai_url}/chat/completions")},
            headers={"x-team-secret": {"env": "UPSTREAM_KEY"}},
        )
        assert text_of(await gate.chat()) == "You said: hello"
        (received,) = foreign.requests
        assert UPSTREAM_KEY not in repr(received.headers)
    assert gate.asked == []


async def test_the_credential_stays_with_another_path_of_its_origin(open_gate: OpenGate, upstream: Upstream) -> None:
    gate = await open_gate({"a": leads_to(f"{upstream.url}/other/chat/completions")})
    assert text_of(await gate.chat()) == "You said: hello"
    (received,) = upstream.requests
    assert (received.path, received.header("authorization")) == ("/other/chat/completions", f"Bearer {UPSTREAM_KEY}")


async def test_a_url_that_is_none_is_told_as_the_plugins_fault(open_gate: OpenGate) -> None:
    gate = await open_gate({"a": leads_to("not a url")})
    called = await gate.chat()
    assert called.status == 502
    assert (await gate.record())["status"] == 502


async def test_attempt_may_reject_which_ends_the_trying(open_gate: OpenGate, upstream: Upstream) -> None:
    rejects = """
        @hook("attempt")
        async def attempt(self, exchange):
            SEEN.append("asked")
            return Reject(403, "not_there", "Not to this one.")
    """
    async with Upstream(key=UPSTREAM_KEY) as second:
        gate = await open_gate({"a": rejects}, upstreams=two_links(upstream, second))
        assert error_of(await gate.chat()) == (403, "not_there", "a")
        assert second.requests == upstream.requests == []


async def test_attempt_is_closed_when_it_fails(open_gate: OpenGate) -> None:
    gate = await open_gate({"a": "@hook('attempt')\nasync def attempt(self, exchange): raise ValueError('broken')"})
    assert error_of(await gate.chat()) == (502, "plugin_failed", "a")
    assert gate.asked == []


async def test_fields_that_the_upstream_has_no_place_for_are_named(open_gate: OpenGate) -> None:
    gate = await open_gate({}, provider="anthropic")
    called = await gate.chat(seed=7, logit_bias={"1": 2})
    assert text_of(called).startswith("You said")
    assert {"logit_bias", "seed"} <= set(called.headers["x-jackfield-dropped"].split(", "))
