"""Several turns in one stream, as the official clients read it."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import anthropic
import openai
import pytest

from jackfield.testing import Answer, Reply
from jackfield.testing.replies import call_tools
from jackfield.wire.chat import Usage

from .conftest import World
from .worlds import asking, calls, turns

pytestmark = pytest.mark.asyncio(loop_scope="module")

CHAT, MESSAGES = "/v1/chat/completions", "/v1/messages"
ADDING = calls(("add", {"a": 2, "b": 3}))
AUTO = {"x-jackfield-tools": "auto"}
TOLD = AUTO | {"x-jackfield-tool-events": "1"}
SCRIPT = turns(
    ADDING | {"text": "Let me see.", "thinking": "Two, three."}, {"thinking": "Aha.", "text": "It is {results}."}
)
ANSWERS = (
    Answer.reply(
        Reply(
            thinking="Two, three.",
            text="Let me see.",
            tool_calls=call_tools(("plugin_kit_add", {"a": 2, "b": 3})),
            finish="tool_calls",
            usage=Usage(input=10, output=4),
        )
    ),
    Answer.text("It is 5.", thinking="Aha.", usage=Usage(input=30, output=2)),
)


def script(world: World, kind: str) -> str:
    """What to ask a model of this kind; the same is said each time."""
    if kind == "echo":
        return SCRIPT
    world.upstream(kind).script(*ANSWERS)
    return "2 + 3?"


@pytest.mark.parametrize("headers", [AUTO, TOLD], ids=["plain", "with tool events"])
@pytest.mark.parametrize("kind", ["openai", "anthropic", "echo"])
async def test_the_openai_package_reads_one_stream(world: World, kind: str, headers: dict[str, str]) -> None:
    asked: Any = [{"role": "user", "content": script(world, kind)}]
    url, key = f"{world.gateway.url}/v1", world.gateway.api_key
    async with openai.AsyncOpenAI(base_url=url, api_key=key, max_retries=0, default_headers=headers) as client:
        stream = await client.chat.completions.create(
            model=f"via-{kind}", messages=asked, stream=True, stream_options={"include_usage": True}
        )
        chunks = [chunk async for chunk in stream]
    deltas = [chunk.choices[0].delta for chunk in chunks if chunk.choices]
    assert "".join(delta.content or "" for delta in deltas) == "Let me see.\n\nIt is 5."
    assert not any(delta.tool_calls for delta in deltas)
    assert [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices and chunk.choices[0].finish_reason] == [
        "stop"
    ]
    assert len({chunk.id for chunk in chunks}) == 1
    assert chunks[-1].usage is not None
    if kind != "echo":
        assert (chunks[-1].usage.prompt_tokens, chunks[-1].usage.completion_tokens) == (40, 6)


@pytest.mark.parametrize("headers", [AUTO, TOLD], ids=["plain", "with tool events"])
@pytest.mark.parametrize("kind", ["openai", "anthropic", "echo"])
async def test_the_anthropic_package_reads_one_message(world: World, kind: str, headers: dict[str, str]) -> None:
    asked: Any = [{"role": "user", "content": script(world, kind)}]
    url, key = world.gateway.url, world.gateway.api_key
    client = anthropic.AsyncAnthropic(base_url=url, api_key=key, max_retries=0, default_headers=headers)
    async with client, client.messages.stream(model=f"via-{kind}", max_tokens=1000, messages=asked) as stream:
        indexes = [event.index async for event in stream if event.type == "content_block_start"]
        message = await stream.get_final_message()
    assert "".join(block.text for block in message.content if block.type == "text") == "Let me see.It is 5."
    assert indexes == list(range(len(message.content)))
    kinds = [block.type for block in message.content if block.type != "thinking" or kind != "openai"]
    assert kinds in (["text", "text"], ["thinking", "text", "thinking", "text"])
    assert message.stop_reason == "end_turn"
    if kind != "echo":
        assert (message.usage.input_tokens, message.usage.output_tokens) == (40, 6)


@pytest.mark.parametrize("path", [CHAT, MESSAGES])
async def test_tool_events_are_comments_for_those_who_ask(world: World, path: str) -> None:
    body = asking(path, "via-echo", SCRIPT, stream=True)
    plain = (await world.post(path, body, **AUTO)).body
    told = (await world.post(path, body, **TOLD)).body
    comments = [line.removeprefix(b": jackfield ") for line in told.split(b"\n") if line.startswith(b":")]
    started, ended = map(json.loads, comments)
    assert not any(line.startswith(b":") for line in plain.split(b"\n"))
    assert started == {
        "event": "tool_start",
        "call": "call_echo_0",
        "name": "plugin_kit_add",
        "input": {"a": 2, "b": 3},
    }
    assert ended.pop("duration_ms") >= 0
    assert ended == {
        "event": "tool_result",
        "call": "call_echo_0",
        "name": "plugin_kit_add",
        "success": True,
        "result": 5,
    }
    assert told.index(b"tool_start") > told.index(b"see.")


async def test_signed_thinking_of_a_stream_goes_back_unchanged(world: World) -> None:
    world.anthropic.script(*ANSWERS)
    thinks = {"type": "enabled", "budget_tokens": 1024}
    body = asking(MESSAGES, "via-anthropic", "2 + 3?", thinking=thinks, stream=True) | {"max_tokens": 4096}
    called = await world.ask(MESSAGES, body)
    said = world.anthropic.requests[1].json["messages"][1]["content"]
    assert [block["type"] for block in said] == ["thinking", "text", "tool_use"]
    assert said[0]["thinking"] == "Two, three."
    assert said[0]["signature"].encode() in called.body


async def test_a_stream_that_breaks_in_a_later_turn_ends_in_an_error(world: World) -> None:
    world.openai.script(
        Answer.tool_calls(("plugin_kit_add", {"a": 1, "b": 1})), Answer.close_after(2, Reply(text="one two three"))
    )
    called = await world.ask(CHAT, asking(CHAT, "via-openai", "hello", stream=True))
    assert called.status == 200
    assert json.loads(called.events[-1][1])["error"]["code"] == "upstream_broken"
    first, second = await world.records(2)
    assert (first["error"], second["error"]) == (None, "upstream_broken")


async def test_an_error_event_of_an_upstream_ends_the_run(world: World) -> None:
    release = asyncio.Event()
    world.anthropic.script(Answer.error_event(2, "Overloaded", Reply(text="one two three"), release=release))
    asked = asking(MESSAGES, "via-anthropic", "hello", stream=True)
    async with world.gateway.caller(x_jackfield_tools="auto") as caller:
        called = await caller.begin("POST", MESSAGES, body=asked)
        await caller.read(called, events=1)
        release.set()
        await caller.finish(called)
    assert called.events[-1][0] == "error"
    assert "Overloaded" in called.events[-1][1]
