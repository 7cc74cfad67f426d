"""The Anthropic package's streams, whatever API the upstream speaks."""

from __future__ import annotations

import asyncio
from typing import Any

import anthropic
import pytest

from jackfield.testing import Answer, Reply
from jackfield.wire.chat import Usage

from .kinds import SAMPLE, SCHEMA, Kind, World

pytestmark = pytest.mark.asyncio(loop_scope="module")

NAMES = ("get_weather", "get_time")
TOOLS: Any = [{"name": name, "input_schema": SCHEMA} for name in NAMES]


async def collect(client: anthropic.AsyncAnthropic, kind: Kind, content: str, **fields: Any) -> list[Any]:
    fields = {"max_tokens": 100} | fields
    stream = await client.messages.create(
        model=kind.model, messages=[{"role": "user", "content": content}], stream=True, **fields
    )
    return [event async for event in stream]


async def finish(client: anthropic.AsyncAnthropic, kind: Kind, content: str, **fields: Any) -> Any:
    fields = {"max_tokens": 100} | fields
    async with client.messages.stream(
        model=kind.model, messages=[{"role": "user", "content": content}], **fields
    ) as stream:
        return await stream.get_final_message()


def text_of(message: Any) -> str:
    return "".join(block.text for block in message.content if block.type == "text")


async def test_a_stream_has_the_structure_of_the_api(claude: anthropic.AsyncAnthropic, kind: Kind) -> None:
    events = await collect(claude, kind, kind.says("You said: one two"))
    kinds = [event.type for event in events]

    assert (kinds[0], kinds[1]) == ("message_start", "content_block_start")
    assert kinds[-3:] == ["content_block_stop", "message_delta", "message_stop"]
    assert set(kinds[2:-3]) == {"content_block_delta"}
    assert "".join(e.delta.text for e in events if e.type == "content_block_delta") == "You said: one two"
    assert events[-2].delta.stop_reason == "end_turn"


async def test_the_packages_stream_helper(claude: anthropic.AsyncAnthropic, kind: Kind) -> None:
    async with claude.messages.stream(
        model=kind.model,
        max_tokens=100,
        messages=[{"role": "user", "content": kind.says("You said: one two")}],
    ) as stream:
        pieces = [piece async for piece in stream.text_stream]
        message = await stream.get_final_message()

    assert "".join(pieces) == text_of(message) == "You said: one two"
    assert message.stop_reason == "end_turn"


async def test_a_stream_for_the_synchronous_client(sync_claude: anthropic.Anthropic, kind: Kind) -> None:
    messages: Any = [{"role": "user", "content": kind.says("You said: one two")}]

    def read_all() -> str:
        with sync_claude.messages.stream(model=kind.model, max_tokens=100, messages=messages) as stream:
            return "".join(stream.text_stream)

    assert await asyncio.to_thread(read_all) == "You said: one two"


async def test_usage_arrives(claude: anthropic.AsyncAnthropic, scripted: Kind, world: World) -> None:
    usage = Usage(input=40, output=9, cached=16)
    world.upstreams[scripted.name].script(Answer.text("Sunny.", usage=usage))
    told = (await finish(claude, scripted, "Weather?")).usage

    assert (told.input_tokens, told.cache_read_input_tokens, told.output_tokens) == (24, 16, 9)


async def test_parallel_tool_calls_add_up(claude: anthropic.AsyncAnthropic, kind: Kind) -> None:
    message = await finish(claude, kind, kind.calls(*NAMES), tools=TOOLS)

    assert [(b.name, b.input) for b in message.content if b.type == "tool_use"] == [(name, SAMPLE) for name in NAMES]
    assert message.stop_reason == "tool_use"


async def test_thinking_comes_first(claude: anthropic.AsyncAnthropic, kind: Kind) -> None:
    asked = kind.thinks("The user says: Hello", "You said: Hello")
    budget = {"type": "enabled", "budget_tokens": 1024}
    message = await finish(claude, kind, asked, thinking=budget, max_tokens=2000)

    assert [block.type for block in message.content] == ["thinking", "text"]
    assert message.content[0].thinking == "The user says: Hello"
    assert text_of(message) == "You said: Hello"


async def test_the_signature_of_thinking_arrives(claude: anthropic.AsyncAnthropic) -> None:
    budget = {"type": "enabled", "budget_tokens": 1024}
    message = await finish(claude, Kind("anthropic"), "Hello", thinking=budget, max_tokens=2000)

    assert message.content[0].signature


async def test_a_stop_sequence_in_a_stream(claude: anthropic.AsyncAnthropic) -> None:
    message = await finish(claude, Kind("anthropic"), "one STOP two", stop_sequences=["STOP"])

    assert (text_of(message), message.stop_reason, message.stop_sequence) == (
        "You said: one ",
        "stop_sequence",
        "STOP",
    )


async def test_the_token_limit_in_a_stream(claude: anthropic.AsyncAnthropic, scripted: Kind) -> None:
    message = await finish(claude, scripted, "one two three", max_tokens=3)

    assert (text_of(message), message.stop_reason) == ("You said: one", "max_tokens")


async def test_the_first_event_is_passed_on_at_once(
    claude: anthropic.AsyncAnthropic, scripted: Kind, world: World
) -> None:
    release = asyncio.Event()
    reply = Reply(text="one two three")
    world.upstreams[scripted.name].script(Answer.held(release, events=5, reply=reply))
    async with claude.messages.stream(
        model=scripted.model, max_tokens=100, messages=[{"role": "user", "content": "Hello"}]
    ) as stream:
        async with asyncio.timeout(5):
            first = await anext(aiter(stream.text_stream))
        assert not release.is_set()
        release.set()
        message = await stream.get_final_message()

    assert first.startswith("one")
    assert text_of(message) == "one two three"


async def test_an_error_in_the_stream_is_raised_by_the_package(
    claude: anthropic.AsyncAnthropic, scripted: Kind, world: World
) -> None:
    release = asyncio.Event()
    broken = Answer.error_event(4, "out of memory", Reply(text="one two three"), release=release)
    world.upstreams[scripted.name].script(broken)
    async with claude.messages.stream(
        model=scripted.model, max_tokens=100, messages=[{"role": "user", "content": "Hello"}]
    ) as stream:
        release.set()
        with pytest.raises(anthropic.APIError, match="out of memory"):
            await stream.get_final_message()
