"""The OpenAI package's tools, whatever API the upstream speaks."""

from __future__ import annotations

import json
from typing import Any

import openai
import pytest

from .kinds import SAMPLE, SCHEMA, Kind, World

pytestmark = pytest.mark.asyncio(loop_scope="module")

NAMES = ("get_weather", "get_time")
TOOLS: Any = [{"type": "function", "function": {"name": name, "parameters": SCHEMA}} for name in NAMES]


async def ask(client: openai.AsyncOpenAI, kind: Kind, messages: Any, **fields: Any) -> Any:
    if isinstance(messages, str):
        messages = [{"role": "user", "content": messages}]
    completion = await client.chat.completions.create(model=kind.model, messages=messages, tools=TOOLS, **fields)
    return completion.choices[0]


def called(choice: Any) -> list[tuple[str, Any]]:
    return [(c.function.name, json.loads(c.function.arguments)) for c in choice.message.tool_calls or ()]


async def test_a_tool_call(gpt: openai.AsyncOpenAI, kind: Kind) -> None:
    choice = await ask(gpt, kind, kind.calls("get_weather"))

    assert called(choice) == [("get_weather", SAMPLE)]
    assert choice.finish_reason == "tool_calls"
    assert choice.message.content is None
    assert choice.message.tool_calls[0].id
    assert choice.message.tool_calls[0].type == "function"


async def test_parallel_tool_calls(gpt: openai.AsyncOpenAI, kind: Kind) -> None:
    choice = await ask(gpt, kind, kind.calls(*NAMES))

    assert called(choice) == [(name, SAMPLE) for name in NAMES]
    assert len({call.id for call in choice.message.tool_calls}) == 2


async def test_parallel_calls_can_be_ruled_out(gpt: openai.AsyncOpenAI, scripted: Kind) -> None:
    choice = await ask(gpt, scripted, scripted.calls(*NAMES), parallel_tool_calls=False)

    assert called(choice) == [("get_weather", SAMPLE)]


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        ("none", []),
        ("required", ["get_weather"]),
        ({"type": "function", "function": {"name": "get_time"}}, ["get_time"]),
    ],
    ids=["none", "required", "named"],
)
async def test_the_tool_choice(gpt: openai.AsyncOpenAI, scripted: Kind, choice: Any, expected: list[str]) -> None:
    answer = await ask(gpt, scripted, "Hello", tool_choice=choice)

    assert [name for name, _ in called(answer)] == expected


async def test_results_of_parallel_calls_return_to_the_model(gpt: openai.AsyncOpenAI, scripted: Kind) -> None:
    question = {"role": "user", "content": scripted.calls(*NAMES)}
    choice = await ask(gpt, scripted, [question])
    ids = [call.id for call in choice.message.tool_calls]
    results = [
        {"role": "tool", "tool_call_id": ids[0], "content": "sun"},
        {"role": "tool", "tool_call_id": ids[1], "content": [{"type": "text", "text": "noon"}]},
    ]
    answer = await ask(gpt, scripted, [question, choice.message.model_dump(exclude_none=True), *results])

    assert answer.message.content == f"Results: {ids[0]}=sun; {ids[1]}=noon"


async def test_tool_definitions_arrive(gpt: openai.AsyncOpenAI, scripted: Kind, world: World) -> None:
    await ask(gpt, scripted, "Hello")
    tools = world.last_request(scripted)["tools"]

    given = [tool.get("function", tool) for tool in tools]
    assert [tool["name"] for tool in given] == list(NAMES)
    assert [tool.get("parameters") or tool.get("input_schema") for tool in given] == [SCHEMA, SCHEMA]
