"""Chat and messages requests whose tools the gateway runs."""

from __future__ import annotations

import json
from typing import Any

import pytest

from jackfield.testing import Answer, Reply
from jackfield.testing.replies import call_tools
from jackfield.wire.chat import Usage

from .conftest import World
from .worlds import asking, calls, run_tools, text_of, turns

pytestmark = pytest.mark.asyncio(loop_scope="module")

CHAT, MESSAGES = "/v1/chat/completions", "/v1/messages"
PATHS = [CHAT, MESSAGES]
KINDS = ["openai", "anthropic"]
ADDING = calls(("add", {"a": 2, "b": 3}))


@pytest.mark.parametrize("path", PATHS)
async def test_what_a_tool_gave_is_answered_with(world: World, path: str) -> None:
    called = await world.ask(path, asking(path, "via-echo", turns(ADDING, {"text": "It is {results}."})))
    assert (called.status, text_of(called)) == (200, "It is 5.")
    assert called.headers["x-jackfield-turns"] == "2"
    assert called.headers["x-jackfield-upstream"] == "echo"
    assert b"tool" not in called.body.replace(b"tool_use_id", b"").replace(b"server_tool_use", b"")


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("kind", KINDS)
async def test_both_kinds_of_upstream_are_told_of_tools_and_results(world: World, path: str, kind: str) -> None:
    upstream = world.upstream(kind)
    upstream.script(Answer.tool_calls(("plugin_kit_add", {"a": 2, "b": 3})), Answer.text("Five."))
    called = await world.ask(path, asking(path, f"via-{kind}", "2 + 3?"), tools="plugin_kit_add")
    assert (called.status, text_of(called)) == (200, "Five.")
    first, second = (request.json for request in upstream.requests)
    assert [tool.get("name") or tool["function"]["name"] for tool in first["tools"]] == ["plugin_kit_add"]
    assert "[Plugin: kit] Adds two numbers" in json.dumps(first["tools"])
    assert second["tools"] == first["tools"]
    assert [message["role"] for message in second["messages"]][-2] == "assistant"
    result = second["messages"][-1]
    if kind == "openai":
        assert result == {"role": "tool", "tool_call_id": "call_1", "content": "5"}
    else:
        assert result["content"] == [{"type": "tool_result", "tool_use_id": "call_1", "content": "5"}]


async def test_without_the_header_nothing_is_run(world: World) -> None:
    called = await world.post(CHAT, asking(CHAT, "via-echo", turns(ADDING, {"text": "done"})))
    assert called.json["choices"][0]["message"]["tool_calls"][0]["function"]["name"] == "plugin_kit_add"
    assert "x-jackfield-turns" not in called.headers


@pytest.mark.parametrize("off", ["none", "NONE", ""])
async def test_the_header_switches_off(world: World, off: str) -> None:
    called = await world.ask(CHAT, asking(CHAT, "via-echo", "hello"), tools=off)
    assert "x-jackfield-turns" not in called.headers


async def test_only_the_tools_that_were_named_are_there(world: World) -> None:
    named = turns(calls(("weather", {"city": "Brno"}), ("add", {"a": 1, "b": 1})), {"text": "{results}"})
    called = await world.ask(CHAT, asking(CHAT, "via-echo", named), tools="plugin_kit_w*, plugin_kit_much")
    assert text_of(called) == '{"city":"Brno","sky":"grey"}; {"error":"Unknown tool: plugin_kit_add"}'


async def test_a_name_that_leads_nowhere_is_refused(world: World) -> None:
    called = await world.ask(CHAT, asking(CHAT, "via-echo", "hello"), tools="plugin_kit_ad")
    assert called.status == 400
    assert "'plugin_kit_ad'" in called.json["error"]["message"]


async def test_usage_is_summed_and_each_turn_is_on_record(world: World) -> None:
    world.openai.script(
        Answer.tool_calls(("plugin_kit_add", {"a": 2, "b": 3}), usage=Usage(input=10, output=4)),
        Answer.text("Five.", usage=Usage(input=30, output=2)),
    )
    called = await world.ask(CHAT, asking(CHAT, "via-openai", "2 + 3?"))
    usage = called.json["usage"]
    assert (usage["prompt_tokens"], usage["completion_tokens"]) == (40, 6)
    first, second = await world.records(2)
    assert first["id"] == called.headers["x-request-id"]
    assert second["id"] == f"{first['id']}-2"
    assert [(one["input_tokens"], one["status"], one["finish_reason"]) for one in (first, second)] == [
        (10, 200, "tool_calls"),
        (30, 200, "stop"),
    ]
    cost = float(called.headers["x-jackfield-cost-usd"])
    assert cost == pytest.approx((first["cost_nanousd"] + second["cost_nanousd"]) / 1e9)
    assert cost > 0


