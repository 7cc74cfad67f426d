"""Counting tokens, by an upstream or by estimate."""

from __future__ import annotations

import json
from typing import Any

import pytest
from msgspec import Raw

from jackfield.errors import Forbidden, Malformed, UpstreamBroken
from jackfield.wire.anthropic_count_tokens import AnthropicCountTokens, estimate_tokens
from jackfield.wire.base import Peek
from jackfield.wire.chat import (
    ChatRequest,
    EmbeddingsRequest,
    ErrorResponse,
    File,
    Image,
    Message,
    Part,
    ResponseFormat,
    Text,
    TokenCount,
    Tool,
    ToolCall,
    ToolResult,
)
from jackfield.wire.tokens import IMAGE, PAGE, PAGE_BYTES, TOOL, TOOLS, TURN, count_text

from .sdk_models import check_anthropic_count

FORMAT = AnthropicCountTokens()
BODY: dict[str, Any] = {
    "model": "claude-sonnet-4-5",
    "system": "Be brief.",
    "messages": [{"role": "user", "content": "Hi"}],
    "tools": [{"name": "f", "input_schema": {"type": "object"}}],
    "thinking": {"type": "enabled", "budget_tokens": 2000},
    "output_config": {"effort": "low"},
    "tool_choice": {"type": "auto"},
}


def test_a_request_is_a_conversation_and_returns_without_what_steers_the_writing() -> None:
    steering = {"max_tokens": 9, "temperature": 0.5, "stream": True, "metadata": {"user_id": "u"}}
    request = FORMAT.decode_request(json.dumps({**BODY, **steering}).encode())
    assert (request.format, request.temperature) == ("anthropic_messages", 0.5)
    encoded = FORMAT.encode_request(request)
    assert json.loads(encoded.body) == BODY
    assert encoded.dropped == ()
    check_anthropic_count(json.loads(encoded.body))


def test_a_request_of_another_format_is_counted_too() -> None:
    request = ChatRequest(
        model="m", messages=(Message(role="user", parts=(Text(text="x"),)),), format="openai_chat", seed=3
    )
    encoded = FORMAT.encode_request(request)
    check_anthropic_count(json.loads(encoded.body))
    assert encoded.dropped == ("seed",)


def test_only_conversations_are_counted() -> None:
    with pytest.raises(TypeError, match="EmbeddingsRequest"):
        FORMAT.encode_request(EmbeddingsRequest(model="m", input=Raw(b'"x"')))


def test_a_count_is_read_and_written() -> None:
    count = FORMAT.decode_response(b'{"input_tokens": 14, "context_management": null}')
    assert count == TokenCount(input=14)
    assert json.loads(FORMAT.encode_response(count).body) == {"input_tokens": 14}
    assert FORMAT.usage_of(b'{"input_tokens":14}') == (None, None)


@pytest.mark.parametrize("text", [b"", b"[]", b"{}", b'{"input_tokens":"14"}', b'{"error":"gone"}'])
def test_an_answer_without_a_count_is_refused(text: bytes) -> None:
    for read in (FORMAT.decode_response, FORMAT.usage_of):
        with pytest.raises(UpstreamBroken):
            read(text)


def test_errors_have_the_form_of_the_api() -> None:
    assert json.loads(FORMAT.encode_error(Forbidden("no"), "r"))["error"]["type"] == "permission_error"
    told = FORMAT.encode_response(ErrorResponse(status=404, code="model_not_found", message="no"))
    assert json.loads(told.body)["error"]["type"] == "not_found_error"
    assert FORMAT.decode_error(b'{"error":{"type":"t","message":"m"}}') == ("t", "m")


def test_a_count_is_never_a_stream() -> None:
    text = json.dumps({**BODY, "stream": True}).encode()
    assert FORMAT.peek(text) == Peek(model="claude-sonnet-4-5")
    assert FORMAT.with_stream_usage(text) == text
    assert json.loads(FORMAT.with_model(text, "other"))["model"] == "other"
    for begin in (
        FORMAT.stream_decoder,
        lambda: FORMAT.stream_encoder(model="m", usage=True),
        lambda: FORMAT.stream_scanner(strip_usage=False),
    ):
        with pytest.raises(Malformed):
            begin()


@pytest.mark.parametrize(
    ("text", "expected"),
    [("", 0), ("a", 1), ("four", 1), ("The quick brown fox jumps.", 7), ("你好", 2), ("привет", 4), ("a é", 2)],
)
def test_a_text_is_counted_by_its_letters(text: str, expected: int) -> None:
    assert count_text(text) == expected


def estimated(*parts: Part, **fields: Any) -> int:
    return estimate_tokens(ChatRequest(model="m", messages=(Message(role="user", parts=parts),), **fields))


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ((Text(text="four"), Text(text="four")), 2),
        ((Image(url="u"),), IMAGE),
        ((File(url="u"),), PAGE),
        ((File(data="x" * (PAGE_BYTES + 1), media_type="application/pdf"),), 2 * PAGE),
        ((File(data="four", media_type="text/plain"),), 1),
        ((ToolCall(id="a", name="four", arguments='{"a":12}'),), 13),
        ((ToolResult(tool_call_id="a", parts=(Image(url="u"), Text(text="four"))),), IMAGE + 11),
    ],
)
def test_each_part_has_its_price(parts: tuple[Part, ...], expected: int) -> None:
    assert estimated(*parts) == TURN + expected


def test_tools_and_schemas_are_read_too() -> None:
    tool = Tool(name="four", description="eightoct", parameters=Raw(b'{"type":"object"}'))
    assert estimated(tools=(tool, tool)) == TURN + TOOLS + 2 * (TOOL + 3 + 4)
    schema = ResponseFormat(kind="json_schema", schema=Raw(b'{"type":"object"}'))
    assert estimated(response_format=schema) == TURN + 4


def test_nothing_counts_as_one() -> None:
    assert estimate_tokens(ChatRequest(model="m", messages=())) == 1
