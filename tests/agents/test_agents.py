"""`POST /v1/agents/{id}` and `GET /v1/agents`."""

from __future__ import annotations

import json
from typing import Any

import pytest

from jackfield.testing import Answer, Reply
from jackfield.testing.replies import call_tools

from .conftest import World
from .worlds import calls, run_tools, turns

pytestmark = pytest.mark.asyncio(loop_scope="module")

TOOLS, CLERK = "/v1/agents/tools", "/v1/agents/clerk"
ADDING = calls(("add", {"a": 2, "b": 3}))
SCRIPT = turns(ADDING | {"text": "Let me see.", "thinking": "Two, three."}, {"text": "It is {results}."})


async def test_the_answer_says_all_about_the_run(world: World) -> None:
    called = await world.post(TOOLS, {"model": "via-echo", "input": SCRIPT})
    done = called.json
    assert called.status == 200
    (used,) = done.pop("tools_used")
    usage = done.pop("usage")
    assert used.pop("duration_ms") >= 0
    assert used == {"name": "plugin_kit_add", "success": True}
    assert usage["total_tokens"] == usage["input_tokens"] + usage["output_tokens"] > 0
    assert done == {
        "id": called.headers["x-request-id"],
        "agent": "tools",
        "model": "via-echo",
        "output": "It is 5.",
        "turns": 2,
        "cost_usd": 0.0,
        "finish_reason": "stop",
        "stopped": None,
    }
    first, second = await world.records(2)
    assert [one["route"] for one in (first, second)] == ["POST /v1/agents/{id}"] * 2


async def test_a_stream_tells_of_every_step(world: World) -> None:
    body = {"model": "via-echo", "input": SCRIPT, "stream": True}
    called = await world.post(TOOLS, body)
    assert called.headers["content-type"].startswith("text/event-stream")
    events = [(name, json.loads(data)) for name, data in called.events]
    names = [name for name, _ in events]
    assert sorted(set(names)) == ["done", "text", "thinking", "tool_result", "tool_start"]
    assert names.index("thinking") < names.index("text") < names.index("tool_start") < names.index("tool_result")
    told = dict(events)
    assert told["tool_start"] == {"call": "call_echo_0", "name": "plugin_kit_add", "input": {"a": 2, "b": 3}}
    assert told["tool_result"].pop("duration_ms") >= 0
    assert told["tool_result"] == {"call": "call_echo_0", "name": "plugin_kit_add", "success": True, "result": 5}
    assert "".join(data["text"] for name, data in events if name == "text") == "Let me see.It is 5."
    assert names[-1] == "done"
    assert (told["done"]["output"], told["done"]["turns"], told["done"]["id"]) == (
        "It is 5.",
        2,
        called.headers["x-request-id"],
    )


@pytest.mark.parametrize("kind", ["openai", "anthropic"])
@pytest.mark.parametrize("stream", [False, True])
async def test_both_kinds_of_upstream_serve_agents(world: World, kind: str, stream: bool) -> None:
    add = call_tools(("plugin_kit_add", {"a": 2, "b": 3}))
    world.upstream(kind).script(
        Answer.reply(Reply(thinking="Two, three.", tool_calls=add, finish="tool_calls")), Answer.text("Five.")
    )
    body = {"model": f"via-{kind}", "input": "2 + 3?", "stream": stream}
    called = await world.post(TOOLS, body)
    done = json.loads(called.events[-1][1]) if stream else called.json
    assert (done["output"], done["turns"], done["tools_used"][0]["success"]) == ("Five.", 2, True)
    assert done["cost_usd"] > 0
    first = world.upstream(kind).requests[0].json
    assert first["messages"] == [{"role": "user", "content": "2 + 3?"}]


async def test_what_goes_wrong_in_a_stream_is_its_last_event(world: World) -> None:
    world.openai.script(Answer.tool_calls(("plugin_kit_fail", {})), Answer.status(503))
    called = await world.post(TOOLS, {"model": "via-openai", "input": "go", "stream": True})
    assert called.status == 200
    events = [(name, json.loads(data)) for name, data in called.events]
    assert [name for name, _ in events] == ["tool_start", "tool_result", "error"]
    assert events[1][1]["error"] == "the shed is locked"
    assert (events[1][1]["success"], "result" in events[1][1]) == (False, False)
    assert set(events[2][1]) == {"code", "message"}


