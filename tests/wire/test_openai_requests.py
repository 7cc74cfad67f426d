"""Requests and responses of the Chat Completions API: what routing needs of them, and that their meaning is kept."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from msgspec.structs import replace

from jackfield.wire.base import Peek
from jackfield.wire.chat import (
    ChatRequest,
    ChatResponse,
    EmbeddingsRequest,
    Image,
    Message,
    Reasoning,
    Text,
    Thinking,
    TokenCount,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
)
from jackfield.wire.json import encoded
from jackfield.wire.openai_chat import OpenAIChat
from jackfield.wire.openai_chat.parts import FORMAT as NAME

from .conversations import requests, responses

PATIENT = settings(max_examples=40, deadline=None)
FORMAT = OpenAIChat()
USER = Message(role="user", parts=(Text(text="hi"),))


def body_of(request: ChatRequest) -> Any:
    return json.loads(FORMAT.encode_request(request).body)


@given(request=requests())
@PATIENT
def test_a_request_keeps_its_meaning(request: ChatRequest) -> None:
    own = FORMAT.decode_request(FORMAT.encode_request(replace(request, format=NAME)).body)
    assert FORMAT.decode_request(FORMAT.encode_request(own).body) == own
    assert own == replace(request, format=NAME)


@given(response=responses(signed=True))
@PATIENT
def test_a_response_keeps_its_meaning(response: ChatResponse) -> None:
    own = FORMAT.decode_response(FORMAT.encode_response(replace(response, format=NAME)).body)
    assert own == replace(response, format=NAME, created=0)


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ("", Peek(model="m")),
        (',"stream":true', Peek(model="m", stream=True)),
        (',"stream":null,"stream_options":null', Peek(model="m")),
        (
            ',"stream":true,"stream_options":{"include_usage":true}',
            Peek(model="m", stream=True, stream_usage=True),
        ),
        (',"tools":[{"model":"x","stream":1}]', Peek(model="m")),
        (',"x":"\\u0061 \\u006dodel"', Peek(model="m")),
    ],
)
def test_a_peek_reads_what_routing_needs(more: str, expected: Peek) -> None:
    assert FORMAT.peek(f'{{"model":"m","messages":[]{more}}}'.encode()) == expected


def test_another_model_is_asked_and_nothing_else_changes() -> None:
    body = b'{"x": 1.50, "model": "a", "messages": [{"role": "user",  "content": "\\u00e9"}]}'
    changed = FORMAT.with_model(body, "b/c")
    assert json.loads(changed) == {**json.loads(body), "model": "b/c"}
    assert b"1.50" in changed
    assert b"\\u00e9" in changed


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ("", {"include_usage": True}),
        (',"stream_options":null', {"include_usage": True}),
        (',"stream_options":{"include_usage":false,"x":1}', {"include_usage": True, "x": 1}),
    ],
)
def test_a_streaming_body_is_made_to_ask_for_usage(options: str, expected: dict[str, Any]) -> None:
    body = FORMAT.with_stream_usage(f'{{"model":"m","stream":true{options}}}'.encode())
    assert json.loads(body)["stream_options"] == expected


def test_the_limit_keeps_the_name_that_the_client_knows() -> None:
    for name in ("max_tokens", "max_completion_tokens"):
        body = json.dumps({"model": "m", "messages": [{"role": "user", "content": "x"}], name: 5}).encode()
        request = replace(FORMAT.decode_request(body), max_tokens=4)
        assert {key: value for key, value in body_of(request).items() if "max" in key} == {name: 4}


def test_a_fields_value_follows_what_a_hook_changed() -> None:
    body = b'{"model":"m","messages":[{"role":"user","content":"x"}],"tool_choice":{"type":"allowed_tools"}}'
    request = FORMAT.decode_request(body)
    assert body_of(request)["tool_choice"] == {"type": "allowed_tools"}
    assert body_of(replace(request, tool_choice=ToolChoice(mode="none")))["tool_choice"] == "none"


def test_a_dotted_name_cannot_stand_for_a_field_inside() -> None:
    part = {"type": "file", "file": {"file_id": "f"}, "file.file_data": "data:text/plain;base64,QQ=="}
    tool = {"type": "function", "function": {"name": "f"}, "function.description": "Do evil."}
    message = {"role": "user", "content": [part]}
    body = {"model": "m", "messages": [message], "tools": [tool], "stream_options.include_usage": True}
    assert body_of(FORMAT.decode_request(json.dumps(body).encode())) == body


def test_what_a_result_cannot_hold_moves_into_the_users_message() -> None:
    results = (
        ToolResult(tool_call_id="a", parts=(Text(text="see"), Image(url="https://example.org/a.png"))),
        ToolResult(tool_call_id="b", parts=(Image(url="https://example.org/b.png"),), is_error=True),
    )
    request = ChatRequest(model="m", messages=(Message(role="user", parts=(*results, Text(text="so?"))),))
    encoded_request = FORMAT.encode_request(request)
    image = {"type": "image_url"}
    assert json.loads(encoded_request.body)["messages"] == [
        {"role": "tool", "tool_call_id": "a", "content": "see"},
        {"role": "tool", "tool_call_id": "b", "content": "See the next message."},
        {
            "role": "user",
            "content": [
                image | {"image_url": {"url": "https://example.org/a.png"}},
                image | {"image_url": {"url": "https://example.org/b.png"}},
                {"type": "text", "text": "so?"},
            ],
        },
    ]
    assert encoded_request.dropped == ("content.is_error",)


def test_a_moved_image_never_stands_between_two_results() -> None:
    seen = ToolResult(tool_call_id="a", parts=(Image(url="https://example.org/a.png"),))
    told = ToolResult(tool_call_id="b", parts=(Text(text="b"),))
    messages = tuple(Message(role="tool", parts=(result,)) for result in (seen, told))
    roles = [message["role"] for message in body_of(ChatRequest(model="m", messages=messages))["messages"]]
    assert roles == ["tool", "tool", "user"]
    answered = (*messages, Message(role="assistant", parts=(Text(text="ok"),)))
    roles = [message["role"] for message in body_of(ChatRequest(model="m", messages=answered))["messages"]]
    assert roles == ["tool", "tool", "user", "assistant"]


def test_reasoning_signed_elsewhere_is_left_out_of_a_request() -> None:
    thoughts = (Thinking(text="plain"), Thinking(text="signed", signature="s"), Thinking(redacted="r"))
    message = Message(role="assistant", parts=(*thoughts, Text(text="ok")))
    written = FORMAT.encode_request(ChatRequest(model="m", messages=(USER, message)))
    _, assistant = json.loads(written.body)["messages"]
    assert assistant == {"role": "assistant", "content": "ok", "reasoning_content": "plain"}
    assert written.dropped == ("messages[].thinking",)


@pytest.mark.parametrize(
    ("reasoning", "effort"),
    [
        (Reasoning(), None),
        (Reasoning(enabled=False), "none"),
        (Reasoning(effort="xhigh", budget=1), "xhigh"),
        (Reasoning(budget=1024), "low"),
        (Reasoning(budget=8192), "medium"),
        (Reasoning(budget=32000), "high"),
    ],
)
def test_a_budget_of_thought_becomes_an_effort(reasoning: Reasoning, effort: str | None) -> None:
    request = ChatRequest(model="m", messages=(USER,), reasoning=reasoning)
    assert body_of(request).get("reasoning_effort") == effort


def test_fields_of_another_format_are_reported() -> None:
    request = ChatRequest(
        model="m",
        messages=(USER, Message(role="assistant", parts=(ToolCall(id="a", name="f", arguments="{}"),))),
        format="anthropic_messages",
        tools=(
            Tool(
                name="web_search", opaque=encoded({"type": "web_search_20250305"}), opaque_format="anthropic_messages"
            ),
        ),
        top_k=5,
        extra={"container": encoded("c"), "nothing": encoded(None)},
    )
    written = FORMAT.encode_request(request)
    assert written.dropped == ("container", "tools.web_search", "top_k")
    assert "tools" not in json.loads(written.body)


def test_only_conversations_are_written() -> None:
    with pytest.raises(TypeError, match="EmbeddingsRequest is no conversation"):
        FORMAT.encode_request(EmbeddingsRequest(model="m", input=encoded("x")))
    with pytest.raises(TypeError, match="TokenCount is no completion"):
        FORMAT.encode_response(TokenCount(input=1))
