"""What a hook that observes sees of a stream that is longer than what is kept: an error, and never half an answer."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from jackfield.pipeline import kept
from jackfield.pipeline.kept import KeptBytes, KeptEvents, weigh
from jackfield.testing import Answer
from jackfield.wire import format_named
from jackfield.wire.chat import ChatResponse, ErrorResponse, OpaqueEvent, TextDelta, ThinkingDelta, ToolCallDelta

from .gate import deltas_of
from .test_sees_answer import seen_by

LONG = "word " * 200
LOOK = """
@hook("response_body", on_failure="open")
async def look(self, exchange):
    SEEN.append((exchange.response, exchange.response.text()))

@hook("background", sees_answer=True)
async def look_later(self, exchange):
    SEEN.append((exchange.response, exchange.response.text()))
"""
CHUNKS = """
@hook("response_chunk", on_failure="open")
async def pass_on(self, exchange, event): ...
"""
WAYS: dict[str, dict[str, Any]] = {
    "forwarded": {"plugins": {"looker": LOOK}},
    "translated": {"plugins": {"looker": LOOK}, "provider": "anthropic"},
    "past a hook on chunks": {"plugins": {"looker": LOOK, "chunks": CHUNKS}},
}


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
@pytest.mark.parametrize("fits", [True, False], ids=["that fits", "that does not fit"])
async def test_a_stream_reaches_its_client_whole_and_its_hooks_within_bounds(
    open_gate: Any, seen: list[Any], monkeypatch: pytest.MonkeyPatch, way: dict[str, Any], fits: bool
) -> None:
    monkeypatch.setattr(kept, "HELD_BYTES", 1_000_000 if fits else 900)
    gate = await open_gate(**way)
    gate.upstream.script(Answer.text(LONG))
    assert "".join(deltas_of(await gate.stream())) == LONG
    found = await seen_by(seen, 2)
    if fits:
        assert [text for _, text in found] == [LONG, LONG]
    else:
        assert {(response.code, text) for response, text in found} == {("answer_too_long", "")}
    record = await gate.record()
    assert (record["status"], record["error"], record["finish_reason"]) == (200, None, "stop")
    assert record["output_tokens"] > 0


def test_what_is_too_long_is_let_go_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept, "HELD_BYTES", 1000)
    as_bytes, as_events = KeptBytes(format_named("openai_chat")), KeptEvents()
    for _ in range(40):
        as_bytes.add(b"x" * 100)
        as_events.add(TextDelta(text="x" * 100))
        assert sum(map(len, as_bytes._pieces)) <= 1000
    assert as_bytes._pieces == []
    assert as_events._collector is None
    for each in (as_bytes.response(), as_events.response()):
        assert isinstance(each, ErrorResponse)
        assert "1000 bytes" in each.message


def test_up_to_the_bound_all_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    event = TextDelta(text="x" * 100)
    monkeypatch.setattr(kept, "HELD_BYTES", 10 * weigh(event))
    events = KeptEvents()
    for _ in range(10):
        events.add(event)
    response = events.response()
    assert isinstance(response, ChatResponse)
    assert len(response.text()) == 1000


@pytest.mark.parametrize(
    "event",
    [
        TextDelta(text="x" * 500),
        ThinkingDelta(text="x" * 250, signature="x" * 250),
        ThinkingDelta(redacted="x" * 500),
        ToolCallDelta(index=0, arguments="x" * 500),
        OpaqueEvent(format="openai_chat", type="odd", raw=msgspec.Raw(b'"' + b"x" * 498 + b'"')),
    ],
)
def test_an_event_weighs_what_it_holds(event: Any) -> None:
    assert weigh(event) == 564
