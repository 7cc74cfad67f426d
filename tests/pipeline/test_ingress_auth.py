"""`ingress` and `auth`: what came in, and who calls."""

from __future__ import annotations

from typing import Any

from .conftest import OpenGate
from .gate import CHAT, error_of, text_of

READS = """
    @hook("ingress")
    async def read(self, exchange):
        SEEN.append((exchange.identity, exchange.inbound.header("authorization") is not None))
    @hook("pre_flight", on_failure="open")
    async def later(self, exchange):
        SEEN.append((exchange.identity.role, exchange.inbound.header("authorization") is not None))
    @hook("background")
    async def last(self, exchange):
        SEEN.append(exchange.inbound.header("authorization") is not None)
"""


async def test_the_credential_is_there_until_auth_and_never_after(open_gate: OpenGate, seen: list[Any]) -> None:
    gate = await open_gate({"a": READS})
    assert text_of(await gate.chat()) == "You said: hello"
    await gate.record()
    assert seen == [(None, True), ("inference", False), False]


async def test_a_wrong_credential_is_not_shown_to_later_hooks_either(open_gate: OpenGate, seen: list[Any]) -> None:
    looks = """
        @hook("response_head", on_failure="open")
        async def head(self, exchange):
            SEEN.append(exchange.inbound.header("authorization"))
        @hook("response_body", on_failure="open")
        async def body(self, exchange):
            SEEN.append(exchange.inbound.header("authorization"))
        @hook("background")
        async def background(self, exchange):
            SEEN.append(exchange.inbound.header("authorization"))
    """
    gate = await open_gate({"a": looks})
    assert (await gate.chat(key="wrong")).status == 401
    await gate.record()
    assert seen == [None, None, None]


async def test_where_ingress_rejects_the_credential_is_not_shown_to_later_hooks(
    open_gate: OpenGate, seen: list[Any]
) -> None:
    rejects = """
        @hook("ingress")
        async def check(self, exchange):
            return Reject(403, "no", "No.")
        @hook("background")
        async def look(self, exchange):
            SEEN.append(exchange.inbound.header("authorization"))
    """
    gate = await open_gate({"a": rejects})
    assert error_of(await gate.chat()) == (403, "no", "a")
    await gate.record()
    assert seen == [None]


async def test_ingress_may_replace_the_request_as_it_came_in(open_gate: OpenGate) -> None:
    replaces = """
        @hook("ingress")
        async def check(self, exchange):
            inbound = exchange.inbound
            return Replace(edit(inbound, body=inbound.body.replace(b"hello", b"goodbye")))
    """
    gate = await open_gate({"a": replaces})
    assert text_of(await gate.chat()) == "You said: goodbye"


async def test_ingress_may_bring_the_key(open_gate: OpenGate) -> None:
    brings = """
        @hook("ingress")
        async def check(self, exchange):
            key = exchange.inbound.header("x-own-key")
            headers = ((b"x-api-key", key.encode()),) if key else ()
            return Replace(edit(exchange.inbound, headers=headers))
    """
    gate = await open_gate({"a": brings})
    assert (await gate.chat(headers={"x-own-key": gate.gateway.api_key})).status == 200
    assert (await gate.chat()).status == 401


async def test_ingress_may_answer_without_anybody_known(open_gate: OpenGate) -> None:
    answers = """
        @hook("ingress")
        async def check(self, exchange):
            return Answer(say("at the door"))
    """
    gate = await open_gate({"a": answers})
    assert text_of(await gate.chat(key="wrong")) == "at the door"
    record = await gate.record()
    assert (record["key_id"], record["plugin"], record["cached_answer"]) == (None, "a", True)


async def test_ingress_is_closed_when_it_fails(open_gate: OpenGate) -> None:
    fails = """
        @hook("ingress")
        async def check(self, exchange):
            raise ValueError("broken")
    """
    gate = await open_gate({"a": fails})
    assert error_of(await gate.chat()) == (502, "plugin_failed", "a")
    assert gate.asked == []


