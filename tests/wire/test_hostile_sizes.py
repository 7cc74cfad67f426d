"""What is long costs in proportion to its length, whoever wrote it: the event loop waits meanwhile.

Each case takes a fraction of a second; where the cost grows with the square of the length, it takes minutes.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator

import pytest

from jackfield.wire.anthropic_messages import AnthropicMessages, AnthropicStreamEncoder
from jackfield.wire.chat import Finish, StreamEnd, ToolCallDelta
from jackfield.wire.openai_chat import OpenAIChat
from jackfield.wire.openai_responses import OpenAIResponses

MOST_CPU_S = 10.0
TURN = {"role": "user", "content": "x"}
RESULT = {"role": "tool", "tool_call_id": "c", "content": "x"}


@pytest.fixture(autouse=True)
def _is_quick() -> Iterator[None]:
    begun = time.process_time()
    yield
    assert time.process_time() - begun < MOST_CPU_S


@pytest.mark.parametrize("message", [TURN, RESULT])
def test_a_conversation_of_one_speaker(message: dict[str, str]) -> None:
    body = json.dumps({"model": "m", "messages": [message] * 30_000}).encode()
    written = AnthropicMessages().encode_request(OpenAIChat().decode_request(body)).body
    assert len(json.loads(written)["messages"][0]["content"]) == 30_000


def test_calls_that_all_wait_for_the_first() -> None:
    encoder = AnthropicStreamEncoder("m")
    for index in range(12_000):
        encoder.encode(ToolCallDelta(index=index, id="c", name="f", arguments='{"a":"'))
    told = encoder.encode(Finish(reason="tool_calls")) + encoder.encode(StreamEnd())
    assert told.count(b"event: content_block_start\n") == 11_999
    assert b'"index":11999' in told


def test_a_call_in_many_pieces_while_another_waits() -> None:
    encoder = AnthropicStreamEncoder("m")
    encoder.encode(ToolCallDelta(index=0, id="a", name="f", arguments='{"code":"'))
    encoder.encode(ToolCallDelta(index=1, id="b", name="g", arguments="{}"))
    for _ in range(60_000):
        encoder.encode(ToolCallDelta(index=0, arguments="if (x) { y(); }"))
    told = encoder.encode(ToolCallDelta(index=0, arguments='"}')) + encoder.encode(Finish(reason="tool_calls"))
    assert told.endswith(b'event: content_block_stop\ndata: {"type":"content_block_stop","index":1}\n\n')


def test_items_without_end() -> None:
    call = {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"}
    said = {"role": "assistant", "content": "x"}
    body = json.dumps({"model": "m", "input": [call, said] * 15_000}).encode()
    request = OpenAIResponses().decode_request(body)
    assert len(json.loads(AnthropicMessages().encode_request(request).body)["messages"][0]["content"]) == 30_000
    assert len(json.loads(OpenAIResponses().encode_request(request).body)["input"]) == 30_000


def test_calls_that_are_all_open_at_once() -> None:
    encoder = OpenAIResponses().stream_encoder(model="m", usage=True)
    for index in range(12_000):
        encoder.encode(ToolCallDelta(index=index, id="c", name="f", arguments='{"a":"'))
    told = encoder.encode(Finish(reason="tool_calls")) + encoder.encode(StreamEnd())
    assert told.count(b"event: response.output_item.done\n") == 12_000


def test_a_stream_of_many_items() -> None:
    decoder = OpenAIResponses().stream_decoder()
    for place in range(20_000):
        item = {"type": "reasoning", "summary": [{"text": "x"}], "encrypted_content": "y"}
        event = {"type": "response.output_item.done", "output_index": place, "item": item}
        assert len(decoder.decode("", json.dumps(event).encode())) == 3
