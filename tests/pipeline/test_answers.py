"""`response_head` and `response_body`: what the client gets."""

from __future__ import annotations

import json
from textwrap import dedent
from typing import Any

import pytest

from jackfield.testing import Answer, Upstream
from jackfield.testing.setup import link

from .conftest import OpenGate
from .gate import UPSTREAM_KEY, deltas_of, error_of, text_of

HEAD = """
    @hook("response_head", on_failure="open")
    async def head(self, exchange):
        return Replace(exchange.head.with_header("X-Own", "{name}"))
"""
EDIT = """
    @hook("response_body", on_failure="open", edits=True)
    async def body(self, exchange):
        if isinstance(exchange.response, ChatResponse):
            return Replace(exchange.response.with_text(exchange.response.text() + " {name}"))
"""
OBSERVE = """
    @hook("response_body", on_failure="open")
    async def body(self, exchange):
        SEEN.append((exchange.response.text(), exchange.usage is not None, exchange.finish_reason))
"""
REJECT_HEAD = """
    @hook("response_head", on_failure="open")
    async def head(self, exchange):
        return Reject(451, "no_head", "Not with this head.")
"""
REJECT_BODY = """
    @hook("response_body", on_failure="open", edits=True)
    async def body(self, exchange):
        if not isinstance(exchange.response, ErrorResponse):
            return Reject(451, "no_body", "Not this.")
"""


async def test_the_head_may_be_replaced_whole_and_streamed(open_gate: OpenGate) -> None:
    gate = await open_gate({"a": HEAD.format(name="a")})
    for called in (await gate.chat(), await gate.stream()):
        assert (called.status, called.headers["x-own"]) == (200, "a")


async def test_a_replaced_status_is_what_the_client_gets(open_gate: OpenGate) -> None:
    gate = await open_gate(
        {
            "a": """
                @hook("response_head", on_failure="open")
                async def head(self, exchange):
                    return Replace(edit(exchange.head, status=203))
            """
        }
    )
    for called in (await gate.chat(), await gate.stream()):
        assert called.status == 203


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("rejects", [REJECT_HEAD, REJECT_BODY], ids=["head", "body"])
async def test_a_rejection_takes_the_place_of_the_answer(open_gate: OpenGate, rejects: str, stream: bool) -> None:
    gate = await open_gate({"a": rejects})
    called = await gate.chat(stream=stream)
    assert (called.status, called.json["error"]["plugin"]) == (451, "a")
    assert called.headers["content-type"] == "application/json"
    record = await gate.record()
    assert (record["status"], record["plugin"]) == (451, "a")


async def test_a_rejected_head_also_stops_a_made_up_stream(open_gate: OpenGate) -> None:
    answers = """
        @hook("pre_flight", on_failure="open")
        async def check(self, exchange):
            return Answer(say("from memory"))
    """
    gate = await open_gate({"a": dedent(answers) + dedent(REJECT_HEAD)})
    for called in (await gate.chat(), await gate.stream()):
        assert error_of(called) == (451, "no_head", "a")


async def test_a_rejected_head_also_stops_a_held_stream(open_gate: OpenGate) -> None:
    gate = await open_gate({"a": REJECT_HEAD, "b": EDIT.format(name="b")})
    assert error_of(await gate.stream()) == (451, "no_head", "a")


async def test_whole_answers_are_edited_in_reverse_order(open_gate: OpenGate) -> None:
    gate = await open_gate({name: EDIT.format(name=name) for name in "abc"})
    assert text_of(await gate.chat()) == "You said: hello c b a"


async def test_an_editing_hook_holds_a_stream_and_the_client_gets_the_edited_one(open_gate: OpenGate) -> None:
    gate = await open_gate({name: EDIT.format(name=name) for name in "ab"})
    called = await gate.stream(stream_options={"include_usage": True})
    assert "".join(deltas_of(called)) == "You said: hello b a"
    assert called.events[-1][1] == "[DONE]"
    assert json.loads(called.events[-2][1])["usage"]["completion_tokens"] > 0
    assert (await gate.record())["stream"] is True


async def test_an_observing_hook_sees_the_whole_at_the_end_of_a_stream(open_gate: OpenGate, seen: list[Any]) -> None:
    gate = await open_gate({"a": OBSERVE})
    called = await gate.stream()
    assert "".join(deltas_of(called)) == "You said: hello"
    await gate.record()
    assert seen == [("You said: hello", True, "stop")]


async def test_what_an_observer_answers_at_the_end_of_a_stream_changes_nothing_sent(open_gate: OpenGate) -> None:
    gate = await open_gate(
        {
            "a": """
                @hook("response_body", on_failure="open")
                async def body(self, exchange):
                    return Reject(451, "late", "Too late.")
            """
        }
    )
    called = await gate.stream()
    assert "".join(deltas_of(called)) == "You said: hello"
    assert called.complete
    assert error_of(await gate.chat()) == (451, "late", "a")


