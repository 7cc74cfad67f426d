"""The OpenAI package's streamed responses, whatever API the upstream speaks."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import openai
import pytest

from jackfield.testing import Answer, Reply
from jackfield.wire.chat import Usage

from .kinds import SAMPLE, Kind, World
from .test_openai_responses import NAMES, TOOLS, Trip, called

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def collect(client: openai.AsyncOpenAI, kind: Kind, given: Any = "Hello", **fields: Any) -> list[Any]:
    stream = await client.responses.create(model=kind.model, input=given, stream=True, **fields)
    return [event async for event in stream]


def text_of(events: list[Any]) -> str:
    return "".join(event.delta for event in events if event.type == "response.output_text.delta")


async def test_a_stream(gpt: openai.AsyncOpenAI, speaker: Kind) -> None:
    events = await collect(gpt, speaker, "one two three", metadata={"team": "a"})

    assert text_of(events) == "You said: one two three"
    assert [event.type for event in events[:4]] == [
        "response.created",
        "response.in_progress",
        "response.output_item.added",
        "response.content_part.added",
    ]
    assert [event.type for event in events[-4:]] == [
        "response.output_text.done",
        "response.content_part.done",
        "response.output_item.done",
        "response.completed",
    ]
    assert [event.sequence_number for event in events] == list(range(len(events)))
    last = events[-1].response
    assert (last.status, last.output_text, last.metadata) == ("completed", "You said: one two three", {"team": "a"})
    assert last.id == events[0].response.id
    assert last.output == [events[-2].item]


async def test_a_stream_for_the_synchronous_client(sync_gpt: openai.OpenAI, speaker: Kind) -> None:
    def collect_all() -> list[Any]:
        return list(sync_gpt.responses.create(model=speaker.model, input="one two", stream=True))

    assert text_of(await asyncio.to_thread(collect_all)) == "You said: one two"


async def test_usage_comes_with_the_last_event(gpt: openai.AsyncOpenAI, speaker: Kind, world: World) -> None:
    usage = Usage(input=40, output=9, cached=16, reasoning=3)
    world.upstreams[speaker.name].script(Answer.text("Sunny.", usage=usage))
    told = (await collect(gpt, speaker))[-1].response.usage

    assert (told.input_tokens, told.output_tokens, told.input_tokens_details.cached_tokens) == (40, 9, 16)
    assert told.output_tokens_details.reasoning_tokens == 3


async def test_parallel_tool_calls_add_up(gpt: openai.AsyncOpenAI, speaker: Kind) -> None:
    events = await collect(gpt, speaker, f"Use {' and '.join(NAMES)}", tools=TOOLS)
    arguments = ["", ""]
    for event in events:
        if event.type == "response.function_call_arguments.delta":
            arguments[event.output_index] += event.delta

    assert [json.loads(text) for text in arguments] == [SAMPLE, SAMPLE]
    assert called(events[-1].response) == [(name, SAMPLE) for name in NAMES]


async def test_the_packages_stream_helper(gpt: openai.AsyncOpenAI, speaker: Kind) -> None:
    async with gpt.responses.stream(model=speaker.model, input="Plan a trip", text_format=Trip) as stream:
        kinds = {event.type async for event in stream}
        response = await stream.get_final_response()

    assert {"response.output_text.delta", "response.output_text.done", "response.completed"} <= kinds
    assert response.output_parsed == Trip(**SAMPLE)


async def test_the_packages_stream_helper_with_tools(gpt: openai.AsyncOpenAI, speaker: Kind) -> None:
    async with gpt.responses.stream(model=speaker.model, input=f"Use {NAMES}", tools=TOOLS) as stream:
        response = await stream.get_final_response()

    assert [item.parsed_arguments for item in response.output if item.type == "function_call"] == [SAMPLE, SAMPLE]


async def test_the_helper_of_the_synchronous_client(sync_gpt: openai.OpenAI, speaker: Kind) -> None:
    def run() -> str:
        with sync_gpt.responses.stream(model=speaker.model, input="one two") as stream:
            return stream.get_final_response().output_text

    assert await asyncio.to_thread(run) == "You said: one two"


async def test_echo_streams_too(gpt: openai.AsyncOpenAI) -> None:
    kind = Kind("echo")
    events = await collect(gpt, kind, kind.calls(*NAMES), tools=TOOLS)
    assert called(events[-1].response) == [(name, SAMPLE) for name in NAMES]


async def test_reasoning_in_a_stream(gpt: openai.AsyncOpenAI, speaker: Kind) -> None:
    events = await collect(gpt, speaker, reasoning={"effort": "low"}, max_output_tokens=9000)
    thoughts = [event.delta for event in events if event.type == "response.reasoning_summary_text.delta"]

    assert "".join(thoughts) == "The user says: Hello"
    assert [item.type for item in events[-1].response.output] == ["reasoning", "message"]


async def test_the_token_limit_in_a_stream(gpt: openai.AsyncOpenAI, speaker: Kind) -> None:
    last = (await collect(gpt, speaker, "one two three", max_output_tokens=3))[-1]

    assert (last.type, last.response.output_text) == ("response.incomplete", "You said: one")
    assert last.response.incomplete_details.reason == "max_output_tokens"


async def test_the_first_event_is_passed_on_at_once(gpt: openai.AsyncOpenAI, speaker: Kind, world: World) -> None:
    release = asyncio.Event()
    reply = Reply(text="one two three")
    world.upstreams[speaker.name].script(Answer.held(release, events=5, reply=reply))
    stream = await gpt.responses.create(model=speaker.model, input="Hello", stream=True)
    async with asyncio.timeout(5):
        async for event in stream:
            if event.type == "response.output_text.delta":
                break
    assert not release.is_set()
    release.set()
    rest = [event async for event in stream]

    assert text_of([event, *rest]) == "one two three"


@pytest.mark.parametrize("name", ["openai", "anthropic"])
async def test_an_error_in_the_stream_is_raised_by_the_package(
    gpt: openai.AsyncOpenAI, world: World, name: str
) -> None:
    release = asyncio.Event()
    broken = Answer.error_event(4, "out of memory", Reply(text="one two three"), release=release)
    world.upstreams[name].script(broken)
    stream = await gpt.responses.create(model=f"via-{name}", input="Hello", stream=True)
    release.set()

    async def last_event() -> Any:
        async for event in stream:
            if event.type == "response.failed":
                return event
        return None

    assert (await last_event()).response.error.message == "out of memory"
    with pytest.raises(openai.APIError, match="out of memory"):
        await last_event()


async def test_a_stream_that_breaks_off_is_raised_by_the_package(
    gpt: openai.AsyncOpenAI, speaker: Kind, world: World
) -> None:
    world.upstreams[speaker.name].script(Answer.close_after(5, Reply(text="one two three")))
    with pytest.raises(openai.APIError, match="broke off"):
        await collect(gpt, speaker)
