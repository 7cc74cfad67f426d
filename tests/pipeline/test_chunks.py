"""`response_chunk`: each event of a stream, with text held back and looked back at."""

from __future__ import annotations

import json
from typing import Any

import pytest

from jackfield.testing import Answer

from .conftest import OpenGate
from .gate import deadline_ms, deltas_of, stream_error_of, text_of

MASK = """
    @hook("response_chunk", on_failure="open", hold={hold})
    async def mask(self, exchange, event):
        if isinstance(event, TextDelta) and "{word}" in event.text:
            return Replace(edit(event, text=event.text.replace("{word}", "{mask}")))
"""
LOOK = """
    @hook("response_chunk", on_failure="open"{options})
    async def look(self, exchange, event):
        SEEN.append((type(event).__name__, getattr(event, "text", None), exchange.behind))
"""


def mask(word: str, mask: str, hold: int) -> str:
    return MASK.format(word=word, mask=mask, hold=hold)


async def test_each_event_is_seen_and_the_stream_is_as_it_was(open_gate: OpenGate, seen: list[Any]) -> None:
    plain = await open_gate({})
    before = await plain.stream("one two")
    gate = await open_gate({"a": LOOK.format(options="")})
    called = await gate.stream("one two")
    assert deltas_of(called) == deltas_of(before) == ["You", " said:", " one", " two"]
    assert [text for _, text, _ in seen if text] == ["You", " said:", " one", " two"]
    assert [kind for kind, _, _ in seen][-2:] == ["UsageReport", "StreamEnd"]


async def test_whole_answers_have_no_events(open_gate: OpenGate, seen: list[Any]) -> None:
    gate = await open_gate({"a": LOOK.format(options="")})
    assert text_of(await gate.chat()) == "You said: hello"
    assert seen == []


async def test_a_pattern_that_is_split_over_events_is_found(open_gate: OpenGate) -> None:
    gate = await open_gate({"a": mask("two three", "###", 9)})
    called = await gate.stream("one two three four")
    assert "".join(deltas_of(called)) == "You said: one ### four"
    assert "two" not in called.body.decode()


async def test_without_hold_it_slips_through(open_gate: OpenGate) -> None:
    gate = await open_gate({"a": mask("two three", "###", 0)})
    assert "".join(deltas_of(await gate.stream("one two three"))) == "You said: one two three"


async def test_a_pattern_at_the_very_end_is_found_and_held_text_is_not_lost(open_gate: OpenGate) -> None:
    gate = await open_gate({"a": mask("three four", "###", 10)})
    called = await gate.stream("one two three four")
    assert "".join(deltas_of(called)) == "You said: one two ###"
    assert called.events[-1][1] == "[DONE]"
    kept = await open_gate({"a": mask("absent", "###", 500)})
    assert "".join(deltas_of(await kept.stream("one two"))) == "You said: one two"


async def test_held_text_goes_before_the_event_that_follows_it(open_gate: OpenGate, upstream: Any) -> None:
    gate = await open_gate({"a": mask("absent", "###", 50)})
    upstream.always(Answer.tool_calls(("look", {"at": "it"}), text="Let me look."))
    called = await gate.stream()
    kinds = []
    for _, data in called.events:
        if data != "[DONE]":
            delta = (json.loads(data)["choices"] or [{"delta": {}}])[0]["delta"]
            kinds += [kind for kind in ("content", "tool_calls") if delta.get(kind)]
    assert kinds[0] == "content"
    assert kinds.index("tool_calls") > max(place for place, kind in enumerate(kinds) if kind == "content")
    assert "".join(deltas_of(called)) == "Let me look."


async def test_the_choices_of_one_stream_are_held_apart(open_gate: OpenGate) -> None:
    gate = await open_gate({"a": mask("two three", "###", 9)})
    called = await gate.stream("one two three four", n=2)
    texts = {0: "", 1: ""}
    for _, data in called.events:
        for choice in json.loads(data)["choices"] if data != "[DONE]" else ():
            texts[choice["index"]] += choice["delta"].get("content") or ""
    assert texts == {0: "You said: one ### four", 1: "You said: one ### four"}


async def test_several_hooks_work_on_what_the_one_before_left(open_gate: OpenGate) -> None:
    gate = await open_gate(
        {"c": mask("one two", "three", 7), "b": mask("three four", "five", 10), "a": mask("five", "six", 4)}
    )
    assert "".join(deltas_of(await gate.stream("one two four end"))) == "You said: six end"


async def test_looking_behind_shows_what_was_sent_and_no_more_than_asked_for(
    open_gate: OpenGate, seen: list[Any]
) -> None:
    gate = await open_gate({"a": LOOK.format(options=", look_behind=6")})
    await gate.stream("one two")
    behind = [behind for kind, _, behind in seen if kind == "TextDelta"]
    assert behind == ["", "You", " said:"[-6:], "d: one"]


