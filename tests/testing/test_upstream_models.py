"""What the scripted upstream sends is what the official packages say that the APIs send."""

from __future__ import annotations

import base64
import json
import struct
from typing import Any

import pytest
from anthropic.types import Message, MessageTokensCount, ModelInfo, RawMessageStreamEvent
from anthropic.types.shared import ErrorResponse
from openai.types import CreateEmbeddingResponse, Model
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from pydantic import BaseModel, TypeAdapter

from jackfield.testing import Answer, Asked, Called, Caller, Reply, Upstream
from jackfield.testing.replies import call_tools
from jackfield.wire.chat import Usage

OPENAI = {"model": "scripted", "messages": [{"role": "user", "content": "What is the weather in Paris?"}]}
ANTHROPIC = OPENAI | {"max_tokens": 100}
VERSION = {"anthropic-version": "2023-06-01"}
USAGE = Usage(input=40, output=9, cached=16, cache_write=8, reasoning=3)
CALLS = call_tools(("get_weather", {"city": "Paris"}), ("get_time", {"zone": "CET"}))
REPLIES = {
    "text": Reply(text="Sunny, 21 degrees."),
    "thinking": Reply(text="Sunny.", thinking="Let me look outside.", usage=USAGE),
    "cut": Reply(text="Sunny, 21", finish="length"),
    "tool calls": Reply(text="I look.", tool_calls=CALLS, finish="tool_calls"),
    "refusal": Reply(refusal="I can not say.", finish="refusal"),
    "filtered": Reply(text="Sun", finish="content_filter"),
}
EVENT: TypeAdapter[Any] = TypeAdapter(RawMessageStreamEvent)

replies = pytest.mark.parametrize("reply", REPLIES.values(), ids=REPLIES)


def check(kind: type[BaseModel], data: Any) -> Any:
    """Validates, and refuses fields that the package's model does not know."""
    model = kind.model_validate(data)
    unknown = {**(model.model_extra or {})}
    assert not unknown, unknown
    return model


async def ask(upstream: Upstream, path: str, body: dict[str, Any]) -> Called:
    async with Caller(upstream.url, headers=VERSION if "messages" in path else {}) as caller:
        return await caller.post(path, body)


@replies
async def test_a_chat_completion_is_one_of_the_openai_package(reply: Reply) -> None:
    async with Upstream() as upstream:
        upstream.script(Answer.reply(reply))
        called = await ask(upstream, "/v1/chat/completions", OPENAI)

    completion = check(ChatCompletion, called.json)
    message = completion.choices[0].message
    assert (message.content or "") == reply.text
    assert message.refusal == reply.refusal
    assert [c.function.name for c in message.tool_calls or ()] == [c.name for c in reply.tool_calls]
    assert called.json["choices"][0]["message"].get("reasoning_content") == reply.thinking


@replies
async def test_a_chat_stream_adds_up_to_the_completion(reply: Reply) -> None:
    async with Upstream() as upstream:
        upstream.script(Answer.reply(reply))
        asked = OPENAI | {"stream": True, "stream_options": {"include_usage": True}}
        called = await ask(upstream, "/v1/chat/completions", asked)

    *events, last = [data for _, data in called.events]
    chunks = [check(ChatCompletionChunk, json.loads(data)) for data in events]
    deltas = [choice.delta for chunk in chunks for choice in chunk.choices]
    assert last == "[DONE]"
    assert "".join(delta.content or "" for delta in deltas) == reply.text
    assert "".join(delta.refusal or "" for delta in deltas) == (reply.refusal or "")
    arguments = ["", ""]
    for call in (call for delta in deltas for call in delta.tool_calls or ()):
        arguments[call.index] += call.function.arguments
    assert [text for text in arguments if text] == [call.arguments for call in reply.tool_calls]
    assert chunks[-2].choices[0].finish_reason is not None
    assert chunks[-1].usage.completion_tokens == reply.spent(Asked()).output


@replies
async def test_a_message_is_one_of_the_anthropic_package(reply: Reply) -> None:
    async with Upstream() as upstream:
        upstream.script(Answer.reply(reply))
        called = await ask(upstream, "/v1/messages", ANTHROPIC)

    message = check(Message, called.json)
    assert "".join(b.text for b in message.content if b.type == "text") == (reply.text or reply.refusal)
    assert [b.input for b in message.content if b.type == "tool_use"] == [
        json.loads(call.arguments) for call in reply.tool_calls
    ]
    assert [b.thinking for b in message.content if b.type == "thinking"] == [reply.thinking][: bool(reply.thinking)]
    assert message.stop_reason is not None


