"""What a body of the Responses API means, and that it returns as it came."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from jackfield.wire.chat import ChatEvent, Part
from jackfield.wire.collect import StreamCollector
from jackfield.wire.openai_responses import OpenAIResponses

from .golden_cases import cases, check_bytes, check_json, decoded, documents, encoded, name_of, shown
from .sdk_models import check_responses_request, check_responses_response, streamed_response

FORMAT = OpenAIResponses()
FOLDER = "openai_responses"

# Inputs that the official types do not know, on purpose; what is written of them they may still refuse.
UNTYPED = {
    "request_unknown_fields",
    "request_kept_state",
    "request_names_like_ours",
    "response_of_a_small_server",
    "response_unknown_fields",
}
INCOMPLETE = {"stream_cut", "stream_error", "stream_failed"}


def answer(events: list[ChatEvent]) -> list[tuple[Part, ...]]:
    collector = StreamCollector()
    for event in events:
        collector.add(event)
    return [choice.message.parts for choice in collector.response().choices]


@pytest.mark.parametrize("case", cases(FOLDER, "request_"), ids=name_of)
def test_a_request_is_understood_and_returns(case: Path) -> None:
    request = FORMAT.decode_request((case / "in.json").read_bytes())
    written = FORMAT.encode_request(request)
    check_json(case / "canonical.json", shown(request))
    check_json(case / "out.json", json.loads(written.body))
    assert written.dropped == ()
    assert FORMAT.decode_request(written.body) == request
    if case.name not in UNTYPED:
        check_responses_request(json.loads(written.body))


@pytest.mark.parametrize("case", cases(FOLDER, "response_"), ids=name_of)
def test_a_response_is_understood_and_returns(case: Path) -> None:
    body = (case / "in.json").read_bytes()
    response = FORMAT.decode_response(body)
    written = FORMAT.encode_response(response)
    check_json(case / "canonical.json", shown(response))
    check_json(case / "out.json", json.loads(written.body))
    assert written.dropped == ()
    assert FORMAT.usage_of(body) == (response.usage, response.choices[0].finish_reason)
    if case.name not in UNTYPED:
        check_responses_response(json.loads(written.body))


@pytest.mark.parametrize("case", cases(FOLDER, "stream_"), ids=name_of)
def test_a_stream_is_understood_and_written_anew(case: Path) -> None:
    events = decoded(FORMAT.stream_decoder(), (case / "in.sse").read_bytes())
    encoder = FORMAT.stream_encoder(model="gpt-5", usage=True)
    written = encoded(encoder, events)
    check_json(case / "canonical.json", shown(events))
    check_bytes(case / "out.sse", written)
    assert encoder.dropped == set()
    assert (streamed_response(documents(written)) is None) == (case.name in INCOMPLETE)
    assert answer(decoded(FORMAT.stream_decoder(), written)) == answer(events)