@pytest.mark.parametrize("hold", [0, 3])
async def test_an_event_may_be_dropped_or_become_several(open_gate: OpenGate, hold: int) -> None:
    gate = await open_gate(
        {
            "a": """
                @hook("response_chunk", on_failure="open")
                async def change(self, exchange, event):
                    if isinstance(event, TextDelta) and event.text == " one":
                        return Drop()
                    if isinstance(event, TextDelta) and event.text == " two":
                        return Replace((edit(event, text=" 2a"), edit(event, text=" 2b")))
                    if isinstance(event, TextDelta) and event.text == " three":
                        return Replace(())
            """
        }
    )
    assert deltas_of(await gate.stream("one two three four")) == ["You", " said:", " 2a", " 2b", " four"]


async def test_a_rejection_cuts_the_stream_with_an_error_event(open_gate: OpenGate) -> None:
    gate = await open_gate(
        {
            "a": """
                @hook("response_chunk", on_failure="open", hold=4)
                async def cut(self, exchange, event):
                    if isinstance(event, TextDelta) and "two" in event.text:
                        return Reject(451, "cut", "Enough.")
            """
        }
    )
    called = await gate.stream("one two three")
    assert called.complete
    assert "".join(deltas_of_cut(called)).startswith("You said:")
    assert "two" not in called.body.decode()
    error = stream_error_of(called)
    assert (error["code"], error["message"], error["plugin"]) == ("cut", "Enough.", "a")
    record = await gate.record()
    assert (record["error"], record["plugin"]) == ("cut", "a")
    await gate.upstream.idle()


def deltas_of_cut(called: Any) -> list[str]:
    """As `deltas_of`, of a stream that ends in an error."""
    found = [json.loads(data) for _, data in called.events if data != "[DONE]"]
    return [choice["delta"].get("content") or "" for event in found for choice in event.get("choices", ())]


@pytest.mark.parametrize("policy", ["open", "closed"])
@pytest.mark.parametrize("body", ["raise ValueError('broken')", "return 'nonsense'", "await asyncio.Event().wait()"])
async def test_the_stated_policy_decides_where_one_fails(open_gate: OpenGate, policy: str, body: str) -> None:
    gate = await open_gate(
        {
            "a": f"""
                @hook("response_chunk", on_failure="{policy}", timeout_ms={deadline_ms(body)})
                async def fail(self, exchange, event):
                    if getattr(event, "text", "") == " two":
                        {body}
            """
        }
    )
    called = await gate.stream("one two three")
    if policy == "open":
        assert "".join(deltas_of(called)) == "You said: one two three"
    else:
        assert stream_error_of(called)["code"] == ("plugin_timeout" if "wait" in body else "plugin_failed")
        assert " two" not in deltas_of_cut(called)


async def test_an_edited_whole_still_passes_the_hooks_on_its_events(open_gate: OpenGate) -> None:
    edits = """
        @hook("response_body", on_failure="open", edits=True)
        async def body(self, exchange):
            return Replace(exchange.response.with_text("edited secret"))
    """
    gate = await open_gate({"a": mask("secret", "###", 6), "b": edits})
    assert "".join(deltas_of(await gate.stream())) == "edited ###"


async def test_a_body_observer_sees_what_the_client_got(open_gate: OpenGate, seen: list[Any]) -> None:
    observes = """
        @hook("response_body", on_failure="open")
        async def body(self, exchange):
            SEEN.append(exchange.response.text())
    """
    gate = await open_gate({"a": mask("hello", "###", 5), "b": observes})
    await gate.stream()
    await gate.record()
    assert seen == ["You said: ###"]


@pytest.mark.parametrize("path", ["/v1/messages", "/v1/chat/completions"])
@pytest.mark.parametrize("provider", ["openai", "anthropic"])
async def test_events_are_the_same_whatever_both_sides_speak(open_gate: OpenGate, path: str, provider: str) -> None:
    gate = await open_gate({"a": mask("two three", "###", 9)}, provider=provider)
    body = {"model": "scripted", "max_tokens": 50, "messages": [{"role": "user", "content": "one two three"}]}
    called = await gate.post(path, body | {"stream": True})
    assert called.status == 200
    assert called.complete
    said = called.body.decode()
    assert "###" in said
    assert "two" not in said


async def test_held_text_is_sent_before_the_error_of_an_upstream_that_breaks_off(open_gate: OpenGate) -> None:
    gate = await open_gate({"a": mask("absent", "###", 100)})
    gate.upstream.always(Answer.close_after(4))
    called = await gate.stream("one two three four five")
    assert stream_error_of(called)["code"] == "upstream_broken"
    assert "".join(deltas_of_cut(called)).startswith("You said:")


async def test_a_provider_in_process_that_just_stops_is_broken_and_loses_no_text(open_gate: OpenGate) -> None:
    provider = """
        async def complete(self, request, upstream): raise NotImplementedError
        async def embed(self, request, upstream): raise NotImplementedError
        async def stream(self, request, upstream):
            from jackfield.wire.chat import StreamStart
            yield StreamStart(id="1", model="m")
            yield TextDelta(text="all of this")
    """
    links = [{"name": "own", "provider": "own", "models": ["scripted"], "max_retries": 0}]
    gate = await open_gate({"own": provider, "a": mask("absent", "###", 100)}, upstreams=links)
    called = await gate.stream()
    assert stream_error_of(called)["code"] == "upstream_broken"
