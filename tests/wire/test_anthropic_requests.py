"""Anthropic requests: what is read without decoding, and what hooks may change."""

from __future__ import annotations

import json
from typing import Any

import pytest
from msgspec import Raw
from msgspec.structs import replace

from jackfield.wire.anthropic_messages import AnthropicMessages
from jackfield.wire.anthropic_messages.reasoning import thinks_adaptively
from jackfield.wire.base import Peek
from jackfield.wire.chat import (
    ChatRequest,
    EmbeddingsRequest,
    Image,
    Message,
    Reasoning,
    Text,
    Thinking,
    ToolResult,
)

FORMAT = AnthropicMessages()


def body(**fields: Any) -> bytes:
    messages = [{"role": "user", "content": "Hi"}]
    return json.dumps({"model": "m", "max_tokens": 5, "messages": messages, **fields}).encode()


def sent(request: ChatRequest) -> Any:
    return json.loads(FORMAT.encode_request(request).body)


def test_a_peek_reads_model_and_stream() -> None:
    assert FORMAT.peek(body()) == Peek(model="m", stream=False, stream_usage=True)
    assert FORMAT.peek(body(stream=True)) == Peek(model="m", stream=True, stream_usage=True)
    assert FORMAT.peek(body(stream=None, x='"model"')).model == "m"


def test_another_model_is_asked_and_nothing_else_changes() -> None:
    changed = FORMAT.with_model(body(extra={"b": [1, 2.50, "é"]}), 'a "new" one')
    assert json.loads(changed) == {**json.loads(body(extra={"b": [1, 2.50, "é"]})), "model": 'a "new" one'}


def test_the_usage_of_a_stream_needs_no_asking() -> None:
    assert FORMAT.with_stream_usage(body(stream=True)) == body(stream=True)


def test_a_field_with_a_dot_in_its_name_returns_as_it_came() -> None:
    message = {"role": "user", "content": [{"type": "text", "text": "x", "source.a": 1}], "metadata.b": 2}
    text = body(messages=[message], **{"metadata.team": 3, "usage.": 4, ".x": 5})
    assert sent(FORMAT.decode_request(text)) == json.loads(text)


def test_only_conversations_are_written() -> None:
    with pytest.raises(TypeError, match="EmbeddingsRequest"):
        FORMAT.encode_request(EmbeddingsRequest(model="m", input=Raw(b'"x"')))


def test_a_result_alone_is_a_tools_message_and_beside_a_text_the_users() -> None:
    result = {"type": "tool_result", "tool_use_id": "a", "content": "1"}
    text = {"type": "text", "text": "so?"}
    messages = [{"role": "user", "content": [result]}, {"role": "user", "content": [result, text]}]
    request = FORMAT.decode_request(body(messages=messages))
    assert [message.role for message in request.messages] == ["tool", "user"]
    assert request.last_user_text() == "so?"


def test_results_that_a_tool_loop_adds_become_one_message() -> None:
    request = FORMAT.decode_request(body())
    results = (Message(role="tool", parts=(ToolResult(tool_call_id=i, parts=(Text(text=i),)),)) for i in "ab")
    grown = replace(request, messages=(*request.messages, Message(role="assistant", parts=()), *results))
    last = sent(grown)["messages"][-1]
    assert last["role"] == "user"
    assert [block["tool_use_id"] for block in last["content"]] == ["a", "b"]


def test_results_stand_before_a_text_that_came_between_them() -> None:
    results = [Message(role="tool", parts=(ToolResult(tool_call_id=i, parts=(Text(text=i),)),)) for i in "ab"]
    said = Message(role="user", parts=(Text(text="hurry"),))
    asked = ChatRequest(model="m", messages=(results[0], said, results[1]))
    (only,) = sent(asked)["messages"]
    assert [block["type"] for block in only["content"]] == ["tool_result", "tool_result", "text"]


def test_a_clients_own_separate_messages_stay_separate() -> None:
    messages = [{"role": "user", "content": "a"}, {"role": "user", "content": "b"}]
    assert sent(FORMAT.decode_request(body(messages=messages)))["messages"] == messages