async def test_an_error_of_the_upstream_is_seen_and_may_be_answered_over(open_gate: OpenGate) -> None:
    gate = await open_gate(
        {
            "a": """
                @hook("response_body", on_failure="open", edits=True)
                async def body(self, exchange):
                    if isinstance(exchange.response, ErrorResponse):
                        return Replace(say(f"sorry: {exchange.response.status}"))
            """
        }
    )
    gate.upstream.always(Answer.status(400, message="upstream says no", retry_after=9))
    called = await gate.chat()
    assert text_of(called) == "sorry: 400"
    assert "retry-after" not in called.headers
    assert (await gate.record())["status"] == 200


async def test_an_answer_may_be_replaced_by_an_error(open_gate: OpenGate) -> None:
    gate = await open_gate(
        {
            "a": """
                @hook("response_body", on_failure="open", edits=True)
                async def body(self, exchange):
                    return Replace(ErrorResponse(status=422, code="bad_answer", message="Nonsense."))
            """
        }
    )
    for called in (await gate.chat(), await gate.stream()):
        assert (called.status, called.json["error"]["code"]) == (422, "bad_answer")
    records = await gate.gateway.records(2)
    assert [record["status"] for record in records] == [422, 422]


FAILS = """
    @hook("{point}", on_failure="{policy}"{options})
    async def fail(self, exchange):
        raise ValueError("broken")
"""


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(("point", "options"), [("response_head", ""), ("response_body", ", edits=True")])
async def test_the_stated_policy_decides_where_one_fails(
    open_gate: OpenGate, point: str, options: str, stream: bool
) -> None:
    closed = await open_gate({"a": FAILS.format(point=point, policy="closed", options=options)})
    assert error_of(await closed.chat(stream=stream)) == (502, "plugin_failed", "a")
    opened = await open_gate({"a": FAILS.format(point=point, policy="open", options=options)})
    called = await opened.chat(stream=stream)
    assert ("".join(deltas_of(called)) if stream else text_of(called)) == "You said: hello"


async def test_an_untouched_answer_is_passed_on_byte_by_byte(open_gate: OpenGate) -> None:
    gate = await open_gate({"a": OBSERVE})
    body = b'{ "id":"x", "choices":[{"index":0,"message":{"role":"assistant","content":"hi"}}],  "own": [1,2] }'
    gate.upstream.always(Answer.body(body))
    assert (await gate.chat()).body == body


async def test_an_anthropic_client_gets_its_own_format_from_the_same_hooks(open_gate: OpenGate) -> None:
    gate = await open_gate({"a": EDIT.format(name="a")})
    body = {"model": "scripted", "max_tokens": 50, "messages": [{"role": "user", "content": "hello"}]}
    called = await gate.post("/v1/messages", body)
    assert called.json["content"][0]["text"] == "You said: hello a"
    streamed = await gate.post("/v1/messages", body | {"stream": True})
    assert b"hello a" in streamed.body
    assert streamed.events[-1][0] == "message_stop"


async def test_an_answer_to_a_streaming_request_is_streamed(open_gate: OpenGate) -> None:
    gate = await open_gate(
        {
            "a": """
                @hook("pre_flight", on_failure="open")
                async def check(self, exchange):
                    return Answer(say("from memory"))
            """
        }
    )
    called = await gate.stream()
    assert called.headers["content-type"].startswith("text/event-stream")
    assert deltas_of(called) == ["from memory"]
    assert called.events[-1][1] == "[DONE]"
    body = {"model": "scripted", "max_tokens": 5, "messages": [{"role": "user", "content": "x"}], "stream": True}
    assert (await gate.post("/v1/messages", body)).events[-1][0] == "message_stop"


async def test_an_answer_that_no_hook_could_be_shown_is_asked_for_elsewhere(
    open_gate: OpenGate, upstream: Upstream, seen: list[Any]
) -> None:
    """Passed on as bytes it would not even be noticed."""
    async with Upstream() as second:
        second.key = UPSTREAM_KEY
        links = [
            link(each, "openai", name=name, priority=place, api_key_env="UPSTREAM_KEY", max_retries=0)
            for place, (name, each) in enumerate({"first": upstream, "second": second}.items())
        ]
        gate = await open_gate({"a": OBSERVE}, upstreams=links)
        upstream.script(Answer.body(b'{"choices":[{"message":{"role":"assistant","content":7}}]}'))
        called = await gate.chat()

        assert (called.status, called.headers["x-jackfield-upstream"]) == (200, "second")
        assert [text for text, *_ in seen] == [text_of(called)]
