"""What a hostile guest answers, asks and says: the host checks it as a stranger's."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from tests.guests.liars import host_liar

from jackfield.errors import JackfieldError, SessionDenied
from jackfield.host.loader import PluginBroke
from jackfield.services.tool_table import MOST_TOOLS
from jackfield.testing.trial import Trial


def answering(outcome: Any) -> Any:
    async def answer(params: Any, rpc: Any) -> Any:
        return outcome if outcome is None or isinstance(outcome, bytes | int | str | list) else told(outcome)

    return answer


def told(outcome: Any) -> bytes:
    return msgspec.json.encode(outcome)


def failed(trial: Trial) -> bool:
    return trial.error is not None and (trial.error.code, trial.error.plugin) == ("plugin_failed", "liar")


@pytest.mark.parametrize(
    "outcome",
    [
        5,
        "continue",
        [b"x"],
        b"not json",
        b"[" * 10_000,
        {"is": "nothing"},
        {"is": "replace"},
        {"is": "replace", "request": {"is": "chat_request", "model": 5, "messages": []}},
        {"is": "replace", "request": {"is": "chat_request", "model": "m"}},
        {"is": "replace", "request": {"is": "embeddings_request", "model": "m", "input": []}},
        {"is": "replace", "head": {"status": 200, "headers": []}},
        {"is": "replace", "head": {"status": 200, "headers": [["x", "\N{SNOWMAN}"]]}},
        {"is": "replace", "events": [{"is": "text_delta", "text": "x"}]},
        {"is": "replace", "request": {"is": "chat_request", "model": "m", "messages": []}, "events": []},
        {"is": "reject", "status": 200, "code": "fine", "message": "all well"},
        {"is": "reject", "status": "429", "code": "x", "message": "y"},
        {"is": "reject", "status": 429, "code": "x", "message": "y", "retry_after_s": -1},
        {"is": "answer", "response": {"is": "token_count", "input": 5}},
        {"is": "answer", "response": {"is": "chat_response", "id": "1", "model": "m", "choices": "none"}},
        {"is": "identity", "role": "admin"},
        {"is": "drop"},
    ],
)
async def test_an_answer_that_does_not_fit_the_point_is_the_hooks_failure(outcome: Any) -> None:
    async with host_liar(hook=answering(outcome)) as host:
        assert failed(await host.request())
        assert host.stats["errors"] == 1


async def test_an_identity_that_a_hook_makes_up_at_auth_is_checked_as_any_hooks() -> None:
    said = {"hooks": [{"point": "auth", "name": "check", "on_failure": "closed"}]}
    async with host_liar(said, hook=answering({"is": "identity", "user": 5})) as host:
        assert failed(await host.request())


async def test_a_guest_that_knows_no_exchange_is_asked_twice_and_no_more() -> None:
    asked: list[Any] = []

    async def forget(params: Any, rpc: Any) -> Any:
        asked.append(params["exchange"][1] is not None)
        error = JackfieldError("who?")
        error.code = "unknown_exchange"
        raise error

    said = {"hooks": [{"point": point, "name": point, "on_failure": "closed"} for point in ("ingress", "pre_flight")]}
    async with host_liar(said, hook=forget) as host:
        trial = await host.request()
        assert trial.error is not None
        assert trial.error.plugin == "liar"
    assert asked == [True]


async def test_it_can_name_no_method_but_those_of_the_table() -> None:
    refused: list[str] = []

    async def ask(params: Any, rpc: Any) -> Any:
        for method in ("kv", "kv.__class__", "kv._begin", "kv.get.__self__", "services.kv", "http._client", "log"):
            try:
                await rpc.call(method, {"key": "x"})
            except SessionDenied as denied:
                refused.append(denied.told)
        return {"config": {}}

    async with host_liar(load=ask, permissions=("storage:read", "http:outbound", "tools:register")):
        assert refused == ["invalid_value"] * 7


@pytest.mark.parametrize(
    ("method", "params", "code"),
    [
        ("kv.get", {"key": "x"}, "not_granted"),
        ("kv.set", {"key": "x", "value": 1}, "not_granted"),
        ("http.request", {"method": "GET", "url": "http://127.0.0.1/"}, "not_granted"),
        ("users.get", {"user": "bob"}, "not_granted"),
        ("memory.search", {"query": "x", "user": "bob"}, "not_granted"),
        ("tools.execute", {"name": "x", "arguments": {}}, "not_granted"),
        ("scheduler.schedule", {"name": "x", "when": 5}, "not_granted"),
        ("mcp.mount", {"server": "x"}, "not_granted"),
        ("rings.get", {"key": "x"}, "invalid_value"),
    ],
)
async def test_what_was_not_granted_the_host_refuses_whatever_it_says(method: str, params: Any, code: str) -> None:
    told: list[str] = []

    async def ask(_: Any, rpc: Any) -> Any:
        try:
            await rpc.call(method, params)
        except SessionDenied as denied:
            told.append(denied.told)
        return {"config": {}}

    async with host_liar(load=ask):
        assert told == [code]


@pytest.mark.parametrize(
    ("method", "params"),
    [
        ("kv.get", {"key": "x", "default": 5, "owner": "rings"}),
        ("kv.get", {}),
        ("kv.get", None),
        ("kv.get", {"key": 5}),
        ("kv.set", {"key": "x", "value": 1, "user": "bob", "quota": None}),
        ("kv.list", {"prefix": [1]}),
    ],
)
async def test_parameters_that_do_not_fit_are_refused(method: str, params: Any) -> None:
    told: list[str] = []

    async def ask(_: Any, rpc: Any) -> Any:
        try:
            await rpc.call(method, params)
        except SessionDenied as denied:
            told.append(denied.told)
        return {"config": {}}

    async with host_liar(load=ask, permissions=("storage:read", "storage:write")):
        assert told == ["invalid_value"]


async def test_it_cannot_act_for_another_user_by_saying_so() -> None:
    told: list[str] = []

    async def ask(params: Any, rpc: Any) -> Any:
        for user in ("trial", "bob"):
            try:
                await rpc.call("kv.set", {"key": "x", "value": 1, "user": user, "caller": {"user": "bob"}})
            except SessionDenied as denied:
                told.append(denied.told)
            try:
                await rpc.call("kv.set", {"key": "x", "value": 1, "user": user})
            except SessionDenied as denied:
                told.append(f"{denied.told} {user}")
        return None

    async with host_liar(hook=ask, permissions=("storage:read", "storage:write")) as host:
        await host.request()
    assert "not_granted bob" in told


async def test_a_tool_too_many_keeps_it_out() -> None:
    async def flood(params: Any, rpc: Any) -> Any:
        for number in range(MOST_TOOLS + 1):
            rpc.tell("tools.register", {"name": f"tool{number}"})
        return {"config": {}}

    with pytest.raises(PluginBroke, match=f"offers {MOST_TOOLS} tools already"):
        async with host_liar(load=flood, permissions=("tools:register",)):
            pass


@pytest.mark.parametrize(
    ("method", "params", "reason"),
    [
        ("tools.register", {"name": "a b"}, "a tool's name is"),
        ("tools.register", {"name": "x", "input_schema": {"type": "array"}}, "must be of type object"),
        ("tools.register", {"name": "x", "timeout_s": 10_000}, "timeout_s must be"),
        ("tools.register", {"name": ["x"]}, "ValidationError"),
        ("tools.register", None, "ValidationError"),
        ("events.on", {"type": ""}, "an event's type is"),
        ("events.on", {}, ""),
        ("events.emit", {"type": "x", "data": "no object"}, "data: is an object"),
    ],
)
async def test_what_it_registers_wrongly_keeps_it_out(method: str, params: Any, reason: str) -> None:
    async def register(_: Any, rpc: Any) -> Any:
        rpc.tell(method, params)
        return {"config": {}}

    permissions = ("tools:register", "events:subscribe", "events:emit")
    if not reason:
        async with host_liar(load=register, permissions=permissions) as host:
            assert host.state == "active"
        return
    with pytest.raises(PluginBroke, match=reason):
        async with host_liar(load=register, permissions=permissions):
            pass


async def test_a_thousand_types_of_events_are_too_many() -> None:
    async def listen(_: Any, rpc: Any) -> Any:
        for number in range(1000):
            rpc.tell("events.on", {"type": f"t{number}"})
        return {"config": {}}

    with pytest.raises(PluginBroke, match="listens for 200 types of events already"):
        async with host_liar(load=listen, permissions=("events:subscribe",)):
            pass


async def test_what_it_says_that_nobody_understands_is_passed_by() -> None:
    async def babble(_: Any, rpc: Any) -> Any:
        shouted = {"level": "shout", "text": 5, "fields": {"exc_info": True, "plugin": "x", "a b": 1}}
        for method in ("log", "report", "progress", "over", "nothing", "tools.unregister", "events.off", "__class__"):
            for params in (None, 5, [], shouted):
                rpc.tell(method, params)
        return {"config": {}}

    async with host_liar(load=babble, permissions=("tools:register",)) as host:
        assert (await host.request()).status == 200


@pytest.mark.parametrize("reply", [5, {}, {"success": "yes"}, {"success": True, "result": "x" * 2_000_000}, None])
async def test_a_tools_answer_that_is_none_is_the_calls_error(reply: Any) -> None:
    async def register(_: Any, rpc: Any) -> Any:
        rpc.tell("tools.register", {"name": "lie"})
        return {"config": {}}

    async def lie(_: Any, rpc: Any) -> Any:
        return reply

    async with host_liar(load=register, tool=lie, permissions=("tools:register",)) as host:
        assert not (await host.call_tool("lie")).success


async def test_only_who_may_refuse_a_tool_call_refuses_it() -> None:
    async def register(_: Any, rpc: Any) -> Any:
        rpc.tell("tools.register", {"name": "work"})
        rpc.tell("events.on", {"type": "tool:before_execute"})
        return {"config": {}}

    async def refuse(_: Any, rpc: Any) -> Any:
        return {"reason": "because"}

    granted = ("tools:register", "events:subscribe")
    async with host_liar(load=register, event=refuse, permissions=granted) as host:
        assert (await host.call_tool("work")).success
    async with host_liar(load=register, event=refuse, permissions=(*granted, "tools:refuse")) as host:
        assert (await host.call_tool("work")).error == "Refused by liar: because"


async def test_an_answer_to_load_or_health_that_is_none_keeps_it_out() -> None:
    async def nonsense(_: Any, rpc: Any) -> Any:
        return {"ok": "very", "config": 5}

    for step in ("load", "health"):
        with pytest.raises(PluginBroke):
            async with host_liar(None, **{step: nonsense}):
                pass


async def test_it_does_not_keep_the_gateway_by_not_ending() -> None:
    async def refuse(_: Any, rpc: Any) -> Any:
        raise RuntimeError("I stay")

    async with host_liar(unload=refuse) as host:
        plugin = host.plugin
    assert plugin.diagnose()["state"] == "stopped"
