"""What becomes of a conversation when client and upstream speak different formats."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from jackfield.errors import UpstreamRejected
from jackfield.wire.anthropic_messages import AnthropicMessages
from jackfield.wire.base import WireFormat
from jackfield.wire.chat import StreamEnd, StreamFailure
from jackfield.wire.openai_chat import OpenAIChat
from jackfield.wire.openai_responses import OpenAIResponses

from .golden_cases import cases, check_bytes, check_json, decoded, documents, encoded, name_of
from .sdk_models import (
    anthropic_message,
    check_anthropic_error,
    check_anthropic_request,
    check_anthropic_response,
    check_openai_request,
    check_openai_response,
    check_openai_stream,
    check_responses_request,
    check_responses_response,
    streamed_response,
)

FORMATS: dict[str, WireFormat] = {
    "openai": OpenAIChat(),
    "anthropic": AnthropicMessages(),
    "responses": OpenAIResponses(),
}
CHECK_REQUEST = {
    "openai": check_openai_request,
    "anthropic": check_anthropic_request,
    "responses": check_responses_request,
}
CHECK_RESPONSE = {
    "openai": check_openai_response,
    "anthropic": check_anthropic_response,
    "responses": check_responses_response,
}


def pair(case: Path) -> tuple[str, str]:
    source, _, target = case.name.split("_")[:3]
    return source, target


def of_kind(kind: str) -> list[Path]:
    return [case for case in cases("cross", "") if case.name.split("_")[3] == kind]


def check_dropped(case: Path, dropped: Any) -> None:
    check_json(case / "dropped.json", sorted(dropped))


@pytest.mark.parametrize("case", of_kind("request"), ids=name_of)
def test_a_request_is_translated(case: Path) -> None:
    source, target = pair(case)
    request = FORMATS[source].decode_request((case / "in.json").read_bytes())
    written = FORMATS[target].encode_request(request)
    body = json.loads(written.body)
    check_json(case / "out.json", body)
    check_dropped(case, written.dropped)
    CHECK_REQUEST[target](body)


@pytest.mark.parametrize("case", of_kind("response"), ids=name_of)
def test_a_response_is_translated(case: Path) -> None:
    source, target = pair(case)
    response = FORMATS[source].decode_response((case / "in.json").read_bytes())
    written = FORMATS[target].encode_response(response)
    body = json.loads(written.body)
    check_json(case / "out.json", body)
    check_dropped(case, written.dropped)
    CHECK_RESPONSE[target](body)


@pytest.mark.parametrize("case", of_kind("stream"), ids=name_of)
def test_a_stream_is_translated(case: Path) -> None:
    source, target = pair(case)
    events = decoded(FORMATS[source].stream_decoder(), (case / "in.sse").read_bytes())
    if not isinstance(events[-1], StreamEnd | StreamFailure):
        events.append(StreamEnd())
    encoder = FORMATS[target].stream_encoder(model="echo", usage=True)
    written = encoded(encoder, events)
    check_bytes(case / "out.sse", written)
    check_dropped(case, encoder.dropped)
    if target == "openai":
        check_openai_stream(documents(written))
    elif target == "responses":
        streamed_response(documents(written))
        assert written.startswith(b"event: response.created\n")
    else:
        failed = isinstance(events[-1], StreamFailure)
        assert (anthropic_message(documents(written)) is None) == failed


@pytest.mark.parametrize("case", of_kind("error"), ids=name_of)
def test_an_error_is_translated(case: Path) -> None:
    source, target = pair(case)
    answer = json.loads((case / "in.json").read_text(encoding="utf-8"))
    said = answer["body"]
    body = said.encode() if isinstance(said, str) else json.dumps(said).encode()
    _, message = FORMATS[source].decode_error(body)
    error = UpstreamRejected(answer["status"], message, body=body)
    written = json.loads(FORMATS[target].encode_error(error, "req_1"))
    check_json(case / "out.json", written)
    if target == "anthropic":
        check_anthropic_error(written)


def test_every_kind_of_pair_has_its_cases() -> None:
    kinds = {tuple(case.name.split("_")[:4]) for case in cases("cross", "")}
    assert len(kinds) == 6 * 4
