"""What the Responses format shares with the others survives the way there and back, and every stream is whole."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from jackfield.wire.anthropic_messages import AnthropicMessages
from jackfield.wire.base import WireFormat
from jackfield.wire.chat import NO_USAGE, ChatEvent, ChatRequest, ChatResponse, Part, TextDelta, Thinking
from jackfield.wire.collect import StreamCollector, replay
from jackfield.wire.openai_chat import OpenAIChat
from jackfield.wire.openai_responses import OpenAIResponses
from jackfield.wire.sse import EventReader

from .conversations import requests, responses, streams
from .golden_cases import decoded, documents, encoded
from .sdk_models import check_responses_request, check_responses_response, output_told, streamed_response
from .test_translation_properties import request_through, response_through

RESPONSES = OpenAIResponses()
OTHERS = pytest.mark.parametrize("other", [OpenAIChat(), AnthropicMessages()], ids=["openai", "anthropic"])
PATIENT = settings(deadline=None, max_examples=25)


def comparable(request: ChatRequest) -> ChatRequest:
    """Without what only one of the formats can ask for, or says for itself."""
    tools = tuple(replace(tool, strict=bool(tool.strict)) for tool in request.tools)
    return replace(request, stop=(), tools=tools)


def without_items(response: ChatResponse) -> ChatResponse:
    (choice,) = response.choices
    parts: tuple[Any, ...] = tuple(replace(part, item=None) for part in choice.message.parts)  # type: ignore[type-var]
    message = replace(choice.message, parts=parts)
    return replace(response, choices=(replace(choice, message=message),), created=None, echo={})


def collected(events: list[ChatEvent]) -> ChatResponse:
    collector = StreamCollector()
    for event in events:
        collector.add(event)
    assert collector.finished
    return collector.response()


def read_back(stream: bytes) -> ChatResponse:
    return collected(decoded(RESPONSES.stream_decoder(), stream))


def told(response: ChatResponse) -> tuple[Any, ...]:
    """What an answer says, in whatever parts."""
    (choice,) = response.choices
    parts: tuple[Part, ...] = choice.message.parts
    thoughts = "".join(part.text for part in parts if isinstance(part, Thinking))
    calls = [(call.id, call.name, json.loads(call.arguments)) for call in choice.message.tool_calls()]
    return response.text(), thoughts, calls, choice.finish_reason, response.usage or NO_USAGE


@OTHERS
@given(request=requests())
@PATIENT
def test_a_request_of_another_format_means_the_same_after_a_journey(other: WireFormat, request: ChatRequest) -> None:
    start = request_through(comparable(request), other)
    away = RESPONSES.encode_request(start)
    check_responses_request(json.loads(away.body))
    back = request_through(RESPONSES.decode_request(away.body), other)
    assert back == start


@OTHERS
@given(request=requests())
@PATIENT
def test_a_request_means_the_same_after_a_journey(other: WireFormat, request: ChatRequest) -> None:
    start = request_through(comparable(request), RESPONSES)
    back = request_through(request_through(start, other), RESPONSES)
    assert replace(back, extra=start.extra) == start


@OTHERS
@given(response=responses())
@PATIENT
def test_a_response_means_the_same_after_a_journey(other: WireFormat, response: ChatResponse) -> None:
    start = response_through(response, other)
    written = RESPONSES.encode_response(start)
    check_responses_response(json.loads(written.body))
    back = response_through(RESPONSES.decode_response(written.body), other)
    assert without_items(back) == without_items(start)


@given(response=responses(signed=True), data=st.data())
@PATIENT
def test_any_stream_of_an_answer_is_written_as_that_answer(response: ChatResponse, data: st.DataObject) -> None:
    written = encoded(RESPONSES.stream_encoder(model="m", usage=True), data.draw(streams(response)))
    whole = streamed_response(documents(written))
    assert (whole is None) == (response.choices[0].finish_reason == "length")
    assert told(read_back(written)) == told(response)


@given(response=responses(signed=True))
@PATIENT
def test_a_replayed_answer_is_the_answer(response: ChatResponse) -> None:
    written = encoded(RESPONSES.stream_encoder(model="m", usage=True), list(replay(response)))
    streamed_response(documents(written))
    whole = json.loads(RESPONSES.encode_response(response).body)
    assert documents(written)[-1]["response"] == whole


@OTHERS
@given(response=responses(signed=True), data=st.data())
@PATIENT
def test_a_stream_survives_both_formats(other: WireFormat, response: ChatResponse, data: st.DataObject) -> None:
    away = encoded(RESPONSES.stream_encoder(model="m", usage=True), data.draw(streams(response)))
    there = encoded(other.stream_encoder(model="m", usage=True), decoded(RESPONSES.stream_decoder(), away))
    assert told(collected(decoded(other.stream_decoder(), there))) == told(response)


@given(response=responses(signed=True), data=st.data())
@PATIENT
def test_a_stream_may_be_written_anew_from_anywhere_in_it(response: ChatResponse, data: st.DataObject) -> None:
    """Its beginning goes out as it came; from some text on, which a plugin has changed, nothing does."""
    upstream = encoded(RESPONSES.stream_encoder(model="m", usage=True), data.draw(streams(response)))
    raws = [event.raw for event in EventReader().feed(upstream)]
    changed_at = data.draw(st.integers(0, len(raws) - 1))
    decoder, encoder = RESPONSES.stream_decoder(), RESPONSES.stream_encoder(model="m", usage=True)
    out, kept = [], []
    for place, raw in enumerate(raws):
        for said in decoded(decoder, raw):
            event = said
            if place < changed_at:
                encoder.observe(event)
            else:
                event = replace(event, text=event.text.upper()) if isinstance(event, TextDelta) else event
                out.append(encoder.encode(event))
            kept.append(event)
        if place < changed_at:
            out.append(raw)
    written = b"".join(out)
    streamed_response(documents(written))
    assert output_told(documents(written)) == documents(written)[-1]["response"]["output"]
    assert told(read_back(written)) == told(collected(kept))
