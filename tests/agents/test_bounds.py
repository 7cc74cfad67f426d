"""A run ends where its bounds are, with what has been said so far."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from jackfield.testing import Answer
from jackfield.wire.chat import Usage

from .conftest import World
from .worlds import asking, calls, run_tools, turns

pytestmark = pytest.mark.asyncio(loop_scope="module")

CHAT, MESSAGES, AGENT = "/v1/chat/completions", "/v1/messages", "/v1/agents/tools"


def adding(number: int, **more: Any) -> dict[str, Any]:
    return calls(("add", {"a": number, "b": 1}), **more)


def endless(count: int = 30) -> str:
    return turns(*({"text": f"Step {number}."} | adding(number) for number in range(count)))


async def run(world: World, text: str, **limits: Any) -> Any:
    called = await world.post(AGENT, {"model": "via-echo", "input": text, "limits": limits})
    assert called.status == 200, called.body
    return called.json


async def test_a_model_that_never_ends_is_stopped_after_twenty_turns(world: World) -> None:
    called = await world.ask(CHAT, asking(CHAT, "via-echo", endless()))
    assert called.status == 200
    assert (called.headers["x-jackfield-turns"], called.headers["x-jackfield-stopped"]) == ("20", "turns")
    choice = called.json["choices"][0]
    assert choice["finish_reason"] == "length"
    assert choice["message"]["content"].endswith("Step 19.")
    assert "tool_calls" not in choice["message"]


@pytest.mark.parametrize("path", [CHAT, MESSAGES])
async def test_a_stream_says_in_a_comment_why_it_was_stopped(world: World, path: str) -> None:
    called = await world.ask(path, asking(path, "via-echo", endless(), stream=True))
    assert b"\n: x-jackfield-stopped: turns\n\n" in called.body
    assert b'"length"' in called.body or b'"max_tokens"' in called.body


async def test_turns_as_few_as_asked_for(world: World) -> None:
    done = await run(world, endless(), turns=2)
    assert (done["turns"], done["stopped"], done["finish_reason"]) == (2, "turns", "length")
    assert done["output"] == "Step 1."
    assert len(done["tools_used"]) == 1


async def test_the_same_call_over_and_over_is_stopped(world: World) -> None:
    done = await run(world, turns(adding(1)))
    assert (done["turns"], done["stopped"], len(done["tools_used"])) == (5, "repeats", 4)


async def test_tokens_are_counted_over_all_turns(world: World) -> None:
    world.openai.always(Answer.tool_calls(("plugin_kit_add", {"a": 1, "b": 1}), usage=Usage(input=60, output=5)))
    called = await world.post(AGENT, {"model": "via-openai", "input": "add", "limits": {"tokens": 130}})
    assert (called.json["turns"], called.json["stopped"]) == (2, "tokens")
    assert called.json["usage"]["total_tokens"] == 130


async def test_money_is_counted_over_all_turns(world: World) -> None:
    usage = Usage(input=1_000_000, output=0)
    world.openai.always(Answer.tool_calls(("plugin_kit_add", {"a": 1, "b": 1}), usage=usage))
    called = await world.post(AGENT, {"model": "via-openai", "input": "add", "limits": {"usd": 3}})
    assert (called.json["turns"], called.json["stopped"]) == (2, "money")
    assert called.json["cost_usd"] >= 3


@pytest.mark.parametrize(("limit", "stopped"), [({"tokens": 1000}, "tokens"), ({"usd": 1}, "money")])
async def test_what_nobody_has_counted_is_more_than_any_bound(world: World, limit: Any, stopped: str) -> None:
    call = {"id": "a", "type": "function", "function": {"name": "plugin_kit_add", "arguments": '{"a": 1, "b": 2}'}}
    message = {"role": "assistant", "content": "Let me see.", "tool_calls": [call]}
    choice = {"index": 0, "message": message, "finish_reason": "tool_calls"}
    world.openai.always(Answer.body(msgspec.json.encode({"id": "a", "model": "gpt-4o", "choices": [choice]})))
    called = await world.post(AGENT, {"model": "via-openai", "input": "add", "limits": limit})
    assert (called.json["turns"], called.json["stopped"]) == (1, stopped)


async def test_time_ends_a_tool_and_the_run(world: World) -> None:
    done = await run(world, turns({"text": "Wait."} | calls(("wait", {"mark": "late"})), {"text": "no"}), seconds=0.1)
    assert (done["stopped"], done["output"], done["turns"]) == ("time", "Wait.", 1)
    assert [use["success"] for use in done["tools_used"]] == [False]
    assert world.kit.CANCELLED == ["late"]


@pytest.mark.parametrize("stream", [False, True])
async def test_time_that_is_over_before_anything_was_said_is_an_error(world: World, stream: bool) -> None:
    run_tools(world.gateway, timeout_s=0.1)
    world.openai.script(Answer.hang_before_head())
    called = await world.ask(CHAT, asking(CHAT, "via-openai", "hello", stream=stream))
    assert (called.status, called.json["error"]["code"]) == (504, "deadline_exceeded")
    assert (await world.record())["status"] == 504


async def test_time_that_is_over_in_a_later_turn_leaves_what_was_said(world: World) -> None:
    run_tools(world.gateway, timeout_s=0.3)
    world.openai.script(
        Answer.tool_calls(("plugin_kit_add", {"a": 1, "b": 1}), text="Let me see."), Answer.hang_before_head()
    )
    called = await world.ask(CHAT, asking(CHAT, "via-openai", "hello"))
    assert (called.status, called.headers["x-jackfield-stopped"]) == (200, "time")
    assert called.json["choices"][0]["message"]["content"] == "Let me see."
    first, second = await world.records(2)
    assert (first["status"], second["status"], second["error"]) == (200, 504, "deadline_exceeded")


async def test_time_that_is_over_within_a_stream_ends_it_well(world: World) -> None:
    run_tools(world.gateway, timeout_s=0.2)
    world.openai.script(Answer.hang_after(2))
    called = await world.ask(CHAT, asking(CHAT, "via-openai", "hello", stream=True))
    assert called.body.endswith(b"data: [DONE]\n\n")
    assert b": x-jackfield-stopped: time\n\n" in called.body
    record = await world.record()
    assert (record["status"], record["error"]) == (504, "deadline_exceeded")


async def test_so_many_calls_a_turn_and_no_more(world: World) -> None:
    many = calls(*(("add", {"a": number, "b": 1}) for number in range(40)))
    done = await run(world, turns(many, {"text": "{results}"}))
    assert [use["success"] for use in done["tools_used"]] == [True] * 32 + [False] * 8
    assert "at most 32" in done["output"]


async def test_so_many_calls_in_all_and_no_more(world: World) -> None:
    each = [calls(*(("add", {"a": number, "b": turn}) for number in range(32))) for turn in range(6)]
    done = await run(world, turns(*each))
    assert (done["turns"], done["stopped"], len(done["tools_used"])) == (5, "calls", 128)
