"""The Anthropic package's tools, whatever API the upstream speaks."""

from __future__ import annotations

from typing import Any

import anthropic
import pytest

from .kinds import SAMPLE, SCHEMA, Kind

pytestmark = pytest.mark.asyncio(loop_scope="module")

NAMES = ("get_weather", "get_time")
TOOLS: Any = [{"name": name, "description": f"Tells {name}", "input_schema": SCHEMA} for name in NAMES]


async def ask(client: anthropic.AsyncAnthropic, kind: Kind, messages: Any, **fields: Any) -> Any:
    if isinstance(messages, str):
        messages = [{"role": "user", "content": messages}]
    return await client.messages.create(model=kind.model, max_tokens=100, messages=messages, tools=TOOLS, **fields)


def called(message: Any) -> list[tuple[str, Any]]:
    return [(block.name, block.input) for block in message.content if block.type == "tool_use"]


async def test_a_tool_call(claude: anthropic.AsyncAnthropic, kind: Kind) -> None:
    message = await ask(claude, kind, kind.calls("get_weather"))

    assert called(message) == [("get_weather", SAMPLE)]
    assert message.stop_reason == "tool_use"
    assert message.content[0].id


async def test_parallel_tool_calls(claude: anthropic.AsyncAnthropic, kind: Kind) -> None:
    message = await ask(claude, kind, kind.calls(*NAMES))

    assert called(message) == [(name, SAMPLE) for name in NAMES]
    assert len({block.id for block in message.content}) == 2


async def test_parallel_calls_can_be_ruled_out(claude: anthropic.AsyncAnthropic, scripted: Kind) -> None:
    choice = {"type": "auto", "disable_parallel_tool_use": True}
    message = await ask(claude, scripted, scripted.calls(*NAMES), tool_choice=choice)

    assert called(message) == [("get_weather", SAMPLE)]


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        ({"type": "none"}, []),
        ({"type": "any"}, ["get_weather"]),
        ({"type": "tool", "name": "get_time"}, ["get_time"]),
    ],
    ids=["none", "any", "named"],
)
async def test_the_tool_choice(
    claude: anthropic.AsyncAnthropic, scripted: Kind, choice: Any, expected: list[str]
) -> None:
    message = await ask(claude, scripted, "Hello", tool_choice=choice)

    assert [name for name, _ in called(message)] == expected


async def test_results_of_parallel_calls_return_to_the_model(claude: anthropic.AsyncAnthropic, scripted: Kind) -> None:
    question = {"role": "user", "content": scripted.calls(*NAMES)}
    message = await ask(claude, scripted, [question])
    ids = [block.id for block in message.content]
    results = [
        {"type": "tool_result", "tool_use_id": ids[0], "content": "sun"},
        {"type": "tool_result", "tool_use_id": ids[1], "content": [{"type": "text", "text": "noon"}]},
    ]
    turns = [question, message.to_param(), {"role": "user", "content": results}]
    answer = await ask(claude, scripted, turns)

    assert answer.content[0].text == f"Results: {ids[0]}=sun; {ids[1]}=noon"


async def test_a_failed_tool_is_told(claude: anthropic.AsyncAnthropic, scripted: Kind) -> None:
    question = {"role": "user", "content": scripted.calls("get_weather")}
    message = await ask(claude, scripted, [question])
    used = message.content[0].id
    result = {"type": "tool_result", "tool_use_id": used, "content": "no such city", "is_error": True}
    answer = await ask(claude, scripted, [question, message.to_param(), {"role": "user", "content": [result]}])

    assert "no such city" in answer.content[0].text
