"""Anthropic streams: what is written stays one well-formed message, whatever is changed on the way."""

from __future__ import annotations

import json
from typing import Any

import pytest
from msgspec import Raw

from jackfield.errors import RateLimited, UpstreamBroken, UpstreamTimeout
from jackfield.wire.anthropic_messages import AnthropicMessages, AnthropicStreamEncoder
from jackfield.wire.chat import (
    ChatEvent,
    Finish,
    OpaqueEvent,
    StreamEnd,
    StreamFailure,
    StreamStart,
    TextDelta,
    ThinkingDelta,
    ToolCallDelta,
    Usage,
    UsageReport,
)
from jackfield.wire.sse import EventReader

from .golden_cases import GOLDEN, documents
from .sdk_models import anthropic_message

FORMAT = AnthropicMessages()
START = StreamStart(id="msg_1", model="m")


def new_encoder() -> AnthropicStreamEncoder:
    return FORMAT.stream_encoder(model="asked", usage=True)


def written(*events: ChatEvent) -> bytes:
    encoder = new_encoder()
    return b"".join(encoder.encode(event) for event in (START, *events, StreamEnd()))


def message_of(*events: ChatEvent) -> Any:
    message = anthropic_message(documents(written(*events)))
    assert message is not None
    return message


def stream_named(case: str) -> bytes:
    return (GOLDEN / "anthropic_messages" / case / "in.sse").read_bytes()


def rewritten(stream: bytes, change: Any) -> bytes:
    """The stream as a gateway sends it on: an event's own bytes where nothing changed, else what is encoded."""
    decoder, encoder = FORMAT.stream_decoder(), new_encoder()
    sent, changed = b"", False
    for sse in EventReader().feed(stream):
        events = decoder.decode(sse.event, sse.data)
        replaced = tuple(new for event in events for new in change(event))
        changed = changed or replaced != events
        if changed:
            sent += b"".join(encoder.encode(event) for event in replaced)
            continue
        for event in events:
            encoder.observe(event)
        sent += sse.raw
    return sent


def shout(event: ChatEvent) -> tuple[ChatEvent, ...]:
    return (TextDelta(text=event.text.upper(), index=event.index),) if isinstance(event, TextDelta) else (event,)


def without_calls(event: ChatEvent) -> tuple[ChatEvent, ...]:
    return () if isinstance(event, ToolCallDelta) and event.index == 1 else (event,)


def without_text(event: ChatEvent) -> tuple[ChatEvent, ...]:
    return () if isinstance(event, TextDelta) else (event,)


def with_a_last_word(event: ChatEvent) -> tuple[ChatEvent, ...]:
    return (TextDelta(text=" (end)"), event) if isinstance(event, Finish) else (event,)


@pytest.mark.parametrize("change", [shout, without_calls, without_text, with_a_last_word, lambda event: (event,)])
@pytest.mark.parametrize(
    "case", ["stream_text", "stream_parallel_tools", "stream_thinking", "stream_server_tools", "stream_refusal"]
)
def test_a_change_on_the_way_leaves_a_whole_message(case: str, change: Any) -> None:
    assert anthropic_message(documents(rewritten(stream_named(case), change))) is not None


def test_a_dropped_call_leaves_the_other_in_its_place() -> None:
    sent = rewritten(stream_named("stream_parallel_tools"), without_calls)
    message = anthropic_message(documents(sent))
    assert message is not None
    assert [block.type for block in message.content] == ["text", "tool_use"]
    assert message.content[1].id == "toolu_02"  # type: ignore[union-attr]


def test_a_text_released_late_becomes_a_block_of_its_own() -> None:
    message = anthropic_message(documents(rewritten(stream_named("stream_text"), with_a_last_word)))
    assert message is not None
    assert [block.text for block in message.content] == ["Hello!", " (end)"]  # type: ignore[union-attr]


