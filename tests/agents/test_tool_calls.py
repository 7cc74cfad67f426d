"""What becomes of the calls of a turn."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import Any

import pytest

from announcing import Silence
from jackfield.agents.bounds import AT_ONCE, RESULT_BYTES
from jackfield.sdk.events import ToolRefusal
from jackfield.testing import Answer, Reply, until
from jackfield.wire.chat import ToolCall

from .conftest import World
from .worlds import asking, calls, run_tools, text_of, turns

pytestmark = pytest.mark.asyncio(loop_scope="module")

CHAT, MESSAGES = "/v1/chat/completions", "/v1/messages"


async def results(world: World, turn: Mapping[str, Any], **fields: Any) -> str:
    called = await world.ask(CHAT, asking(CHAT, "via-echo", turns(turn, {"text": "{results}"}), **fields))
    assert called.status == 200, called.body
    return text_of(called)


async def test_calls_of_a_turn_run_side_by_side_and_are_answered_in_their_order(world: World) -> None:
    meeting = calls(*(("meet", {"number": number, "of": AT_ONCE}) for number in range(AT_ONCE)))
    assert await results(world, meeting) == "; ".join(map(str, range(AT_ONCE)))


async def test_no_more_than_eight_run_at_once(world: World) -> None:
    waiting = calls(*(("wait", {"mark": str(number)}) for number in range(AT_ONCE + 4)))
    run_tools(world.gateway, timeout_s=0.3)
    await world.ask(CHAT, asking(CHAT, "via-echo", turns(waiting)))
    assert len(world.kit.RUNNING) == AT_ONCE
    assert sorted(world.kit.CANCELLED) == sorted(world.kit.RUNNING)


async def test_one_after_the_other_where_parallel_calls_are_ruled_out(world: World) -> None:
    waiting = calls(*(("wait", {"mark": str(number)}) for number in range(3)))
    run_tools(world.gateway, timeout_s=0.2)
    await world.ask(CHAT, asking(CHAT, "via-echo", turns(waiting), parallel_tool_calls=False))
    assert world.kit.RUNNING == ["0"]


@pytest.mark.parametrize(
    ("turn", "told"),
    [
        (calls(("fail", {})), "the shed is locked"),
        (calls(("add", {"a": "two", "b": 3})), "Invalid input for plugin_kit_add: a:"),
        (calls(("add", {"a": 2})), "Invalid input for plugin_kit_add:"),
        (calls(("nothing", {})), "Unknown tool: plugin_kit_nothing"),
        ({"tool_calls": [{"name": "rm -rf", "arguments": {}}]}, "Unknown tool: rm -rf"),
    ],
    ids=["it fails", "wrong type", "missing", "unknown", "no name at all"],
)
async def test_what_goes_wrong_is_told_to_the_model_alone(world: World, turn: Mapping[str, Any], told: str) -> None:
    answer = await results(world, turn)
    assert told in json.loads(answer)["error"]


@pytest.mark.parametrize("arguments", ['{"a": 1', "[1, 2]", "nonsense"])
async def test_arguments_that_are_no_object_are_the_models_fault(world: World, arguments: str) -> None:
    wrong = ToolCall(id="call_1", name="plugin_kit_add", arguments=arguments)
    world.openai.script(Answer.reply(Reply(tool_calls=(wrong,), finish="tool_calls")), Answer.text("Sorry."))
    called = await world.ask(CHAT, asking(CHAT, "via-openai", "hello"))
    assert text_of(called) == "Sorry."
    told = world.openai.requests[1].json["messages"][-1]
    assert "Invalid input for plugin_kit_add: the arguments are no JSON" in told["content"]


async def test_errors_are_marked_as_such_where_the_format_can(world: World) -> None:
    world.anthropic.script(Answer.tool_calls(("plugin_kit_fail", {})), Answer.text("Sorry."))
    await world.ask(CHAT, asking(CHAT, "via-anthropic", "hello"))
    (block,) = world.anthropic.requests[1].json["messages"][-1]["content"]
    assert (block["is_error"], json.loads(block["content"])) == (True, {"error": "the shed is locked"})


async def test_that_a_format_has_no_mark_for_errors_is_no_loss(world: World) -> None:
    world.openai.script(Answer.tool_calls(("plugin_kit_fail", {})), Answer.text("Sorry."))
    called = await world.ask(CHAT, asking(CHAT, "via-openai", "hello"))
    assert json.loads(world.openai.requests[1].json["messages"][-1]["content"]) == {"error": "the shed is locked"}
    assert "x-jackfield-dropped" not in called.headers


async def test_a_long_result_is_cut_with_a_note(world: World) -> None:
    answer = await results(world, calls(("much", {"size": 100_000})))
    assert answer.endswith("[cut: these are the first 65,536 of 100,002 bytes]")
    assert answer.count("x") == RESULT_BYTES - 1


async def test_calls_without_an_id_of_their_own_get_one(world: World) -> None:
    world.openai.script(
        Answer.tool_calls(("plugin_kit_add", {"a": 1, "b": 1})),
        Answer.tool_calls(("plugin_kit_add", {"a": 2, "b": 2})),
        Answer.text("Done."),
    )
    await world.ask(CHAT, asking(CHAT, "via-openai", "hello"))
    messages = world.openai.requests[2].json["messages"]
    made = [call["id"] for message in messages for call in message.get("tool_calls") or ()]
    answered = [message["tool_call_id"] for message in messages if message["role"] == "tool"]
    assert made == answered
    assert len(set(made)) == 2


class Objector(Silence):
    """Refuses whatever adds."""

    def __init__(self) -> None:
        self.told: list[tuple[str, str]] = []

    async def ask(self, type: str, data: Mapping[str, Any]) -> tuple[str, ToolRefusal] | None:  # noqa: A002
        self.told.append((type, data["toolName"]))
        return ("prude", ToolRefusal("no sums")) if data["toolName"] == "plugin_kit_add" else None

    def announce(self, type: str, data: Mapping[str, Any]) -> None:  # noqa: A002
        self.told.append((type, data["toolName"]))


async def test_events_fire_around_a_tool_and_may_refuse_it(world: World) -> None:
    objector = Objector()
    run_tools(world.gateway, announcer=objector)
    answer = await results(world, calls(("add", {"a": 1, "b": 1}), ("much", {"size": 1})))
    assert answer == '{"error":"Refused by prude: no sums"}; "x"'
    assert set(objector.told) == {
        ("tool:before_execute", "plugin_kit_add"),
        ("tool:before_execute", "plugin_kit_much"),
        ("tool:after_execute", "plugin_kit_much"),
    }


@pytest.mark.parametrize("stream", [False, True])
async def test_a_client_that_leaves_ends_the_tools_at_once(world: World, stream: bool) -> None:
    waiting = turns(calls(("wait", {"mark": "a"}), ("wait", {"mark": "b"})))
    async with world.gateway.caller(**{"x-jackfield-tools": "auto"}) as caller:
        body = json.dumps(asking(CHAT, "via-echo", waiting, stream=stream)).encode()
        await caller.write(caller.write_head("POST", CHAT, {"content-length": str(len(body))}) + body)
        await until(lambda: _noted(world.kit.RUNNING), lambda marks: len(marks) == 2)
        left = asyncio.get_running_loop().time()
        caller.leave()
        await until(lambda: _noted(world.kit.CANCELLED), lambda marks: len(marks) == 2)
        assert asyncio.get_running_loop().time() - left < 1
    record = await world.record()
    assert (record["status"], record["error"]) == (499, "client_gone")
    await world.gateway.quiet()


async def _noted(marks: list[str]) -> list[str]:
    return marks


@pytest.mark.parametrize("stream", [False, True])
async def test_a_client_that_leaves_ends_the_call_of_a_later_turn(world: World, stream: bool) -> None:
    later = Answer.hang_after(2) if stream else Answer.hang_before_head()
    world.openai.script(Answer.tool_calls(("plugin_kit_add", {"a": 1, "b": 1})), later)
    async with world.gateway.caller(**{"x-jackfield-tools": "auto"}) as caller:
        body = json.dumps(asking(CHAT, "via-openai", "hello", stream=stream)).encode()
        await caller.write(caller.write_head("POST", CHAT, {"content-length": str(len(body))}) + body)
        await world.openai.received(2)
        caller.leave()
        await world.openai.disconnected(1)
    first, second = await world.records(2)
    assert (first["status"], second["status"], second["error"]) == (200, 499, "client_gone")
    assert second["id"] == f"{first['id']}-2"
    await world.gateway.quiet()


async def test_two_hundred_requests_at_once_keep_to_themselves(world: World) -> None:
    async def ask(number: int) -> str:
        stream = number % 2 == 0
        path = CHAT if number % 3 else MESSAGES
        turn = calls(("add", {"a": number, "b": 0}), ("add", {"a": number, "b": 1}))
        called = await world.ask(path, asking(path, "via-echo", turns(turn, {"text": "{results}"}), stream=stream))
        return "".join(_texts(called.events)) if stream else text_of(called)

    answers = await asyncio.gather(*(ask(number) for number in range(200)))
    assert answers == [f"{number}; {number + 1}" for number in range(200)]
    assert len(await world.records(400)) == 400
    await world.gateway.quiet()


def _texts(events: list[tuple[str | None, str]]) -> list[str]:
    texts = []
    for name, data in events:
        if name == "content_block_delta":
            texts.append(json.loads(data)["delta"]["text"])
        elif name is None and data != "[DONE]":
            texts += [choice["delta"].get("content") or "" for choice in json.loads(data)["choices"]]
    return texts
