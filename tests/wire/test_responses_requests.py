"""What a request of the Responses API says of itself before it is read, and what is refused in one."""

from __future__ import annotations

import json
from typing import Any

import pytest

from jackfield.errors import Malformed
from jackfield.wire.chat import ChatRequest, ChatResponse, Choice, Message, Text
from jackfield.wire.openai_responses import OpenAIResponses

FORMAT = OpenAIResponses()
FUNCTION = {"type": "function", "name": "f"}


def body_of(**fields: Any) -> bytes:
    return json.dumps({"model": "m", "input": "hi", **fields}).encode()


@pytest.mark.parametrize(
    ("fields", "bound"),
    [
        ({}, None),
        ({"store": False, "background": False, "previous_response_id": None, "conversation": None}, None),
        ({"tools": [FUNCTION]}, None),
        ({"input": [{"role": "user", "content": "x"}, {"type": "reasoning", "summary": []}]}, None),
        ({"previous_response_id": "resp_1"}, "previous_response_id"),
        ({"conversation": {"id": "conv_1"}}, "conversation"),
        ({"prompt": {"id": "pmpt_1"}}, "prompt"),
        ({"background": True}, "background"),
        ({"store": True}, "store"),
        ({"tools": [FUNCTION, {"type": "web_search"}]}, "tools[1]"),
        ({"tools": [{"type": "custom", "name": "sql"}]}, "tools[0]"),
        ({"tools": [{"name": "f"}]}, "tools[0]"),
        ({"input": [{"type": "item_reference", "id": "msg_1"}]}, "input[0]"),
        ({"input": [{"role": "user", "content": "x"}, {"id": "msg_1"}]}, "input[1]"),
        ({"input": [{"type": "compaction", "encrypted_content": "x"}]}, "input[0]"),
    ],
)
def test_what_only_its_own_kind_of_upstream_can_do_is_found(fields: dict[str, Any], bound: str | None) -> None:
    assert FORMAT.peek(body_of(**fields)).bound == bound


def test_the_rest_of_a_peek() -> None:
    peek = FORMAT.peek(body_of(stream=True))
    assert (peek.model, peek.stream, peek.stream_usage) == ("m", True, True)
    with pytest.raises(Malformed):
        FORMAT.peek(b'{"model":"a","input":"x","model":"b"}')
    with pytest.raises(Malformed):
        FORMAT.peek(b'{"input":"x"}')


def test_another_model_changes_nothing_else() -> None:
    body = body_of(x=[1, {"y": None}])
    assert json.loads(FORMAT.with_model(body, "n")) == json.loads(body) | {"model": "n"}
    assert FORMAT.with_stream_usage(body) == body


@pytest.mark.parametrize(
    ("fields", "place"),
    [
        ({"input": 7}, "input"),
        ({"input": []}, "input"),
        ({"input": None}, "input"),
        ({"input": [{}]}, "input[0].type"),
        ({"input": [{"role": "tool", "content": "x"}]}, "input[0].role"),
        ({"input": [{"role": "user"}]}, "input[0].content"),
        ({"input": [{"role": "user", "content": [{"type": "input_text"}]}]}, "input[0].content[0].text"),
        ({"input": [{"type": "function_call", "call_id": "c"}]}, "input[0].name"),
        ({"input": [{"type": "function_call_output", "output": "x"}]}, "input[0].call_id"),
        ({"input": [{"type": "function_call_output", "call_id": "c"}]}, "input[0].output"),
        (
            {
                "input": [
                    {"type": "function_call_output", "call_id": "c", "output": [{"type": "refusal", "refusal": "x"}]}
                ]
            },
            "input[0].output",
        ),
        ({"input": [{"type": "reasoning", "summary": [{}]}]}, "input[0].summary[0].text"),
        ({"tools": [{"type": "function"}]}, "tools[0].name"),
        ({"tools": [{"name": "f"}]}, "tools[0].type"),
        ({"tool_choice": {}}, "tool_choice.type"),
        ({"text": {"format": {"type": "json_schema", "schema": 1}}}, "text.format.schema"),
        ({"reasoning": "high"}, "reasoning"),
        ({"instructions": ["x"]}, "instructions"),
        ({"max_output_tokens": -1}, "max_output_tokens"),
    ],
)
def test_a_fault_is_refused_with_its_place(fields: dict[str, Any], place: str) -> None:
    with pytest.raises(Malformed) as caught:
        FORMAT.decode_request(body_of(**fields))
    assert caught.value.param == place


def test_with_what_the_upstream_keeps_there_may_be_no_input() -> None:
    request = FORMAT.decode_request(b'{"model":"m","previous_response_id":"resp_1"}')
    assert isinstance(request, ChatRequest)
    assert json.loads(FORMAT.encode_request(request).body) == {"model": "m", "previous_response_id": "resp_1"}


def test_instructions_stay_instructions_wherever_a_plugin_puts_them() -> None:
    request = FORMAT.decode_request(body_of(instructions="Be brief."))
    told = Message(role="system", parts=(Text(text="Be kind."),))
    changed = ChatRequest(model="m", messages=(told, *request.messages), format=request.format)
    assert json.loads(FORMAT.encode_request(changed).body) == {
        "model": "m",
        "instructions": "Be brief.",
        "input": [
            {"type": "message", "role": "system", "content": "Be kind."},
            {"type": "message", "role": "user", "content": "hi"},
        ],
    }


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b'{"model":"a","model":"b"}', b"\xff"])
def test_the_answer_to_what_nobody_could_read_repeats_nothing(body: bytes) -> None:
    message = Message(role="assistant", parts=(Text(text="x"),))
    response = ChatResponse(id="r", model="m", choices=(Choice(message=message),))
    assert FORMAT.answering(body).encode_response(response) == FORMAT.encode_response(response)


def test_an_answer_repeats_its_request() -> None:
    said = {"instructions": "s", "metadata": {"a": "b"}, "text": {"verbosity": "low"}, "tools": [FUNCTION], "x": 1}
    message = Message(role="assistant", parts=(Text(text="x"),))
    response = ChatResponse(id="r", model="m", choices=(Choice(message=message),))
    told = json.loads(FORMAT.answering(body_of(**said)).encode_response(response).body)
    assert {name: told[name] for name in ("instructions", "metadata", "tools")} == {
        name: said[name] for name in ("instructions", "metadata", "tools")
    }
    assert told["text"] == {"format": {"type": "text"}, "verbosity": "low"}
    assert told["tool_choice"] == "auto"
    assert "x" not in told
    assert "input" not in told
