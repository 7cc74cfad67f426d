"""`pre_flight`: the caller is known, no model is chosen yet."""

from __future__ import annotations

from typing import Any

import pytest

from .conftest import OpenGate
from .gate import deadline_ms, error_of, text_of


async def test_a_hook_that_passes_leaves_the_body_as_it_came(open_gate: OpenGate) -> None:
    gate = await open_gate(
        {
            "looks": """
                @hook("pre_flight", on_failure="open")
                async def check(self, exchange):
                    SEEN.append((exchange.identity.role, exchange.model, exchange.request.last_user_text()))
            """
        }
    )
    called = await gate.chat("hello", x_unknown={"deep": [1]})
    assert text_of(called) == "You said: hello"
    assert gate.asked[0]["x_unknown"] == {"deep": [1]}
    assert await gate.ran() == [("pre_flight", "looks", "passed")]


async def test_a_replacement_is_what_the_next_hook_and_the_upstream_get(open_gate: OpenGate, seen: list[Any]) -> None:
    replaces = """
        @hook("pre_flight", on_failure="open")
        async def check(self, exchange):
            text = exchange.request.last_user_text() + "!"
            message = Message(role="user", parts=(Text(text=text),))
            return Replace(edit(exchange.request, messages=(message,)))
    """
    looks = """
        @hook("pre_flight", on_failure="open")
        async def check(self, exchange):
            SEEN.append(exchange.request.last_user_text())
    """
    gate = await open_gate({"a": replaces, "b": looks, "c": replaces})
    assert text_of(await gate.chat("hello", seed=7, x_unknown=1)) == "You said: hello!!"
    assert seen == ["hello!"]
    assert (gate.asked[0]["seed"], gate.asked[0]["x_unknown"]) == (7, 1)


async def test_another_model_is_routed_and_told_to_later_hooks(open_gate: OpenGate, seen: list[Any]) -> None:
    gate = await open_gate(
        {
            "a": """
                @hook("pre_flight", on_failure="open")
                async def check(self, exchange):
                    return Replace(edit(exchange.request, model="scripted"))
                @hook("routing")
                async def look(self, exchange):
                    SEEN.append(exchange.model)
            """
        }
    )
    called = await gate.chat(model="no-such-model")
    assert called.status == 200
    assert seen == ["scripted"]


async def test_whether_it_is_a_stream_is_the_clients_to_say(open_gate: OpenGate) -> None:
    gate = await open_gate(
        {
            "a": """
                @hook("pre_flight", on_failure="open")
                async def check(self, exchange):
                    return Replace(edit(exchange.request, stream=not exchange.stream))
            """
        }
    )
    assert text_of(await gate.chat()) == "You said: hello"
    assert (await gate.stream()).headers["content-type"].startswith("text/event-stream")


async def test_a_rejection_is_told_in_the_format_that_was_asked_and_kept_on_record(open_gate: OpenGate) -> None:
    gate = await open_gate(
        {
            "a": """
                @hook("pre_flight", on_failure="open")
                async def check(self, exchange):
                    return Reject(429, "no_shouting", "Please do not shout.", retry_after_s=7)
            """
        }
    )
    called = await gate.chat()
    assert error_of(called) == (429, "no_shouting", "a")
    assert called.json["error"]["message"] == "Please do not shout."
    assert called.headers["retry-after"] == "7"
    assert gate.asked == []
    record = await gate.record()
    assert (record["status"], record["error"], record["plugin"]) == (429, "no_shouting", "a")
    assert record["key_id"]
    assert (await gate.gateway.plugin("a"))["stats"]["blocks"] == 1
    called = await gate.post("/v1/messages", {"model": "m", "max_tokens": 5, "messages": []})
    assert called.json["type"] == "error"


async def test_an_answer_is_given_in_the_upstreams_place_and_kept_on_record(open_gate: OpenGate) -> None:
    gate = await open_gate(
        {
            "cache": """
                @hook("pre_flight", on_failure="open")
                async def check(self, exchange):
                    return Answer(say("from memory"))
            """
        }
    )
    assert text_of(await gate.chat()) == "from memory"
    assert gate.asked == []
    record = await gate.record()
    assert (record["status"], record["plugin"], record["cached_answer"]) == (200, "cache", True)
    assert (record["error"], record["upstream"]) == (None, None)


async def test_an_error_may_be_the_answer(open_gate: OpenGate) -> None:
    gate = await open_gate(
        {
            "a": """
                @hook("pre_flight", on_failure="open")
                async def check(self, exchange):
                    return Answer(ErrorResponse(status=451, code="gone", message="Not here."))
            """
        }
    )
    for called in (await gate.chat(), await gate.stream()):
        assert (called.status, called.json["error"]["code"]) == (451, "gone")


