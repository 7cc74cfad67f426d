"""What both chat formats can say survives the way there and back."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from jackfield.wire.anthropic_messages import AnthropicMessages
from jackfield.wire.base import WireFormat
from jackfield.wire.chat import NO_USAGE, ChatRequest, ChatResponse
from jackfield.wire.collect import StreamCollector, replay
from jackfield.wire.openai_chat import OpenAIChat

from .conversations import requests, responses, streams
from .golden_cases import decoded, documents, encoded
from .sdk_models import (
    anthropic_message,
    check_anthropic_request,
    check_anthropic_response,
    check_openai_request,
    check_openai_stream,
)

OPENAI, ANTHROPIC = OpenAIChat(), AnthropicMessages()
BOTH = pytest.mark.parametrize(
    ("home", "abroad"), [(OPENAI, ANTHROPIC), (ANTHROPIC, OPENAI)], ids=["openai", "anthropic"]
)
PATIENT = settings(deadline=None)


def request_through(request: ChatRequest, form: WireFormat) -> ChatRequest:
    """The request as the other side of a format reads it."""
    read = form.decode_request(form.encode_request(request).body)
    assert isinstance(read, ChatRequest)
    return read


def response_through(response: ChatResponse, form: WireFormat) -> ChatResponse:
    read = form.decode_response(form.encode_response(response).body)
    assert isinstance(read, ChatResponse)
    return read


@BOTH
@given(request=requests())
@PATIENT
def test_a_request_means_the_same_after_a_journey(home: WireFormat, abroad: WireFormat, request: ChatRequest) -> None:
    start = request_through(request, home)
    back = request_through(request_through(start, abroad), home)
    assert back == start


@BOTH
@given(response=responses())
@PATIENT
def test_a_response_means_the_same_after_a_journey(
    home: WireFormat, abroad: WireFormat, response: ChatResponse
) -> None:
    start = response_through(response, home)
    back = response_through(response_through(start, abroad), home)
    assert replace(back, created=start.created) == start


@given(request=requests())
@PATIENT
def test_the_official_types_accept_every_translated_request(request: ChatRequest) -> None:
    check_anthropic_request(json.loads(ANTHROPIC.encode_request(request).body))
    check_openai_request(json.loads(OPENAI.encode_request(request).body))


@given(response=responses(signed=True), data=st.data())
@PATIENT
def test_any_stream_of_an_answer_is_written_as_that_answer(response: ChatResponse, data: st.DataObject) -> None:
    events = data.draw(streams(response))
    written = encoded(ANTHROPIC.stream_encoder(model="m", usage=True), events)
    message = anthropic_message(documents(written))
    assert message is not None
    collector = StreamCollector()
    for event in decoded(ANTHROPIC.stream_decoder(), written):
        collector.add(event)
    assert collector.finished
    assert collector.response() == response


@given(response=responses(signed=True))
@PATIENT
def test_a_replayed_answer_is_the_answer(response: ChatResponse) -> None:
    written = encoded(ANTHROPIC.stream_encoder(model="m", usage=True), list(replay(response)))
    message = anthropic_message(documents(written))
    assert message is not None
    whole = ANTHROPIC.encode_response(response)
    check_anthropic_response(json.loads(whole.body))
    assert message.to_dict()["content"] == json.loads(whole.body)["content"]


@given(response=responses(signed=True), data=st.data())
@PATIENT
def test_a_stream_survives_both_formats(response: ChatResponse, data: st.DataObject) -> None:
    events = data.draw(streams(response))
    abroad = encoded(ANTHROPIC.stream_encoder(model="m", usage=True), events)
    home = encoded(OPENAI.stream_encoder(model="m", usage=True), decoded(ANTHROPIC.stream_decoder(), abroad))
    check_openai_stream(documents(home))
    collector = StreamCollector()
    for event in decoded(OPENAI.stream_decoder(), home):
        collector.add(event)
    found = collector.response()
    assert found.text() == response.text()
    assert found.choices[0].message.tool_calls() == response.choices[0].message.tool_calls()
    assert found.choices[0].finish_reason == response.choices[0].finish_reason
    assert (found.usage or NO_USAGE) == response.usage