@replies
async def test_a_message_stream_adds_up_to_the_message(reply: Reply) -> None:
    async with Upstream() as upstream:
        upstream.script(Answer.reply(reply))
        called = await ask(upstream, "/v1/messages", ANTHROPIC | {"stream": True})

    events = [json.loads(data) for _, data in called.events]
    assert [name for name, _ in called.events] == [event["type"] for event in events]
    assert events[-1] == {"type": "message_stop"}
    parsed = [EVENT.validate_python(event) for event in events if event["type"] != "ping"]
    assert not [event for event in parsed if event.model_extra]
    deltas = [event.delta for event in parsed if event.type == "content_block_delta"]
    assert "".join(d.text for d in deltas if d.type == "text_delta") == (reply.text or reply.refusal)
    assert "".join(d.thinking for d in deltas if d.type == "thinking_delta") == (reply.thinking or "")
    assert "".join(d.partial_json for d in deltas if d.type == "input_json_delta") == "".join(
        call.arguments for call in reply.tool_calls
    )


async def test_usage_is_told_in_the_terms_of_each_api() -> None:
    async with Upstream() as upstream:
        upstream.always(Answer.text("Sunny.", usage=USAGE))
        openai = (await ask(upstream, "/v1/chat/completions", OPENAI)).json["usage"]
        anthropic = (await ask(upstream, "/v1/messages", ANTHROPIC)).json["usage"]

    assert (openai["prompt_tokens"], openai["completion_tokens"], openai["total_tokens"]) == (40, 9, 49)
    assert openai["prompt_tokens_details"]["cached_tokens"] == 16
    assert openai["completion_tokens_details"]["reasoning_tokens"] == 3
    assert (anthropic["input_tokens"], anthropic["output_tokens"]) == (16, 9)
    assert (anthropic["cache_read_input_tokens"], anthropic["cache_creation_input_tokens"]) == (16, 8)
    assert anthropic["output_tokens_details"] == {"thinking_tokens": 3}


async def test_embeddings_are_floats_or_base64_of_the_same_floats() -> None:
    asked = {"model": "scripted", "input": ["one", "two words"], "dimensions": 4}
    async with Upstream() as upstream:
        floats = (await ask(upstream, "/v1/embeddings", asked)).json
        packed = (await ask(upstream, "/v1/embeddings", asked | {"encoding_format": "base64"})).json

    response = check(CreateEmbeddingResponse, floats)
    unpacked = [struct.unpack("<4f", base64.b64decode(item["embedding"])) for item in packed["data"]]
    assert [tuple(item.embedding) for item in response.data] == unpacked
    assert response.usage.prompt_tokens == 3
    assert unpacked[0] != unpacked[1]


async def test_models_are_listed_in_the_form_of_the_api_that_asks() -> None:
    async with Upstream(models=("small", "large")) as upstream, Caller(upstream.url) as caller:
        openai = await caller.get("/v1/models")
        anthropic = await caller.get("/v1/models", **VERSION)
        one = await caller.get("/v1/models/large", **VERSION)
        none = await caller.get("/v1/models/huge")

    assert [check(Model, model).id for model in openai.json["data"]] == ["small", "large"]
    assert [check(ModelInfo, model).id for model in anthropic.json["data"]] == ["small", "large"]
    assert (anthropic.json["first_id"], anthropic.json["has_more"]) == ("small", False)
    assert one.json["id"] == "large"
    assert none.status == 404


async def test_tokens_are_counted() -> None:
    async with Upstream() as upstream:
        called = await ask(upstream, "/v1/messages/count_tokens", OPENAI | {"system": "Be brief."})

    assert check(MessageTokensCount, called.json).input_tokens == 8


@pytest.mark.parametrize("status", [400, 401, 403, 404, 429, 500, 503, 529])
async def test_errors_have_the_form_of_the_api(status: int) -> None:
    async with Upstream() as upstream:
        upstream.always(Answer.status(status, message="because", retry_after=0.25))
        openai = await ask(upstream, "/v1/chat/completions", OPENAI)
        anthropic = await ask(upstream, "/v1/messages", ANTHROPIC)

    assert (openai.status, anthropic.status) == (status, status)
    assert openai.json["error"]["message"] == "because"
    assert set(openai.json["error"]) == {"message", "type", "param", "code"}
    assert ErrorResponse.model_validate(anthropic.json).error.message == "because"
    assert openai.headers["retry-after"] == "0.25"
