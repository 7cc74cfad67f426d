"""Whatever JSON stands wherever, a body is understood or refused as the fault of its author."""

from __future__ import annotations

import contextlib
import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from jackfield.errors import Malformed, UpstreamBroken
from jackfield.wire.anthropic_messages import AnthropicMessages
from jackfield.wire.chat import ChatRequest, ChatResponse

FORMAT = AnthropicMessages()
PATIENT = settings(deadline=None, max_examples=200)

NAMES = [
    "type",
    "text",
    "source",
    "url",
    "data",
    "media_type",
    "file_id",
    "title",
    "cache_control",
    "ttl",
    "id",
    "name",
    "input",
    "tool_use_id",
    "content",
    "is_error",
    "thinking",
    "signature",
    "role",
    "message",
    "delta",
    "usage",
    "input_tokens",
    "output_tokens",
    "stop_reason",
    "stop_sequence",
    "index",
    "error",
    "content_block",
    "partial_json",
    "budget_tokens",
    "effort",
    "format",
    "schema",
    "user_id",
    "disable_parallel_tool_use",
    "metadata.a",
    ".b",
]
KINDS = [
    "text",
    "image",
    "document",
    "tool_use",
    "tool_result",
    "thinking",
    "redacted_thinking",
    "base64",
    "url",
    "file",
    "ephemeral",
    "auto",
    "any",
    "tool",
    "enabled",
    "adaptive",
    "disabled",
    "json_schema",
    "user",
    "assistant",
    "system",
    "custom",
    "text_delta",
    "input_json_delta",
    "novel",
]
EVENTS = [
    "message_start",
    "content_block_start",
    "content_block_delta",
    "content_block_stop",
    "message_delta",
    "message_stop",
    "ping",
    "error",
]
REQUEST = [
    "system",
    "messages",
    "tools",
    "tool_choice",
    "thinking",
    "output_config",
    "output_format",
    "metadata",
    "max_tokens",
    "temperature",
    "top_k",
    "stop_sequences",
    "stream",
    "extra",
]

leaves = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=3), st.sampled_from(KINDS))
values: st.SearchStrategy[Any] = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.sampled_from(NAMES), inner, max_size=4),
        st.builds(
            lambda kind, rest: {**rest, "type": kind},
            st.sampled_from(KINDS),
            st.dictionaries(st.sampled_from(NAMES), inner, max_size=4),
        ),
    ),
    max_leaves=12,
)
blocks = st.lists(
    st.builds(
        lambda kind, rest: {**rest, "type": kind},
        st.sampled_from(KINDS),
        st.dictionaries(st.sampled_from(NAMES), values, max_size=4),
    ),
    max_size=3,
)
messages = st.lists(
    st.builds(lambda role, content: {"role": role, "content": content}, st.sampled_from(("user", "assistant")), blocks),
    min_size=1,
    max_size=3,
)


@given(fields=st.dictionaries(st.sampled_from(REQUEST), values, max_size=4), said=messages)
@PATIENT
def test_a_request_is_understood_or_malformed(fields: dict[str, Any], said: list[Any]) -> None:
    body = json.dumps({"model": "m", "messages": said, **fields}).encode()
    understood: list[ChatRequest] = []
    with contextlib.suppress(Malformed):
        understood.append(FORMAT.decode_request(body))
    for request in understood:
        written = FORMAT.encode_request(request)
        if json.loads(written.body)["messages"]:
            assert FORMAT.decode_request(written.body).model == "m"


@given(fields=st.dictionaries(st.sampled_from(NAMES), values, max_size=5), content=blocks | values)
@PATIENT
def test_a_response_is_understood_or_broken(fields: dict[str, Any], content: Any) -> None:
    body = json.dumps({**fields, "content": content}).encode()
    with contextlib.suppress(UpstreamBroken):
        response = FORMAT.decode_response(body)
        assert isinstance(response, ChatResponse)
        assert FORMAT.encode_response(response).dropped == ()


@given(
    events=st.lists(
        st.tuples(st.sampled_from(EVENTS), st.dictionaries(st.sampled_from(NAMES), values, max_size=4)), max_size=6
    )
)
@PATIENT
def test_a_stream_is_understood_or_broken(events: list[tuple[str, dict[str, Any]]]) -> None:
    decoder, encoder = FORMAT.stream_decoder(), FORMAT.stream_encoder(model="m", usage=True)
    with contextlib.suppress(UpstreamBroken):
        for kind, fields in events:
            for event in decoder.decode(kind, json.dumps({**fields, "type": kind}).encode()):
                assert isinstance(encoder.encode(event), bytes)


@given(body=st.binary(max_size=40) | values.map(lambda value: json.dumps(value).encode()))
@PATIENT
def test_any_error_body_has_a_code_and_a_message(body: bytes) -> None:
    code, message = FORMAT.decode_error(body)
    assert code
    assert message