async def test_hooks_see_every_turn_with_its_caller(world: World) -> None:
    called = await world.ask(CHAT, asking(CHAT, "via-echo", turns(ADDING, ADDING, {"text": "ok"})))
    request_id = called.headers["x-request-id"]
    await world.records(3)
    seen = [entry for entry in world.kit.SEEN if entry[0].startswith(request_id)]
    assert [(entry[0].removeprefix(request_id), entry[1], entry[2]) for entry in seen if entry[1] is not True] == [
        ("", 1, True),
        ("-2", 3, True),
        ("-3", 5, True),
    ]
    assert [entry[0].removeprefix(request_id) for entry in seen if entry[1] is True] == ["", "-2", "-3"]


@pytest.mark.parametrize("stream", [False, True])
async def test_a_later_turn_that_a_hook_refuses_is_the_answer(world: World, stream: bool) -> None:
    body = asking(CHAT, "via-echo", turns({"text": "forbidden"} | ADDING, {"text": "ok"}), stream=stream)
    called = await world.ask(CHAT, body)
    assert called.status == (200 if stream else 451)
    error = json.loads(called.events[-1][1])["error"] if stream else called.json["error"]
    assert (error["code"], error["plugin"]) == ("forbidden_words", "kit")
    first, second = await world.records(2)
    assert (first["status"], second["status"], second["plugin"]) == (200, 451, "kit")


@pytest.mark.parametrize("stream", [False, True])
async def test_an_upstream_that_fails_at_first_is_the_answer(world: World, stream: bool) -> None:
    world.openai.script(Answer.status(418, message="I am a teapot"))
    called = await world.ask(CHAT, asking(CHAT, "via-openai", "hello", stream=stream))
    assert called.status == 418
    assert called.json["error"]["message"] == "I am a teapot"
    assert (await world.record())["status"] == 418


async def test_an_upstream_that_fails_later_is_the_answer(world: World) -> None:
    world.openai.script(Answer.tool_calls(("plugin_kit_add", {"a": 1, "b": 1})), Answer.status(400, message="No."))
    called = await world.ask(CHAT, asking(CHAT, "via-openai", "hello"))
    assert (called.status, called.json["error"]["message"]) == (400, "No.")


async def test_without_a_key_nothing_is_told(world: World) -> None:
    called = await world.ask(CHAT, b"{", authorization="Bearer nothing")
    assert called.status == 401


@pytest.mark.parametrize(
    ("body", "field"),
    [(b"{", None), ({"messages": [{"role": "user", "content": "hi"}]}, "model"), ({"model": "via-echo"}, None)],
)
async def test_what_is_no_request_is_refused(world: World, body: Any, field: str | None) -> None:
    called = await world.ask(CHAT, body)
    assert called.status == 400
    assert field is None or field in called.json["error"]["message"]


async def test_several_choices_cannot_use_tools(world: World) -> None:
    called = await world.ask(CHAT, asking(CHAT, "via-openai", "hello", n=2))
    assert (called.status, called.json["error"]["message"][:2]) == (400, "n:")


