"""Whatever JSON stands wherever, a body of the Responses API is understood or refused as the fault of its author."""

from __future__ import annotations

import contextlib
import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from jackfield.errors import Malformed, UpstreamBroken
from jackfield.wire.anthropic_messages import AnthropicMessages
from jackfield.wire.chat import ChatResponse
from jackfield.wire.openai_chat import OpenAIChat
from jackfield.wire.openai_responses import OpenAIResponses

from .golden_cases import documents

FORMAT, OTHERS = OpenAIResponses(), (OpenAIChat(), AnthropicMessages())
PATIENT = settings(deadline=None, max_examples=60)

NAMES = (
    *("type", "text", "refusal", "role", "content", "summary", "encrypted_content", "id", "status", "call_id", "name"),
    *("arguments", "output", "image_url", "detail", "file_id", "file_data", "file_url", "filename", "annotations"),
    *("format", "schema", "strict", "effort", "reason", "error", "usage", "input_tokens", "output_tokens", "model"),
    *("item", "part", "delta", "output_index", "content_index", "summary_index", "sequence_number", "response"),
    *("item.a", ".b", "phase"),
)
KINDS = (
    *("message", "function_call", "function_call_output", "reasoning", "item_reference", "web_search_call"),
    *("input_text", "output_text", "refusal", "input_image", "input_file", "summary_text", "reasoning_text"),
    *("function", "json_schema", "json_object", "text", "auto", "user", "assistant", "developer", "novel"),
)
EVENTS = (
    *("created", "in_progress", "output_item.added", "output_item.done", "content_part.added", "content_part.done"),
    *("output_text.delta", "output_text.done", "refusal.delta", "refusal.done", "function_call_arguments.delta"),
    *("function_call_arguments.done", "reasoning_summary_part.added", "reasoning_summary_text.delta"),
    *("reasoning_text.delta", "completed", "incomplete", "failed", "web_search_call.searching"),
)
REQUEST = (
    "instructions",
    "input",
    "tools",
    "tool_choice",
    "text",
    "reasoning",
    "stream_options",
    "temperature",
    "extra",
)

leaves = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=3), st.sampled_from(KINDS))
values: st.SearchStrategy[Any] = st.recursive(
    leaves,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=4),
    max_leaves=8,
)
objects = st.builds(
    lambda kind, rest: {**rest, "type": kind},
    st.sampled_from(KINDS),
    st.dictionaries(st.sampled_from(NAMES), values, max_size=4),
)
items = st.lists(
    st.builds(
        lambda item, content: {"call_id": "c", "name": "f", "role": "assistant", "content": content, **item},
        objects,
        st.lists(objects, max_size=2) | st.text(max_size=3),
    ),
    min_size=1,
    max_size=4,
)


@given(fields=st.dictionaries(st.sampled_from(REQUEST), values, max_size=4), said=items)
@PATIENT
def test_a_request_is_understood_or_malformed(fields: dict[str, Any], said: list[Any]) -> None:
    body = json.dumps({"model": "m", "input": said, **fields}).encode()
    with contextlib.suppress(Malformed):
        FORMAT.peek(body)
    try:
        request = FORMAT.decode_request(body)
    except Malformed:
        return
    FORMAT.decode_request(FORMAT.encode_request(request).body)
    for other in OTHERS:
        assert json.loads(other.encode_request(request).body)["model"] == "m"


@given(fields=st.dictionaries(st.sampled_from(NAMES), values, max_size=5), output=items | values)
@PATIENT
def test_a_response_is_understood_or_broken(fields: dict[str, Any], output: Any) -> None:
    body = json.dumps({**fields, "output": output}).encode()
    with contextlib.suppress(UpstreamBroken):
        FORMAT.usage_of(body)
    try:
        response = FORMAT.decode_response(body)
    except UpstreamBroken:
        return
    assert isinstance(response, ChatResponse)
    assert FORMAT.encode_response(response).dropped == ()
    for other in OTHERS:
        other.encode_response(response)


places = st.fixed_dictionaries(
    {},
    optional={
        "output_index": st.integers(0, 2),
        "content_index": st.integers(0, 2),
        "summary_index": st.integers(0, 1),
        "delta": st.text(max_size=3),
        "text": st.text(max_size=3),
        "item": objects,
        "part": objects,
        "sequence_number": st.integers(-1, 9),
        "response": st.fixed_dictionaries({}, optional={"id": st.text(max_size=3), "output": items}),
    },
)


@given(
    told=st.lists(
        st.tuples(st.sampled_from(EVENTS), places | st.dictionaries(st.sampled_from(NAMES), values)), max_size=9
    ),
    changed_at=st.integers(0, 9),
)
@PATIENT
def test_a_stream_is_understood_or_broken(told: list[tuple[str, dict[str, Any]]], changed_at: int) -> None:
    """Also where its beginning is forwarded, and the rest of it is written anew."""
    decoder, encoder = FORMAT.stream_decoder(), FORMAT.stream_encoder(model="m", usage=True)
    others = [other.stream_encoder(model="m", usage=True) for other in OTHERS]
    with contextlib.suppress(UpstreamBroken):
        for place, (kind, fields) in enumerate(told):
            event = {**fields, "type": f"response.{kind}"}
            for canonical in decoder.decode("", json.dumps(event).encode()):
                if place < changed_at:
                    encoder.observe(canonical)
                else:
                    documents(encoder.encode(canonical))
                for other in others:
                    other.encode(canonical)
