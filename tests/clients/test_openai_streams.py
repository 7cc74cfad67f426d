"""The OpenAI package's streams, whatever API the upstream speaks."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import openai
import pytest
from pydantic import BaseModel

from jackfield.testing import Answer, Reply
from jackfield.wire.chat import Usage

from .kinds import SAMPLE, SCHEMA, Kind, World

pytestmark = pytest.mark.asyncio(loop_scope="module")

NAMES = ("get_weather", "get_time")
TOOLS: Any = [{"type": "function", "function": {"name": name, "parameters": SCHEMA}} for name in NAMES]


async def collect(client: openai.AsyncOpenAI, kind: Kind, content: str, **fields: Any) -> list[Any]:
    stream = await client.chat.completions.create(
        model=kind.model, messages=[{"role": "user", "content": content}], stream=True, **fields
    )
    return [chunk async for chunk in stream]


def text_of(chunks: list[Any]) -> str:
    return "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)


async def test_a_stream(gpt: openai.AsyncOpenAI, kind: Kind) -> None:
    chunks = await collect(gpt, kind, kind.says("You said: one two three"))

    assert text_of(chunks) == "You said: one two three"
    assert chunks[0].choices[0].delta.role == "assistant"
    assert [c.choices[0].finish_reason for c in chunks if c.choices][-1] == "stop"
    assert len({chunk.id for chunk in chunks}) == 1
    assert all(chunk.usage is None for chunk in chunks)


async def test_a_stream_for_the_synchronous_client(sync_gpt: openai.OpenAI, kind: Kind) -> None:
    messages: Any = [{"role": "user", "content": kind.says("You said: one two")}]

    def collect_all() -> list[Any]:
        return list(sync_gpt.chat.completions.create(model=kind.model, messages=messages, stream=True))

    assert text_of(await asyncio.to_thread(collect_all)) == "You said: one two"


async def test_usage_comes_last_where_it_is_asked_for(gpt: openai.AsyncOpenAI, scripted: Kind, world: World) -> None:
    usage = Usage(input=40, output=9, cached=16, reasoning=3)
    world.upstreams[scripted.name].script(Answer.text("Sunny.", usage=usage))
    chunks = await collect(gpt, scripted, "Weather?", stream_options={"include_usage": True})

    assert chunks[-1].choices == []
    assert (chunks[-1].usage.prompt_tokens, chunks[-1].usage.completion_tokens) == (40, 9)
    assert chunks[-1].usage.prompt_tokens_details.cached_tokens == 16
    assert chunks[-1].usage.completion_tokens_details.reasoning_tokens == 3


async def test_parallel_tool_calls_add_up(gpt: openai.AsyncOpenAI, kind: Kind) -> None:
    chunks = await collect(gpt, kind, kind.calls(*NAMES), tools=TOOLS)
    names, arguments = ["", ""], ["", ""]
    for call in (call for c in chunks if c.choices for call in c.choices[0].delta.tool_calls or ()):
        names[call.index] += call.function.name or ""
        arguments[call.index] += call.function.arguments or ""

    assert names == list(NAMES)
    assert [json.loads(text) for text in arguments] == [SAMPLE, SAMPLE]
    assert [c.choices[0].finish_reason for c in chunks if c.choices][-1] == "tool_calls"


async def test_the_packages_stream_helper(gpt: openai.AsyncOpenAI, kind: Kind) -> None:
    async with gpt.chat.completions.stream(
        model=kind.model, messages=[{"role": "user", "content": kind.says("You said: one two")}]
    ) as stream:
        kinds = {event.type async for event in stream}
        completion = await stream.get_final_completion()

    assert {"chunk", "content.delta", "content.done"} <= kinds
    assert completion.choices[0].message.content == "You said: one two"


class Trip(BaseModel):
    city: str
    days: int


async def test_structured_output_in_a_stream(gpt: openai.AsyncOpenAI, scripted: Kind) -> None:
    messages: Any = [{"role": "user", "content": "Plan a trip"}]
    async with gpt.chat.completions.stream(model=scripted.model, messages=messages, response_format=Trip) as stream:
        completion = await stream.get_final_completion()

    assert completion.choices[0].message.parsed == Trip(**SAMPLE)


async def test_thinking_in_a_stream(gpt: openai.AsyncOpenAI, kind: Kind) -> None:
    asked = kind.thinks("The user says: Hello", "You said: Hello")
    chunks = await collect(gpt, kind, asked, reasoning_effort="low")
    deltas = [chunk.choices[0].delta for chunk in chunks if chunk.choices]

    assert "".join(getattr(d, "reasoning_content", None) or "" for d in deltas) == "The user says: Hello"
    assert text_of(chunks) == "You said: Hello"


async def test_the_token_limit_in_a_stream(gpt: openai.AsyncOpenAI, scripted: Kind) -> None:
    chunks = await collect(gpt, scripted, "one two three", max_completion_tokens=3)

    assert text_of(chunks) == "You said: one"
    assert [c.choices[0].finish_reason for c in chunks if c.choices][-1] == "length"


async def test_the_first_event_is_passed_on_at_once(gpt: openai.AsyncOpenAI, scripted: Kind, world: World) -> None:
    release = asyncio.Event()
    reply = Reply(text="one two three")
    world.upstreams[scripted.name].script(Answer.held(release, events=4, reply=reply))
    stream = await gpt.chat.completions.create(
        model=scripted.model, messages=[{"role": "user", "content": "Hello"}], stream=True
    )
    async with asyncio.timeout(5):
        async for chunk in stream:
            if chunk.choices[0].delta.content:
                break
    assert not release.is_set()
    release.set()
    rest = [chunk async for chunk in stream]

    assert chunk.choices[0].delta.content + text_of(rest) == "one two three"


async def test_an_error_in_the_stream_is_raised_by_the_package(
    gpt: openai.AsyncOpenAI, scripted: Kind, world: World
) -> None:
    release = asyncio.Event()
    broken = Answer.error_event(4, "out of memory", Reply(text="one two three"), release=release)
    world.upstreams[scripted.name].script(broken)
    stream = await gpt.chat.completions.create(
        model=scripted.model, messages=[{"role": "user", "content": "Hello"}], stream=True
    )
    release.set()
    with pytest.raises(openai.APIError, match="out of memory"):
        _ = [chunk async for chunk in stream]