async def test_listing_models_does_not_need_a_body_that_hooks_could_read(open_gate: OpenGate) -> None:
    reads = """
        @hook("ingress")
        async def check(self, exchange):
            exchange.request.last_user_text()
    """
    gate = await open_gate({"a": reads})
    async with gate.gateway.caller() as caller:
        assert (await caller.get("/v1/models")).status == 200


KNOWS = """
    @hook("auth")
    async def who(self, exchange):
        badge = exchange.inbound.header("x-badge")
        if badge == "forged":
            return Reject(401, "forged", "That badge is forged.")
        if badge == "broken":
            raise ValueError("reader is broken")
        if badge:
            return Identity(user=badge, app="door", credential="badge-1", models=frozenset({"scripted"}),
                            claims={"level": 3})
    @hook("pre_flight", on_failure="open")
    async def look(self, exchange):
        SEEN.append((exchange.identity.user, exchange.identity.claims.get("level")))
"""


async def test_an_identity_of_a_plugin_counts_without_a_key(open_gate: OpenGate, seen: list[Any]) -> None:
    gate = await open_gate({"badges": KNOWS})
    assert text_of(await gate.chat(key="none", headers={"x-badge": "ann"})) == "You said: hello"
    assert seen == [("ann", 3)]
    record = await gate.record()
    assert (record["user"], record["app"], record["key_id"]) == ("ann", "door", "badge-1")


async def test_who_was_identified_by_a_plugin_was_not_decided_by_it(open_gate: OpenGate) -> None:
    gate = await open_gate({"badges": KNOWS})
    await gate.chat(headers={"x-badge": "ann"})
    assert (await gate.record())["plugin"] is None


async def test_the_limits_of_an_identity_hold(open_gate: OpenGate) -> None:
    gate = await open_gate({"badges": KNOWS}, models=("scripted", "other"))
    assert (await gate.chat(headers={"x-badge": "ann"}, model="other")).status == 403


async def test_what_is_not_its_own_falls_to_the_next_and_then_to_the_key(open_gate: OpenGate, seen: list[Any]) -> None:
    other = """
        @hook("auth")
        async def who(self, exchange):
            SEEN.append("asked")
            return Identity(user="second") if exchange.inbound.header("x-second") else None
    """
    gate = await open_gate({"badges": KNOWS, "second": other})
    await gate.chat(key="none", headers={"x-second": "1"})
    await gate.chat()
    await gate.chat(headers={"x-badge": "ann"})
    assert seen == ["asked", ("second", None), "asked", (None, None), ("ann", 3)]
    assert (await gate.chat(key="wrong")).status == 401


async def test_a_plugin_may_reject_a_credential(open_gate: OpenGate) -> None:
    gate = await open_gate({"badges": KNOWS})
    assert error_of(await gate.chat(headers={"x-badge": "forged"})) == (401, "forged", "badges")


async def test_auth_is_closed_when_it_fails_though_the_key_is_good(open_gate: OpenGate) -> None:
    gate = await open_gate({"badges": KNOWS})
    assert error_of(await gate.chat(headers={"x-badge": "broken"})) == (502, "plugin_failed", "badges")
    assert gate.asked == []


async def test_ingress_and_auth_also_guard_the_list_of_models(open_gate: OpenGate) -> None:
    gate = await open_gate({"badges": KNOWS})
    async with gate.gateway.caller("none", **{"x-badge": "ann"}) as caller:
        assert (await caller.get("/v1/models")).status == 200
    async with gate.gateway.caller("none") as caller:
        assert (await caller.get("/v1/models")).status == 401


async def test_a_body_that_is_too_long_never_reaches_a_hook(open_gate: OpenGate, seen: list[Any]) -> None:
    gate = await open_gate({"a": READS})
    called = await gate.post(CHAT, b"x" * (11 * 1024 * 1024))
    assert called.status == 413
    record = await gate.record()
    assert record["status"] == 413
    assert seen == [False]