def test_pieces_of_calls_in_any_order_become_whole_calls() -> None:
    message = message_of(
        ToolCallDelta(index=0, id="a", name="f"),
        ToolCallDelta(index=1, id="b", name="g"),
        ToolCallDelta(index=1, arguments='{"y":'),
        ToolCallDelta(index=0, arguments='{"x":'),
        ToolCallDelta(index=1, arguments="2}"),
        TextDelta(text="and"),
        ToolCallDelta(index=0, arguments="1}"),
        Finish(reason="tool_calls"),
    )
    assert [(block.type, getattr(block, "input", None)) for block in message.content] == [
        ("tool_use", {"x": 1}),
        ("tool_use", {"y": 2}),
        ("text", None),
    ]


def test_a_whole_call_is_closed_as_soon_as_another_waits() -> None:
    encoder = new_encoder()
    for event in (
        START,
        ToolCallDelta(index=0, id="a", name="f"),
        ToolCallDelta(index=1, id="b", name="g", arguments='{"y":2}'),
    ):
        encoder.encode(event)
    told = documents(encoder.encode(ToolCallDelta(index=0, arguments='{"x":1}')))
    assert [event["type"] for event in told] == [
        "content_block_delta",
        "content_block_stop",
        "content_block_start",
        "content_block_delta",
    ]


def test_thinking_after_a_signature_is_another_block() -> None:
    message = message_of(
        ThinkingDelta(text="one"),
        ThinkingDelta(signature="s1"),
        ThinkingDelta(text="two", signature="s2"),
        ThinkingDelta(redacted="r"),
        TextDelta(text="so"),
        Finish(reason="stop"),
    )
    assert [block.type for block in message.content] == ["thinking", "thinking", "redacted_thinking", "text"]
    assert [block.signature for block in message.content[:2]] == ["s1", "s2"]


def test_thinking_that_waits_for_a_call_keeps_its_blocks() -> None:
    message = message_of(
        ToolCallDelta(index=0, id="a", name="f", arguments='{"x":'),
        ThinkingDelta(text="one", signature="s1"),
        ThinkingDelta(text="two "),
        ThinkingDelta(text="three", signature="s2"),
        ToolCallDelta(index=0, arguments="1}"),
        Finish(reason="tool_calls"),
    )
    assert [block.type for block in message.content] == ["tool_use", "thinking", "thinking"]
    assert [block.thinking for block in message.content[1:]] == ["one", "two three"]


def test_usage_and_finish_reason_are_told_together_at_the_end() -> None:
    message = message_of(
        TextDelta(text="x"),
        Finish(reason="stop_sequence", stop_sequence="END"),
        UsageReport(usage=Usage(input=10, output=2, cached=4, reasoning=1)),
    )
    assert (message.stop_reason, message.stop_sequence) == ("stop_sequence", "END")
    assert (message.usage.input_tokens, message.usage.cache_read_input_tokens) == (6, 4)
    assert message.usage.output_tokens_details.thinking_tokens == 1


def test_a_silent_upstream_still_makes_a_message() -> None:
    encoder = new_encoder()
    told = documents(encoder.encode(StreamEnd()))
    message = anthropic_message(told)
    assert message is not None
    assert (message.id, message.model, message.stop_reason) == ("msg_unknown", "asked", "end_turn")


def test_a_late_piece_of_a_whole_call_is_reported() -> None:
    encoder = new_encoder()
    for event in (
        START,
        ToolCallDelta(index=0, id="a", name="f", arguments="{}"),
        TextDelta(text="x"),
        ToolCallDelta(index=0, arguments=', "more": 1}'),
    ):
        encoder.encode(event)
    assert encoder.dropped == {"tool_calls[].arguments"}


def test_events_of_another_format_are_reported() -> None:
    encoder = new_encoder()
    assert encoder.encode(START)
    assert encoder.encode(OpaqueEvent(format="openai_chat", type="audio", raw=Raw(b"{}"))) == b""
    assert encoder.dropped == {"audio"}


