"""Streams of the Chat Completions API: forwarding, changing on the way, and failing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from jackfield.errors import PluginFailed, UpstreamBroken
from jackfield.wire.chat import (
    ChatEvent,
    Finish,
    OpaqueEvent,
    RefusalDelta,
    StreamEnd,
    StreamFailure,
    StreamStart,
    TextDelta,
    ThinkingDelta,
    ToolCallDelta,
    Usage,
    UsageReport,
)
from jackfield.wire.openai_chat import OpenAIChat
from jackfield.wire.sse import EventReader

from .golden_cases import cases, documents, name_of

FORMAT = OpenAIChat()
START = StreamStart(id="c1", model="gpt-4o", created=7)
USAGE = UsageReport(usage=Usage(input=3, output=2))


def chunk(**fields: object) -> bytes:
    return b"data: " + json.dumps({"id": "c1", **fields}).encode() + b"\n\n"


TEXT = chunk(choices=[{"index": 0, "delta": {"content": "hi"}, "finish_reason": None}], usage=None)
FINISH = chunk(choices=[{"index": 0, "delta": {}, "finish_reason": "stop"}])
ONLY_USAGE = chunk(choices=[], usage={"prompt_tokens": 3, "completion_tokens": 2})
DONE = b"data: [DONE]\n\n"


def test_forwarded_bytes_pass_unchanged_and_tell_usage_and_end() -> None:
    scanner = FORMAT.stream_scanner(strip_usage=False)
    for events in (TEXT + TEXT, FINISH, ONLY_USAGE + DONE):
        assert scanner.feed(events) == events
    assert scanner.scan.usage == Usage(input=3, output=2)
    assert (scanner.scan.finish_reason, scanner.scan.finished, scanner.scan.error) == ("stop", True, None)


@pytest.mark.parametrize("spaces", [(",", ":"), (", ", ": "), (" , ", "  :  ")])
def test_usage_that_only_we_asked_for_is_taken_out(spaces: tuple[str, str]) -> None:
    def again(event: bytes) -> bytes:
        return b"data: " + json.dumps(json.loads(event[6:]), separators=spaces).encode() + b"\n\n"

    scanner = FORMAT.stream_scanner(strip_usage=True)
    kept = [again(TEXT), again(FINISH)]
    assert scanner.feed(b"".join((*kept, again(ONLY_USAGE), DONE))) == b"".join((*kept, DONE))
    assert scanner.scan.usage == Usage(input=3, output=2)


def test_usage_beside_the_last_choice_stays() -> None:
    event = chunk(choices=[{"index": 0, "delta": {}, "finish_reason": "length"}], usage={"prompt_tokens": 3})
    scanner = FORMAT.stream_scanner(strip_usage=True)
    assert scanner.feed(event) == event
    assert (scanner.scan.finish_reason, scanner.scan.usage) == ("length", Usage(input=3))


def test_a_text_about_usage_and_errors_is_only_text() -> None:
    words = 'the "usage": {"prompt_tokens": 9} of an {"error": "x"} and "finish_reason": "stop"'
    event = chunk(choices=[{"index": 0, "delta": {"content": words}, "finish_reason": None}])
    scanner = FORMAT.stream_scanner(strip_usage=True)
    assert scanner.feed(event) == event
    assert (scanner.scan.usage, scanner.scan.error, scanner.scan.finished) == (None, None, False)


@pytest.mark.parametrize(
    "event",
    [
        b'data: {"error":{"message":"overloaded","code":"busy"}}\n\n',
        b'event: error\ndata: {"message":"overloaded","code":"busy"}\n\n',
        b'data: {"object":"error","message":"overloaded","type":"x","param":null,"code":"busy"}\n\n',
        b'data: {"id":"c1","error":{"message":"overloaded","code":"busy"},"choices":[{"delta":{}}]}\r\n\r\n',
    ],
)
def test_an_error_in_a_forwarded_stream_is_noted(event: bytes) -> None:
    scanner = FORMAT.stream_scanner(strip_usage=True)
    assert scanner.feed(event) == event
    assert scanner.scan.error == "busy: overloaded"
    assert not scanner.scan.finished
    told = [FORMAT.stream_decoder().decode(one.event, one.data) for one in EventReader().feed(event)]
    assert told == [(StreamFailure(code="busy", message="overloaded"),)]


def test_a_stream_without_its_end_mark_is_finished_by_its_finish_reason() -> None:
    scanner = FORMAT.stream_scanner(strip_usage=False)
    scanner.feed(TEXT)
    assert not scanner.scan.finished
    scanner.feed(FINISH)
    assert scanner.scan.finished


@pytest.mark.parametrize("case", cases("openai_chat", "stream_"), ids=name_of)
def test_the_scanner_and_the_decoder_agree(case: Path) -> None:
    stream = (case / "in.sse").read_bytes()
    scanner = FORMAT.stream_scanner(strip_usage=False)
    assert scanner.feed(stream) == stream
    events = json.loads((case / "canonical.json").read_text(encoding="utf-8"))
    kinds = {event["_"] for event in events}
    assert (scanner.scan.usage is not None) == ("UsageReport" in kinds)
    assert (scanner.scan.finish_reason is not None) == bool(kinds & {"Finish"})
    assert (scanner.scan.error is not None) == ("StreamFailure" in kinds)


def written(events: list[ChatEvent], *, usage: bool = False) -> list[dict[str, object]]:
    encoder = FORMAT.stream_encoder(model="asked", usage=usage)
    found: list[dict[str, object]] = documents(b"".join(encoder.encode(event) for event in events))
    return found


def test_usage_is_written_last_and_only_where_the_client_asked() -> None:
    events: list[ChatEvent] = [START, USAGE, TextDelta(text="hi"), Finish(reason="stop"), StreamEnd()]
    assert all("usage" not in document for document in written(events))
    *_, last = written(events, usage=True)
    assert last["choices"] == []
    assert last["usage"] == {
        "prompt_tokens": 3,
        "completion_tokens": 2,
        "total_tokens": 5,
        "prompt_tokens_details": {"cached_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 0},
    }


def test_the_client_is_told_a_model_where_the_upstream_is_silent() -> None:
    assert [d["model"] for d in written([TextDelta(text="hi")])] == ["asked", "asked"]
    assert written([StreamStart(id="", model="told")])[0]["model"] == "told"


def test_after_forwarded_events_a_changed_one_fits_the_stream() -> None:
    encoder = FORMAT.stream_encoder(model="asked", usage=True)
    for event in (START, ToolCallDelta(index=4, id="a", name="f"), RefusalDelta(text="x", choice=1)):
        encoder.observe(event)
    piece, other = documents(
        encoder.encode(ToolCallDelta(index=4, arguments="{}")) + encoder.encode(TextDelta(text="y", choice=1))
    )
    assert (piece["id"], piece["model"], piece["created"]) == ("c1", "gpt-4o", 7)
    assert piece["choices"][0]["delta"] == {"tool_calls": [{"index": 0, "function": {"arguments": "{}"}}]}
    assert other["choices"][0]["delta"] == {"content": "y"}


def test_a_forwarded_usage_report_is_not_repeated() -> None:
    encoder = FORMAT.stream_encoder(model="asked", usage=True)
    encoder.encode(USAGE)
    encoder.observe(USAGE)
    assert encoder.encode(StreamEnd()) == DONE


def test_tool_calls_are_numbered_from_nought_whatever_their_source_counts() -> None:
    calls: list[ChatEvent] = [
        ToolCallDelta(index=1, id="a", name="f"),
        ToolCallDelta(index=3, id="b", name="g"),
        ToolCallDelta(index=1, arguments="{}"),
    ]
    _, *pieces = [
        d["choices"][0]["delta"]
        for d in documents(b"".join(map(FORMAT.stream_encoder(model="m", usage=False).encode, calls)))
    ]
    assert [piece["tool_calls"][0]["index"] for piece in pieces] == [0, 1, 0]


def test_an_empty_piece_writes_nothing() -> None:
    encoder = FORMAT.stream_encoder(model="m", usage=False)
    for event in (TextDelta(text=""), ThinkingDelta(), ToolCallDelta(index=0)):
        assert encoder.encode(event) == b""


@pytest.mark.parametrize("begun", [True, False])
def test_a_failure_is_told_and_nothing_follows_it(begun: bool) -> None:
    encoder = FORMAT.stream_encoder(model="m", usage=True)
    if begun:
        encoder.encode(START)
    (document,) = documents(encoder.fail(PluginFailed("it broke", plugin="p")))
    assert document["error"] == {
        "message": "it broke",
        "type": "server_error",
        "code": "plugin_failed",
        "param": None,
        "plugin": "p",
    }
    assert encoder.encode(StreamEnd()) == b""


def test_an_event_in_several_lines_of_data_stays_one_event() -> None:
    sent = b'data: {"choices":[{"delta":{"audio":{"id":"a"}}}],\ndata: "model":"m"}\n\n'
    (event,) = EventReader().feed(sent)
    encoder = FORMAT.stream_encoder(model="m", usage=False)
    told = b"".join(encoder.encode(told) for told in FORMAT.stream_decoder().decode("", event.data))
    assert [json.loads(one.data) for one in EventReader().feed(told)][-1] == json.loads(event.data)


def test_what_has_no_place_is_reported() -> None:
    encoder = FORMAT.stream_encoder(model="m", usage=False)
    raw = FORMAT.decode_request(b'{"model":"m","messages":[{"role":"user","content":"x"}],"x":{}}').extra["x"]
    for kind in ("content_block_start", "content_block_stop"):
        assert encoder.encode(OpaqueEvent(format="anthropic_messages", type=kind, raw=raw)) == b""
    encoder.encode(Finish(reason="stop_sequence", stop_sequence="END"))
    assert encoder.dropped == {"stream.content_block_start", "stop_sequence"}


@pytest.mark.parametrize("data", [b"{", b"[]", b"7", b'{"choices":7}', b'{"choices":[{"delta":{"content":7}}]}'])
def test_an_event_that_is_nonsense_is_the_upstreams_fault(data: bytes) -> None:
    with pytest.raises(UpstreamBroken, match="not understood"):
        FORMAT.stream_decoder().decode("", data)
