"""`response_chunk` on streams of the Responses format, whose later events repeat what earlier ones said."""

from __future__ import annotations

import json
from typing import Any

import pytest

from jackfield.testing import Answer, Called, Reply
from jackfield.testing.replies import call_tools

from .conftest import OpenGate
from .gate import Gate, error_of
from .test_chunks import LOOK, mask

ONLY = {"options": {"responses": "only"}}
PATH = "/v1/responses"


async def ask(gate: Gate, text: str = "one two three four", **fields: Any) -> Called:
    return await gate.post(PATH, {"model": "scripted", "input": text, "stream": True, **fields})


def events_of(called: Called) -> list[dict[str, Any]]:
    assert called.status == 200, called.body
    events = [json.loads(data) for _, data in called.events if data]
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    return events


def said(called: Called) -> tuple[str, str]:
    """The text of the deltas, and of the answer that the last event repeats."""
    events = events_of(called)
    deltas = "".join(event["delta"] for event in events if event["type"] == "response.output_text.delta")
    parts = [part for item in events[-1]["response"]["output"] for part in item.get("content", ())]
    return deltas, "".join(part["text"] for part in parts)


async def test_a_stream_that_is_only_looked_at_is_passed_on_as_it_came(open_gate: OpenGate, seen: list[Any]) -> None:
    plain = await ask(await open_gate({}, **ONLY))
    looked = await ask(await open_gate({"a": LOOK.format(options="")}, **ONLY))
    number = b"resp_00000002"
    assert looked.body.replace(number, b"resp_00000001").replace(b"msg_00000002", b"msg_00000001") == plain.body
    assert "".join(text for _, text, _ in seen if text) == "You said: one two three four"


@pytest.mark.parametrize("hold", [0, 9])
@pytest.mark.parametrize("word", ["two", "three"])
async def test_what_a_plugin_took_out_is_nowhere_repeated(open_gate: OpenGate, hold: int, word: str) -> None:
    called = await ask(await open_gate({"a": mask(word, "###", hold)}, **ONLY))
    text = "You said: one two three four".replace(word, "###")
    assert said(called) == (text, text)
    assert word.encode() not in called.body


async def test_what_follows_a_change_keeps_its_names(open_gate: OpenGate, upstream: Any) -> None:
    """Items that had begun, and those that begin later, have the ids that their upstream gave them."""
    reply = Reply(text="Let me look", thinking="So it is", tool_calls=call_tools(("look", {"at": "it"})))
    upstream.always(Answer.reply(reply))
    plain = events_of(await ask(await open_gate({}, **ONLY)))
    changed = events_of(await ask(await open_gate({"a": mask("me", "you", 0)}, **ONLY)))
    ids = [[item["id"].split("_")[0] for item in events[-1]["response"]["output"]] for events in (plain, changed)]
    assert ids[0] == ids[1] == ["rs", "msg", "fc"]
    assert [event["type"] for event in plain] == [event["type"] for event in changed]
    last = changed[-1]["response"]["output"]
    assert [item["id"][3:].lstrip("_")[:8] for item in last] == ["00000002"] * 3


async def test_an_upstream_that_repeats_another_text_is_written_anew(open_gate: OpenGate, upstream: Any) -> None:
    """A plugin has seen the deltas alone."""
    good = await ask(await open_gate({}, **ONLY))
    lie = good.body.replace(b'"text":"You said: one two three four"', b'"text":"Buy pills"')
    upstream.always(Answer.body(lie, content_type="text/event-stream"))
    assert b"Buy pills" in (await ask(await open_gate({}, **ONLY))).body
    called = await ask(await open_gate({"a": LOOK.format(options="")}, **ONLY))
    assert said(called) == ("You said: one two three four",) * 2
    assert b"Buy pills" not in called.body


async def test_a_whole_answer_may_be_edited_before_it_is_streamed(open_gate: OpenGate) -> None:
    shouts = """
        @hook("response_body", edits=True, on_failure="open")
        async def shout(self, exchange):
            return Replace(exchange.response.with_text(exchange.response.text().upper()))
    """
    called = await ask(await open_gate({"a": shouts}, **ONLY), metadata={"team": "a"})
    assert said(called) == ("YOU SAID: ONE TWO THREE FOUR",) * 2
    assert events_of(called)[-1]["response"]["metadata"] == {"team": "a"}


async def test_a_plugin_may_cut_it(open_gate: OpenGate) -> None:
    cuts = """
        @hook("response_chunk", on_failure="open")
        async def cut(self, exchange, event):
            if isinstance(event, TextDelta) and "two" in event.text:
                return Reject(403, "enough", "That is enough.")
    """
    events = events_of(await ask(await open_gate({"a": cuts}, **ONLY)))
    assert [event["type"] for event in events[-2:]] == ["response.failed", "error"]
    assert events[-1]["error"]["code"] == "enough"
    assert events[-1]["error"]["plugin"] == "a"


async def test_requests_are_seen_as_conversations(open_gate: OpenGate, seen: list[Any]) -> None:
    reads = """
        @hook("pre_flight", on_failure="open")
        async def read(self, exchange):
            SEEN.append((exchange.client_format, exchange.operation, exchange.request.last_user_text()))
            return Replace(edit(exchange.request, temperature=0.5))
    """
    gate = await open_gate({"a": reads}, **ONLY)
    fields = {"previous_response_id": "resp_1", "brand_new": 1, "tools": [{"type": "web_search"}]}
    called = await ask(gate, "hello", stream=False, **fields)
    assert seen == [("openai_responses", "chat", "hello")]
    assert called.status == 400  # the upstream's own words for `brand_new`, which it was sent
    assert gate.asked[0] == {"model": "scripted", "input": "hello", "temperature": 0.5, **fields}


async def test_routing_cannot_lead_to_an_upstream_that_would_not_understand(open_gate: OpenGate, upstream: Any) -> None:
    leads = """
        @hook("routing")
        async def lead(self, exchange):
            return Replace(edit(exchange.candidates[0], upstream="other"))
    """
    own = {"provider": "openai", "base_url": upstream.openai_url, "api_key_env": "UPSTREAM_KEY", "max_retries": 0}
    links = [
        {**own, "name": "own", "models": ["scripted"], **ONLY},
        {**own, "name": "other", "models": ["scripted"], "priority": 1},
    ]
    plain = await open_gate({}, upstreams=links)
    for _ in range(3):
        kept = await ask(plain, previous_response_id="resp_1")
        assert kept.headers["x-jackfield-upstream"] == "own"
    gate = await open_gate({"a": leads}, upstreams=links)
    refused = await ask(gate, previous_response_id="resp_1")
    assert error_of(refused)[0] == 502
    assert error_of(refused)[2] == "a"
