"""Chunks in the middle of a text are read by a shorter way, which tells the same as the long one."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from jackfield.wire.chat import ChatEvent, StreamEnd, TextDelta
from jackfield.wire.openai_chat.streams import OpenAIChatDecoder

NULLS = ("refusal", "reasoning_content", "reasoning", "tool_calls", "function_call", "audio", "thinking_blocks")
CALLS = [{"index": 0, "id": "call_1", "function": {"name": "look", "arguments": "{}"}}]
DELTAS = st.fixed_dictionaries(
    {},
    optional={
        "content": st.sampled_from(["", "word", "é\u2028", None, [{"type": "text", "text": "block"}]]),
        "role": st.sampled_from(["assistant", None]),
        "own": st.just(1),
        "tool_calls": st.just(CALLS),
        "reasoning_content": st.just("thought"),
        "refusal": st.just("no"),
    },
) | st.fixed_dictionaries({"content": st.just("word")}, optional=dict.fromkeys(NULLS, st.none()))
CHOICES = st.fixed_dictionaries(
    {"delta": DELTAS},
    optional={
        "index": st.sampled_from([0, 1, None]),
        "finish_reason": st.sampled_from([None, "", "stop"]),
        "logprobs": st.none(),
    },
)
USAGE = {"prompt_tokens": 3, "completion_tokens": 2}
CHUNKS = st.fixed_dictionaries(
    {"choices": st.lists(CHOICES, max_size=2)},
    optional={"usage": st.sampled_from([None, USAGE]), "error": st.sampled_from([None, {}, {"message": "broken"}])},
)


def decoded(chunks: list[dict[str, Any]], *, at_length: bool) -> list[tuple[ChatEvent, ...]]:
    decoder, events = OpenAIChatDecoder(), []
    for chunk in chunks:
        if at_length:
            decoder._in_text = False
        events.append(decoder.decode("", json.dumps(chunk).encode()))
    return events


@given(st.lists(CHUNKS, max_size=8))
def test_a_stream_is_understood_alike_by_both_ways(chunks: list[dict[str, Any]]) -> None:
    assert decoded(chunks, at_length=False) == decoded(chunks, at_length=True)


def test_what_is_no_chunk_is_what_it_was_also_in_a_text() -> None:
    decoder = OpenAIChatDecoder()
    for text in ("one", "two"):
        decoder.decode("", json.dumps({"choices": [{"delta": {"content": text}}]}).encode())

    assert decoder.decode("", b" ") == ()
    assert decoder.decode("", b'{"choices":[{"delta":{"content":"three"}}]}') == (TextDelta(text="three"),)
    assert decoder.decode("", b"[DONE]") == (StreamEnd(),)