@pytest.mark.parametrize("begun", [(), (START,), (START, TextDelta(text="Hel"))], ids=len)
def test_a_failure_is_the_last_event(begun: tuple[ChatEvent, ...]) -> None:
    encoder = new_encoder()
    for event in begun:
        encoder.encode(event)
    told = encoder.fail(RateLimited("too many", plugin="limits"))
    assert told.startswith(b"event: error\n")
    assert documents(told) == [
        {
            "type": "error",
            "error": {
                "type": "rate_limit_error",
                "message": "too many",
                "code": "rate_limit_exceeded",
                "plugin": "limits",
            },
        }
    ]
    assert encoder.encode(TextDelta(text="lo")) == encoder.encode(StreamEnd()) == b""
    assert encoder.fail(UpstreamTimeout("again")) == b""


def test_a_failure_of_the_upstream_keeps_its_type_where_it_is_known() -> None:
    assert b'"overloaded_error"' in new_encoder().encode(StreamFailure(code="overloaded_error", message="m"))
    assert b'"api_error"' in new_encoder().encode(StreamFailure(code="quota_gone", message="m"))


@pytest.mark.parametrize(
    "data",
    [
        b"{",
        b"[1]",
        b"nonsense",
        b'{"type":"message_start"}',
        b'{"type":"message_start","message":[]}',
        b'{"type":"ping\\ndata: {}\\n\\nevent: error"}',
        b'{"type":"content_block_start","index":"0","content_block":{}}',
        b'{"type":"content_block_start","index":0,"content_block":{"type":"tool_use","input":[],"id":4}}',
        b'{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":7}}',
        b'{"type":"content_block_delta","index":0}',
        b'{"type":"message_delta","delta":[],"usage":{}}',
        b'{"type":"message_delta","delta":{},"usage":{"output_tokens":"many"}}',
        b'{"type":"error","error":4}',
        b'{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"\xff"}}',
        b'{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"\\ud800"}}',
        b'{"type":"content_block_delta","index":' + b"[" * 9000 + b"]" * 9000 + b"}",
    ],
)
def test_nonsense_of_an_upstream_is_refused(data: bytes) -> None:
    with pytest.raises(UpstreamBroken):
        FORMAT.stream_decoder().decode("", data)


@pytest.mark.parametrize(
    ("event", "data", "expected"),
    [
        ("", b"", ()),
        ("ping", b'{"type":"ping"}', ()),
        ("", b"[DONE]", (StreamEnd(),)),
        ("message_stop", b"{}", (StreamEnd(),)),
        ("error", b'{"error":"gone"}', (StreamFailure(code="api_error", message="gone"),)),
        ("", b'{"error":{"message":"m","code":7}}', (StreamFailure(code="7", message="m"),)),
    ],
)
def test_quirks_of_compatible_servers_are_understood(event: str, data: bytes, expected: tuple[ChatEvent, ...]) -> None:
    assert FORMAT.stream_decoder().decode(event, data) == expected


@pytest.mark.parametrize("index", ["null", "-1", "7", '0,"index":0', str(10**30)])
@pytest.mark.parametrize(
    "rest", ['"content_block_stop"', '"content_block_start","content_block":{"type":"novel"}', '"novel"']
)
def test_what_was_decoded_can_be_encoded(rest: str, index: str) -> None:
    data = b'{"index":%b,"type":%b}' % (index.encode(), rest.encode())
    encoder, observer = new_encoder(), new_encoder()
    for event in FORMAT.stream_decoder().decode("", data):
        assert isinstance(encoder.encode(event), bytes)
        observer.observe(event)
    assert documents(encoder.encode(StreamEnd()))[-1] == {"type": "message_stop"}


def test_input_given_at_the_start_of_a_call_is_kept() -> None:
    start = {"type": "tool_use", "id": "a", "name": "f", "input": {"x": 1}}
    data = json.dumps({"type": "content_block_start", "index": 0, "content_block": start}).encode()
    (event,) = FORMAT.stream_decoder().decode("", data)
    assert isinstance(event, ToolCallDelta)
    assert json.loads(event.arguments) == {"x": 1}