CLIENTS = {
    CHAT: {"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}},
    MESSAGES: {"name": "look", "input_schema": {"type": "object"}},
}


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("stream", [False, True])
async def test_calls_of_the_clients_own_tools_are_the_clients(world: World, path: str, stream: bool) -> None:
    """The gateway's calls of that turn are not run, and not shown."""
    mixed = calls(("add", {"a": 1, "b": 1}), text="Well.")
    mixed["tool_calls"].append({"name": "look", "arguments": {"at": "it"}})
    body = asking(path, "via-echo", turns(ADDING, mixed, {"text": "no"}), tools=[CLIENTS[path]], stream=stream)
    called = await world.ask(path, body)
    assert called.status == 200
    assert called.body.count(b'"look"') == 1
    assert b"plugin_kit_add" not in called.body
    assert (b'"tool_calls"' if path == CHAT else b'"tool_use"') in called.body
    assert len(await world.records(2)) == 2


async def test_no_tools_are_offered_where_none_may_be_called(world: World) -> None:
    world.openai.script(Answer.text("No tools."))
    await world.ask(CHAT, asking(CHAT, "via-openai", "hello", tools=[CLIENTS[CHAT]], tool_choice="none"))
    (asked,) = world.openai.requests
    assert len(asked.json["tools"]) == 1


async def test_that_a_tool_must_be_called_holds_for_one_turn(world: World) -> None:
    world.openai.script(Answer.tool_calls(("plugin_kit_add", {"a": 1, "b": 1})), Answer.text("Two."))
    called = await world.ask(CHAT, asking(CHAT, "via-openai", "1 + 1?", tool_choice="required"))
    assert text_of(called) == "Two."
    first, second = (request.json for request in world.openai.requests)
    assert first["tool_choice"] == "required"
    assert "tool_choice" not in second


async def test_thinking_and_its_signature_go_back_unchanged(world: World) -> None:
    add = call_tools(("plugin_kit_add", {"a": 2, "b": 3}))
    world.anthropic.script(
        Answer.reply(Reply(thinking="Two and three.", text="Let me see.", tool_calls=add, finish="tool_calls")),
        Answer.text("Five.", thinking="Done."),
    )
    thinks = {"type": "enabled", "budget_tokens": 1024}
    called = await world.ask(
        MESSAGES, asking(MESSAGES, "via-anthropic", "2 + 3?", thinking=thinks) | {"max_tokens": 4096}
    )
    kinds = [block["type"] for block in called.json["content"]]
    assert kinds == ["thinking", "text", "thinking", "text"]
    returned = world.anthropic.requests[1].json["messages"][1]["content"]
    assert [block["type"] for block in returned] == ["thinking", "text", "tool_use"]
    assert returned[0] == called.json["content"][0]
    assert returned[0]["signature"]


async def test_the_clients_own_headers_go_on_to_an_upstream_of_its_format(world: World) -> None:
    world.anthropic.script(Answer.tool_calls(("plugin_kit_add", {"a": 1, "b": 1})), Answer.text("Two."))
    headers = {"anthropic-beta": "interleaved-thinking-2025-05-14"}
    await world.ask(MESSAGES, asking(MESSAGES, "via-anthropic", "1 + 1?"), **headers)
    assert [request.header("anthropic-beta") for request in world.anthropic.requests] == list(headers.values()) * 2


async def test_texts_of_two_turns_stand_apart(world: World) -> None:
    scripted = turns({"text": "Let me see."} | ADDING, {"text": "Five."})
    called = await world.ask(CHAT, asking(CHAT, "via-echo", scripted))
    assert text_of(called) == "Let me see.\n\nFive."


async def test_a_setting_switches_on_for_a_caller(world: World) -> None:
    asked: list[Any] = []
    run_tools(world.gateway, loops=lambda caller: asked.append(caller) or True)
    body = asking(CHAT, "via-echo", turns(ADDING, {"text": "{results}"}))
    assert text_of(await world.post(CHAT, body)) == "5"
    assert [caller.credential for caller in asked] == ["key_environment_inference"]
    run_tools(world.gateway, loops=lambda caller: False)
    assert (await world.post(CHAT, body)).json["choices"][0]["finish_reason"] == "tool_calls"
    assert [record["status"] for record in await world.records(3)] == [200, 200, 200]


async def test_nobody_gets_a_tool_that_the_key_may_not_use(world: World) -> None:
    run_tools(world.gateway, allows=lambda caller, tool: tool.name != "plugin_kit_add")
    called = await world.ask(CHAT, asking(CHAT, "via-echo", turns(ADDING, {"text": "{results}"})))
    assert text_of(called) == '{"error":"Unknown tool: plugin_kit_add"}'


@pytest.mark.parametrize("stream", [False, True])
async def test_a_plugin_may_answer_before_anything_is_asked(world: World, stream: bool) -> None:
    called = await world.ask(CHAT, asking(CHAT, "via-echo", turns(ADDING), stream=stream), **{"x-cached": "1"})
    assert called.status == 200
    assert b"as before" in called.body
    assert (await world.record())["status"] == 200
