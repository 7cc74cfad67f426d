"""The OpenAI package's chat completions, whatever API the upstream speaks."""

from __future__ import annotations

import asyncio
import base64
import hashlib
from typing import Any

import openai
import pytest
from pydantic import BaseModel

from jackfield.testing import Answer
from jackfield.wire.chat import Usage

from .kinds import SAMPLE, Kind, World

pytestmark = pytest.mark.asyncio(loop_scope="module")

PIXEL = b"\x89PNG pixel"


async def ask(client: openai.AsyncOpenAI, kind: Kind, content: Any, **fields: Any) -> Any:
    return await client.chat.completions.create(
        model=kind.model, messages=[{"role": "user", "content": content}], **fields
    )


async def test_a_completion(gpt: openai.AsyncOpenAI, kind: Kind) -> None:
    completion = await ask(gpt, kind, kind.says("You said: Hello"))

    (choice,) = completion.choices
    assert (choice.message.role, choice.message.content) == ("assistant", "You said: Hello")
    assert (choice.finish_reason, choice.index) == ("stop", 0)
    assert completion.object == "chat.completion"
    assert completion.id
    assert completion.created > 0


async def test_a_completion_for_the_synchronous_client(sync_gpt: openai.OpenAI, kind: Kind) -> None:
    messages = [{"role": "user", "content": kind.says("You said: Hello")}]
    completion = await asyncio.to_thread(sync_gpt.chat.completions.create, model=kind.model, messages=messages)

    assert completion.choices[0].message.content == "You said: Hello"


@pytest.mark.parametrize("role", ["system", "developer"])
async def test_system_prompts_arrive(gpt: openai.AsyncOpenAI, scripted: Kind, role: str) -> None:
    messages: Any = [{"role": role, "content": "Be brief."}, {"role": "user", "content": "Hello"}]
    completion = await gpt.chat.completions.create(model=scripted.model, messages=messages)

    assert completion.choices[0].message.content == "You said: Hello. I was told: Be brief."


async def test_a_conversation_arrives_in_order(gpt: openai.AsyncOpenAI, scripted: Kind, world: World) -> None:
    messages: Any = [
        {"role": "user", "content": "one"},
        {"role": "assistant", "content": "two"},
        {"role": "user", "content": [{"type": "text", "text": "three"}]},
    ]
    completion = await gpt.chat.completions.create(model=scripted.model, messages=messages)

    assert completion.choices[0].message.content == "You said: three"
    assert [message["role"] for message in world.last_request(scripted)["messages"]] == [
        "user",
        "assistant",
        "user",
    ]


async def test_usage_arrives(gpt: openai.AsyncOpenAI, scripted: Kind, world: World) -> None:
    usage = Usage(input=40, output=9, cached=16, reasoning=3)
    world.upstreams[scripted.name].script(Answer.text("Sunny.", usage=usage))
    told = (await ask(gpt, scripted, "Weather?")).usage

    assert (told.prompt_tokens, told.completion_tokens, told.total_tokens) == (40, 9, 49)
    assert told.prompt_tokens_details.cached_tokens == 16
    assert told.completion_tokens_details.reasoning_tokens == 3


async def test_echo_counts_tokens(gpt: openai.AsyncOpenAI) -> None:
    told = (await ask(gpt, Kind("echo"), "Hello there")).usage

    assert told.prompt_tokens > 0
    assert told.total_tokens == told.prompt_tokens + told.completion_tokens


async def test_the_request_id_and_the_upstream_are_visible(gpt: openai.AsyncOpenAI, kind: Kind) -> None:
    raw = await gpt.chat.completions.with_raw_response.create(
        model=kind.model, messages=[{"role": "user", "content": "Hello"}]
    )

    assert raw.headers["x-request-id"].startswith("req_")
    assert raw.request_id == raw.headers["x-request-id"]
    assert raw.headers["x-jackfield-upstream"] == kind.name


async def test_stop_sequences(gpt: openai.AsyncOpenAI, scripted: Kind) -> None:
    for stop in ("STOP", ["STOP", "never"]):
        (choice,) = (await ask(gpt, scripted, "one STOP two", stop=stop)).choices
        assert (choice.message.content, choice.finish_reason) == ("You said: one ", "stop")


@pytest.mark.parametrize("limit", ["max_tokens", "max_completion_tokens"])
async def test_the_token_limit(gpt: openai.AsyncOpenAI, scripted: Kind, limit: str) -> None:
    (choice,) = (await ask(gpt, scripted, "one two three", **{limit: 3})).choices

    assert (choice.message.content, choice.finish_reason) == ("You said: one", "length")


@pytest.mark.parametrize("given", ["url", "base64"])
async def test_images(gpt: openai.AsyncOpenAI, scripted: Kind, given: str) -> None:
    url = f"data:image/png;base64,{base64.b64encode(PIXEL).decode()}"
    seen = f"image image/png of 10 bytes {hashlib.sha256(PIXEL).hexdigest()[:12]}"
    if given == "url":
        url, seen = "https://example.com/a.png", "image at https://example.com/a.png"
    image = {"type": "image_url", "image_url": {"url": url}}
    (choice,) = (await ask(gpt, scripted, [{"type": "text", "text": "What is this?"}, image])).choices

    assert choice.message.content == f"You said: What is this?. You showed: {seen}"


class Trip(BaseModel):
    city: str
    days: int


async def test_structured_output_is_parsed_by_the_package(gpt: openai.AsyncOpenAI, scripted: Kind) -> None:
    messages: Any = [{"role": "user", "content": "Plan a trip"}]
    completion = await gpt.chat.completions.parse(model=scripted.model, messages=messages, response_format=Trip)

    assert completion.choices[0].message.parsed == Trip(**SAMPLE)


async def test_thinking_arrives_as_reasoning_content(gpt: openai.AsyncOpenAI, kind: Kind) -> None:
    asked = kind.thinks("The user says: Hello", "You said: Hello")
    (choice,) = (await ask(gpt, kind, asked, reasoning_effort="low")).choices

    assert choice.message.content == "You said: Hello"
    assert choice.message.reasoning_content == "The user says: Hello"


async def test_a_refusal_is_told(gpt: openai.AsyncOpenAI, world: World) -> None:
    world.upstreams["openai"].script(Answer.refusal("I can not say."))
    (choice,) = (await ask(gpt, Kind("openai"), "Tell me")).choices

    assert choice.message.refusal == "I can not say."


async def test_fields_that_the_gateway_does_not_know_pass_through(gpt: openai.AsyncOpenAI, world: World) -> None:
    extra = {"prediction": {"type": "content", "content": "x"}, "brand_new": [1, {"a": None}]}
    await ask(gpt, Kind("openai"), "Hello", seed=7, logit_bias={"5": 1}, extra_body=extra)

    received = world.last_request(Kind("openai"))
    assert {name: received[name] for name in extra} == extra
    assert (received["seed"], received["logit_bias"]) == (7, {"5": 1})


async def test_the_upstream_is_asked_for_its_own_model_with_its_own_key(
    gpt: openai.AsyncOpenAI, scripted: Kind, world: World
) -> None:
    await ask(gpt, scripted, "Hello")
    request = world.upstreams[scripted.name].requests[-1]

    assert request.json["model"] == "scripted"
    assert world.gateway.api_key not in str(request.headers)
