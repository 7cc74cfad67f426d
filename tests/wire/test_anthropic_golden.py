"""What an Anthropic body means, and that it returns as it came."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from jackfield.wire.anthropic_messages import AnthropicMessages

from .golden_cases import (
    cases,
    check_bytes,
    check_json,
    decoded,
    documents,
    encoded,
    name_of,
    shown,
)
from .sdk_models import anthropic_message, check_anthropic_request, check_anthropic_response

FORMAT = AnthropicMessages()
FOLDER = "anthropic_messages"

# Inputs that the official types do not know, on purpose.
UNTYPED = {
    "request_unknown_fields",
    "response_new_stop_reason",
    "stream_quirks",
}


@pytest.mark.parametrize("case", cases(FOLDER, "request_"), ids=name_of)
def test_a_request_is_understood_and_returns(case: Path) -> None:
    body = (case / "in.json").read_bytes()
    request = FORMAT.decode_request(body)
    encoded = FORMAT.encode_request(request)
    check_json(case / "canonical.json", shown(request))
    check_json(case / "out.json", json.loads(encoded.body))
    assert encoded.dropped == ()
    assert FORMAT.decode_request(encoded.body) == request
    if case.name not in UNTYPED:
        check_anthropic_request(json.loads(body))
        check_anthropic_request(json.loads(encoded.body))


@pytest.mark.parametrize("case", cases(FOLDER, "response_"), ids=name_of)
def test_a_response_is_understood_and_returns(case: Path) -> None:
    body = (case / "in.json").read_bytes()
    response = FORMAT.decode_response(body)
    encoded = FORMAT.encode_response(response)
    check_json(case / "canonical.json", shown(response))
    check_json(case / "out.json", json.loads(encoded.body))
    assert encoded.dropped == ()
    assert FORMAT.usage_of(body) == (response.usage, response.choices[0].finish_reason)
    if case.name not in UNTYPED:
        check_anthropic_response(json.loads(body))
        check_anthropic_response(json.loads(encoded.body))


@pytest.mark.parametrize("case", cases(FOLDER, "stream_"), ids=name_of)
def test_a_stream_is_understood_and_returns(case: Path) -> None:
    stream = (case / "in.sse").read_bytes()
    events = decoded(FORMAT.stream_decoder(), stream)
    encoder = FORMAT.stream_encoder(model="claude", usage=True)
    written = encoded(encoder, events)
    check_json(case / "canonical.json", shown(events))
    check_bytes(case / "out.sse", written)
    assert encoder.dropped == set()
    if case.name not in UNTYPED:
        assert anthropic_message(documents(stream)) == anthropic_message(documents(written))