def test_thinking_that_nobody_signed_is_left_out() -> None:
    said = Message(role="assistant", parts=(Thinking(text="hm", signature=""), Text(text="x")))
    request = FORMAT.decode_request(body())
    encoded = FORMAT.encode_request(replace(request, messages=(*request.messages, said)))
    assert json.loads(encoded.body)["messages"][-1] == {"role": "assistant", "content": "x"}
    assert encoded.dropped == ("content.thinking",)


def test_fields_of_a_request_made_here_are_reported_where_they_have_no_place() -> None:
    request = ChatRequest(
        model="m",
        messages=(
            Message(role="system", parts=(Image(url="u"), Text(text="s")), extra={"mark": Raw(b"1")}),
            Message(role="user", parts=(Image(), Text(text="x", extra={"y": Raw(b"1"), "z": Raw(b"null")}))),
        ),
        extra={"logprobs": Raw(b"true")},
    )
    encoded = FORMAT.encode_request(request)
    assert encoded.dropped == ("content.image", "content.y", "logprobs", "messages[].mark", "system.image")
    assert json.loads(encoded.body)["system"] == "s"


def test_zero_tokens_warm_the_cache_of_the_clients_own_format_only() -> None:
    assert sent(FORMAT.decode_request(body(max_tokens=0)))["max_tokens"] == 0
    assert sent(ChatRequest(model="m", messages=(), max_tokens=0))["max_tokens"] == 4096


def test_the_older_name_of_the_output_format_is_understood() -> None:
    form = {"type": "json_schema", "schema": {"type": "object"}}
    assert sent(FORMAT.decode_request(body(output_format=form)))["output_config"] == {"format": form}


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        ("claude-3-7-sonnet-20250219", False),
        ("claude-sonnet-4-20250514", False),
        ("claude-sonnet-4-5-20250929", False),
        ("claude-haiku-4-5", False),
        ("claude-opus-4-6", True),
        ("us.anthropic.claude-opus-4-6-v1", True),
        ("anthropic/claude-opus-4.7", True),
        ("claude-sonnet-5", True),
        ("claude-mythos-preview", True),
        ("glm-4.6", False),
        ("echo", False),
    ],
)
def test_the_form_of_thinking_follows_the_version_in_the_models_name(model: str, expected: bool) -> None:
    assert thinks_adaptively(model) is expected


@pytest.mark.parametrize(
    ("reasoning", "expected"),
    [
        (Reasoning(budget=1500), {"thinking": {"type": "enabled", "budget_tokens": 1500}}),
        (Reasoning(budget=10), {"thinking": {"type": "enabled", "budget_tokens": 1024}}),
        (Reasoning(budget=9000), {"thinking": {"type": "enabled", "budget_tokens": 2000}}),
        (Reasoning(effort="unheard of"), {"thinking": {"type": "enabled", "budget_tokens": 2000}}),
        (Reasoning(effort="none"), {"thinking": {"type": "disabled"}}),
        (Reasoning(enabled=False), {"thinking": {"type": "disabled"}}),
    ],
)
def test_a_budget_fits_below_the_limit(reasoning: Reasoning, expected: Any) -> None:
    user = Message(role="user", parts=(Text(text="x"),))
    request = ChatRequest(model="claude-sonnet-4-5", messages=(user,), max_tokens=4000, reasoning=reasoning)
    assert sent(request).items() >= expected.items()


@pytest.mark.parametrize(
    ("budget", "effort"), [(1500, "low"), (5000, "medium"), (16384, "high"), (60000, "xhigh"), (None, None)]
)
def test_a_budget_becomes_an_effort_for_models_that_think_adaptively(budget: int | None, effort: str | None) -> None:
    user = Message(role="user", parts=(Text(text="x"),))
    written = sent(ChatRequest(model="claude-opus-5", messages=(user,), reasoning=Reasoning(budget=budget)))
    assert written["thinking"] == {"type": "adaptive"}
    assert written.get("output_config", {}).get("effort") == effort