FAILURES = {
    "raises": "raise ValueError('broken')",
    "exits": "raise SystemExit",
    "hangs": "await asyncio.Event().wait()",
    "answers nonsense": "return 'nonsense'",
    "replaces with nonsense": "return Replace('nonsense')",
    "rejects with nonsense": "return Reject('x', 'y', 'z')",
}


@pytest.mark.parametrize("body", FAILURES.values(), ids=FAILURES)
async def test_a_failure_of_an_open_hook_lets_the_exchange_go_on(open_gate: OpenGate, body: str) -> None:
    gate = await open_gate(
        {
            "a": f"""
                @hook("pre_flight", on_failure="open", timeout_ms={deadline_ms(body)})
                async def check(self, exchange):
                    {body}
            """
        }
    )
    assert text_of(await gate.chat()) == "You said: hello"
    record = await gate.record()
    assert (record["status"], record["plugin"]) == (200, None)
    assert (await gate.gateway.plugin("a"))["stats"]["errors"] == 1


@pytest.mark.parametrize("body", FAILURES.values(), ids=FAILURES)
async def test_a_failure_of_a_closed_hook_refuses_the_exchange(open_gate: OpenGate, body: str) -> None:
    gate = await open_gate(
        {
            "a": f"""
                @hook("pre_flight", on_failure="closed", timeout_ms={deadline_ms(body)})
                async def check(self, exchange):
                    {body}
            """
        }
    )
    expected = (504, "plugin_timeout", "a") if "wait" in body else (502, "plugin_failed", "a")
    assert error_of(await gate.chat()) == expected
    assert gate.asked == []
    record = await gate.record()
    assert (record["status"], record["error"], record["plugin"]) == expected


async def test_a_closed_plugin_in_quarantine_refuses_with_its_name(open_gate: OpenGate) -> None:
    gate = await open_gate(
        {
            "a": """
                @hook("pre_flight", on_failure="closed")
                async def check(self, exchange):
                    SEEN.append("called")
                    raise ValueError("broken")
            """
        }
    )
    statuses = [(await gate.chat()).status for _ in range(5)]
    called = await gate.chat()
    assert statuses == [502] * 5
    assert error_of(called) == (503, "plugin_quarantined", "a")
    assert 0 < int(called.headers["retry-after"]) <= 30
    assert (await gate.gateway.plugin("a"))["state"] == "quarantined"


CHANGES = {
    "a local copy": "edit(exchange.request, model='other')",
    "the exchange": "exchange.model = 'other'",
    "the request": "exchange.request.model = 'other'",
    "its unknown fields": "exchange.request.extra['x_unknown'] = msgspec.Raw(b'2')",
    "its messages": "exchange.request.messages[0].parts += (Text(text='more'),)",
    "its inbound": "exchange.inbound.body = b''",
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
async def test_a_hook_that_changes_things_and_then_raises_leaves_no_trace(open_gate: OpenGate, change: str) -> None:
    raises = f"""
        @hook("pre_flight", on_failure="open")
        async def check(self, exchange):
            {change}
            raise ValueError("half way")
    """
    touches = """
        @hook("pre_flight", on_failure="open")
        async def check(self, exchange):
            return Replace(edit(exchange.request, seed=7))
    """
    gate = await open_gate({"a": raises, "b": touches})
    await gate.chat(x_unknown=1)
    assert gate.asked[0]["x_unknown"] == 1
    assert gate.asked[0]["messages"] == [{"role": "user", "content": "hello"}]
    assert gate.asked[0]["seed"] == 7
    assert await gate.ran() == [("pre_flight", "a", "failed"), ("pre_flight", "b", "replace")]


async def test_a_malformed_body_is_the_clients_fault(open_gate: OpenGate) -> None:
    gate = await open_gate(
        {
            "a": """
                @hook("pre_flight", on_failure="closed")
                async def check(self, exchange):
                    exchange.request.last_user_text()
            """
        }
    )
    called = await gate.chat(messages="no list")
    assert called.status == 400
    assert "plugin" not in called.json["error"]
    assert (await gate.gateway.plugin("a"))["stats"]["errors"] == 0


async def test_a_hook_may_be_for_one_operation_only(open_gate: OpenGate) -> None:
    gate = await open_gate(
        {
            "a": """
                @hook("pre_flight", on_failure="open", operations=("embeddings",))
                async def check(self, exchange):
                    return Reject(418, "no", "No.")
            """
        }
    )
    assert (await gate.chat()).status == 200
    assert (await gate.post("/v1/embeddings", {"model": "scripted", "input": "x"})).status == 418
