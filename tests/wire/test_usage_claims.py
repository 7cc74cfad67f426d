"""What an upstream claims to have counted is charged for, so no claim is taken on trust."""

from __future__ import annotations

import json
from typing import Any

import pytest

from jackfield.wire.anthropic_count_tokens import AnthropicCountTokens
from jackfield.wire.anthropic_messages import AnthropicMessages
from jackfield.wire.chat import StreamStart, Usage
from jackfield.wire.openai_chat import OpenAIChat
from jackfield.wire.openai_responses import OpenAIResponses

MOST = 10**12
CLAIMS = [(-5, 0), (10**30, MOST), (1e300, MOST), (7.0, 7), (None, 0)]


@pytest.mark.parametrize(("claim", "counted"), CLAIMS)
def test_a_count_is_neither_below_nothing_nor_beyond_bounds(claim: Any, counted: int) -> None:
    openai = json.dumps({"choices": [], "usage": {"prompt_tokens": claim, "completion_tokens": claim}})
    anthropic = json.dumps({"content": [], "usage": {"input_tokens": claim, "output_tokens": claim}})
    responses = json.dumps({"output": [], "usage": {"input_tokens": claim, "output_tokens": claim}})
    for wire, text in ((OpenAIChat(), openai), (AnthropicMessages(), anthropic), (OpenAIResponses(), responses)):
        body = text.encode()
        assert wire.usage_of(body)[0] == Usage(input=counted, output=counted)
        assert wire.decode_response(body).usage == Usage(input=counted, output=counted)


@pytest.mark.parametrize(("claim", "counted"), CLAIMS)
def test_nor_is_it_in_a_stream(claim: Any, counted: int) -> None:
    start = {"type": "message_start", "message": {"id": "m", "usage": {"input_tokens": claim}}}
    (told,) = AnthropicMessages().stream_decoder().decode("message_start", json.dumps(start).encode())
    assert isinstance(told, StreamStart)
    assert told.usage == Usage(input=counted)


@pytest.mark.parametrize(("claim", "counted"), CLAIMS[:-1])
def test_nor_is_a_count_that_was_asked_for(claim: Any, counted: int) -> None:
    body = json.dumps({"input_tokens": claim}).encode()
    assert AnthropicCountTokens().decode_response(body).input == counted