async def test_a_plugins_agent_has_its_instructions_and_tools(world: World) -> None:
    world.openai.script(Answer.text("Hello."))
    called = await world.post(CLERK, {"model": "via-openai", "messages": [{"role": "user", "content": "Hi"}]})
    assert (called.json["agent"], called.json["output"]) == ("clerk", "Hello.")
    asked = world.openai.requests[0].json
    assert asked["messages"] == [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi"}]
    assert [tool["function"]["name"] for tool in asked["tools"]] == ["plugin_kit_add"]


async def test_an_agents_own_bound_holds_whatever_is_asked(world: World) -> None:
    scripted = turns(*(calls(("add", {"a": number, "b": 1})) for number in range(9)))
    called = await world.post(CLERK, {"model": "via-echo", "input": scripted, "limits": {"turns": 9}})
    assert (called.json["turns"], called.json["stopped"]) == (3, "turns")


async def test_tools_may_be_fewer_by_request(world: World) -> None:
    world.openai.script(Answer.text("Hello."))
    await world.post(TOOLS, {"model": "via-openai", "input": "Hi", "tools": ["plugin_kit_[aw]*"]})
    (asked,) = world.openai.requests
    names = {tool["function"]["name"] for tool in asked.json["tools"]}
    assert names == {"plugin_kit_add", "plugin_kit_weather", "plugin_kit_wait"}


async def test_no_tools_are_a_plain_conversation(world: World) -> None:
    called = await world.post(TOOLS, {"model": "via-openai", "input": "Hi", "tools": []})
    assert called.json["output"] == "You said: Hi"
    assert "tools" not in world.openai.requests[0].json


async def test_whom_it_is_for_reaches_the_tools_callers(world: World) -> None:
    seen: list[Any] = []
    run_tools(world.gateway, allows=lambda caller, tool: bool(seen.append(caller)) or True)
    body = {"model": "via-echo", "input": "Hi", "user": "ann", "conversation": "c-1"}
    await world.post(TOOLS, body)
    assert {(caller.user.rpartition("/")[2], caller.conversation) for caller in seen} == {("ann", "c-1")}


WRONG = [
    (b"{", None),
    (b"[]", None),
    ({"model": "via-echo"}, "input"),
    ({"model": "via-echo", "input": "a", "messages": []}, "input"),
    ({"model": "via-echo", "messages": []}, "messages"),
    ({"model": "via-echo", "messages": [{"role": "king", "content": "a"}]}, "messages[0].role"),
    ({"input": "a"}, "model"),
    ({"model": 5, "input": "a"}, "model"),
    ({"model": "via-echo", "input": "a", "temprature": 1}, "temprature"),
    ({"model": "via-echo", "input": "a", "limits": {"turns": 0}}, "limits.turns"),
    ({"model": "via-echo", "input": "a", "limits": {"turns": 21}}, "limits.turns"),
    ({"model": "via-echo", "input": "a", "limits": {"usd": "much"}}, "limits.usd"),
    ({"model": "via-echo", "input": "a", "limits": {"time": 1}}, "time"),
    ({"model": "via-echo", "input": "a", "tools": "all"}, "tools"),
    ({"model": "via-echo", "input": "a", "tools": ["plugin_kit_sum"]}, "plugin_kit_sum"),
    ({"model": "via-echo", "input": "a", "conversation": "a\nb"}, "conversation"),
]


@pytest.mark.parametrize(("body", "named"), WRONG)
async def test_what_is_wrong_is_named(world: World, body: Any, named: str | None) -> None:
    called = await world.post(TOOLS, body)
    assert called.status == 400
    assert named is None or named in called.json["error"]["message"]
    assert (await world.record())["status"] == 400


async def test_an_agent_that_there_is_not(world: World) -> None:
    called = await world.post("/v1/agents/nobody", {"model": "via-echo", "input": "a"})
    assert (called.status, called.json["error"]["message"]) == (404, "There is no agent 'nobody'")


@pytest.mark.parametrize("path", [TOOLS, "/v1/agents/nobody"])
async def test_without_a_key_nothing_is_told(world: World, path: str) -> None:
    called = await world.post(path, b"nonsense", authorization="Bearer nothing")
    assert called.status == 401


async def test_a_model_that_there_is_not(world: World) -> None:
    called = await world.post(TOOLS, {"model": "gpt-9", "input": "a"})
    assert (called.status, called.json["error"]["code"]) == (404, "model_not_found")


async def test_the_list_says_which_tools_a_key_would_have(world: World) -> None:
    run_tools(world.gateway, allows=lambda caller, tool: tool.spec.name in ("add", "much"))
    async with world.gateway.caller() as caller:
        listed = (await caller.get("/v1/agents")).json
    assert listed["object"] == "list"
    tools, clerk = listed["data"]
    assert (tools["id"], tools["plugin"], sorted(tools["tools"])) == (
        "tools",
        None,
        ["plugin_kit_add", "plugin_kit_much"],
    )
    assert clerk == {
        "id": "clerk",
        "object": "agent",
        "description": "Answers questions on sums",
        "model": None,
        "max_turns": 3,
        "tools": ["plugin_kit_add"],
        "plugin": "kit",
    }


@pytest.mark.parametrize(("method", "path", "allow"), [("PUT", "/v1/agents", "GET, HEAD"), ("GET", TOOLS, "POST")])
async def test_other_methods_are_refused(world: World, method: str, path: str, allow: str) -> None:
    async with world.gateway.caller() as caller:
        called = await caller.call(method, path)
    assert (called.status, called.headers["allow"]) == (405, allow)


async def test_the_list_is_for_those_who_have_a_key(world: World) -> None:
    async with world.gateway.caller("nothing") as caller:
        assert (await caller.get("/v1/agents")).status == 401


@pytest.mark.parametrize("stream", [False, True])
async def test_a_plugin_may_answer_in_the_models_place(world: World, stream: bool) -> None:
    body = {"model": "via-echo", "input": "Hi", "stream": stream}
    called = await world.post(TOOLS, body, **{"x-cached": "1"})
    done = json.loads(called.events[-1][1]) if stream else called.json
    assert (done["output"], done["turns"], done["agent"]) == ("as before", 1, "tools")
    await world.record()


async def test_hooks_see_the_chat_request_that_an_agents_request_stands_for(world: World) -> None:
    await world.post(CLERK, {"model": "via-echo", "input": "Hi", "user": "ann", "limits": {"turns": 2}})
    (body,) = world.kit.BODIES
    assert json.loads(body) == {
        "model": "via-echo",
        "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi"}],
        "user": "ann",
    }
