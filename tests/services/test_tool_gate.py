"""One call of a tool, from what a model wrote to what it is told."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import nullcontext
from typing import Any

import msgspec
import pytest

from jackfield.errors import JackfieldError
from jackfield.hooks.guard import PluginStats
from jackfield.sdk.caller import Caller, acting_for, current_caller
from jackfield.sdk.events import ToolRefusal
from jackfield.sdk.services import NotGranted
from jackfield.sdk.tools import DEEPEST, ToolContext, ToolFailed, ToolReply, ToolSpec
from jackfield.services.allowance import Allowance
from jackfield.services.tool_gate import LARGEST_RESULT, ToolGate, parse_arguments
from jackfield.services.tool_table import OfferedTool, ToolDirectory, ToolTable
from jackfield.services.tools import EXECUTE, REGISTER, PluginTools

from .conftest import HandClock

ALICE = Caller(user="alice", app="shop", credential="key_1", conversation="c1")


class Listening:
    """Keeps what is announced; `refusal` is what it answers when asked."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, Mapping[str, Any]]] = []
        self.refusal: ToolRefusal | None = None

    def is_wanted(self, name: str) -> bool:
        return True

    def announce(self, name: str, data: Mapping[str, Any]) -> None:
        self.heard.append((name, data))

    async def ask(self, name: str, data: Mapping[str, Any]) -> tuple[str, ToolRefusal] | None:
        self.heard.append((name, data))
        return ("guard", self.refusal) if self.refusal is not None else None


class Unspeakable(ToolFailed):
    def __str__(self) -> str:
        raise RuntimeError("no words")


class Wordless(JackfieldError):
    def __init__(self) -> None: ...


class Scene:
    def __init__(self) -> None:
        self.listening = Listening()
        self.stats = PluginStats()
        self.allowed = True
        self.table = ToolTable("box")
        self.tools = ToolDirectory([self.table])
        self.gate = ToolGate(self.listening, lambda caller, tool: self.allowed, {"box": self.stats}.get)

    def offer(self, handler: Any, **spec: Any) -> OfferedTool:
        self.table.register(ToolSpec(name="tool", **spec), handler)
        tool = self.table.get("tool")
        assert tool is not None
        return tool

    async def run(self, arguments: Any = None, caller: Caller = ALICE) -> ToolReply:
        return await self.gate.run(self.tools, "plugin_box_tool", {} if arguments is None else arguments, caller)


@pytest.fixture
def scene() -> Scene:
    return Scene()


async def test_it_runs_for_its_caller_and_everybody_is_told(scene: Scene) -> None:
    async def handler(arguments: dict[str, Any], context: ToolContext) -> Any:
        assert current_caller() is context.caller
        return {"city": arguments["city"], "user": context.caller.user, "depth": context.caller.depth}

    scene.offer(handler)
    reply = await scene.run({"city": "Oslo"})
    assert reply == ToolReply(success=True, result={"city": "Oslo", "user": "alice", "depth": 1})
    assert current_caller() is None
    (before, told), (after, ended) = scene.listening.heard
    assert (before, after) == ("tool:before_execute", "tool:after_execute")
    assert (told["toolName"], told["input"]) == ("plugin_box_tool", {"city": "Oslo"})
    assert (told["userId"], told["conversationId"]) == ("alice", "c1")
    assert ended["callId"] == told["callId"]
    assert ended["success"] is True
    assert ended["durationMs"] >= 0
    assert scene.stats.durations.count == 1


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (ToolReply(success=False, error="no such city"), "no such city"),
        (ToolReply(success=False), "the tool failed without saying why"),
        (ToolReply(success=False, error="refused with sk-abcdefghijklmnopqrstuvwx"), "refused with sk-***"),
        (ToolReply(success=False, error="half \ud800"), "half \\ud800"),
        (ToolReply(success=False, error="x" * 20_000), "x" * 10_000 + "… [20,000 characters]"),
        (ToolFailed("no such city"), "no such city"),
        (ValueError("bad"), "ValueError: bad"),
        (NotGranted("box", "storage:read"), "no permission 'storage:read'"),
        (SystemExit(3), "SystemExit"),
        (KeyboardInterrupt(), "KeyboardInterrupt"),
        (GeneratorExit(), "GeneratorExit"),
        (Unspeakable(), "Unspeakable"),
        (Wordless(), "Wordless"),
        (msgspec.Raw(b'{"a":'), "the result is no JSON"),
        (object(), "the result is no JSON"),
        ("x" * LARGEST_RESULT, "at most 1,048,576 are passed on"),
    ],
)
async def test_what_goes_wrong_is_the_reply(scene: Scene, answer: Any, told: str) -> None:
    async def handler(arguments: dict[str, Any], context: ToolContext) -> Any:
        if isinstance(answer, BaseException):
            raise answer
        return answer

    scene.offer(handler)
    reply = await scene.run()
    assert not reply.success
    assert told in (reply.error or "")
    assert scene.listening.heard[-1][1]["error"] == reply.error


async def test_one_that_takes_too_long_is_ended(scene: Scene) -> None:
    ended = asyncio.Event()

    async def handler(arguments: dict[str, Any], context: ToolContext) -> Any:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    scene.offer(handler, timeout_s=0.01)
    reply = await scene.run()
    assert reply.error == "Execution timed out after 10ms"
    assert ended.is_set()
    assert (scene.stats.errors, scene.stats.timeouts) == (1, 1)


async def test_it_is_cancelled_with_its_caller(scene: Scene) -> None:
    begun, ended = asyncio.Event(), asyncio.Event()

    async def handler(arguments: dict[str, Any], context: ToolContext) -> Any:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    scene.offer(handler)
    call = asyncio.create_task(scene.run())
    await begun.wait()
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    assert ended.is_set()


async def test_a_tool_that_raises_a_cancellation_of_its_own_has_failed(scene: Scene) -> None:
    async def handler(arguments: dict[str, Any], context: ToolContext) -> Any:
        raise asyncio.CancelledError

    scene.offer(handler)
    assert (await scene.run()).error == "the tool was cancelled from within"


async def test_what_is_not_there_and_what_is_not_allowed_look_alike(scene: Scene) -> None:
    async def handler(arguments: dict[str, Any], context: ToolContext) -> Any:
        raise AssertionError

    assert (await scene.run()).error == "Unknown tool: plugin_box_tool"
    scene.offer(handler)
    scene.allowed = False
    assert (await scene.run()).error == "Unknown tool: plugin_box_tool"
    assert scene.gate.offered(scene.tools, ALICE) == ()
    assert scene.listening.heard == []


async def test_input_that_does_not_fit_never_reaches_it(scene: Scene) -> None:
    async def handler(arguments: dict[str, Any], context: ToolContext) -> Any:
        raise AssertionError

    scene.offer(handler, input_schema={"type": "object", "required": ["city"]})
    assert (await scene.run()).error == 'Invalid input for plugin_box_tool: "city" is a required property'
    assert scene.listening.heard == []


async def test_who_is_asked_may_refuse(scene: Scene) -> None:
    async def handler(arguments: dict[str, Any], context: ToolContext) -> Any:
        raise AssertionError

    scene.offer(handler)
    scene.listening.refusal = ToolRefusal("not on Sundays")
    assert (await scene.run()).error == "Refused by guard: not on Sundays"


async def test_tools_that_call_one_another_come_to_an_end(scene: Scene, clock: HandClock) -> None:
    allowance = Allowance.of("box", frozenset({REGISTER, EXECUTE}), clock)
    tools = PluginTools(allowance, scene.table, scene.gate, lambda: nullcontext(scene.tools))
    depths: list[int] = []

    async def handler(arguments: dict[str, Any], context: ToolContext) -> Any:
        depths.append(context.caller.depth)
        return await tools.execute("plugin_box_tool" if len(depths) % 2 else "tool", {})

    tools.register(ToolSpec(name="tool"), handler)
    with acting_for(ALICE):
        reply = await tools.execute("tool", {})
    assert reply.error == f"Tools call one another more than {DEEPEST} deep"
    assert depths == [1, 2, 3, 4, 5]


async def test_each_permission_of_tools_is_checked(scene: Scene, clock: HandClock) -> None:
    executes = PluginTools(
        Allowance.of("box", frozenset({EXECUTE}), clock), scene.table, scene.gate, lambda: nullcontext(scene.tools)
    )
    registers = PluginTools(
        Allowance.of("box", frozenset({REGISTER}), clock), scene.table, scene.gate, lambda: nullcontext(scene.tools)
    )

    async def handler(arguments: dict[str, Any], context: ToolContext) -> Any: ...

    with pytest.raises(NotGranted, match="tools:register"):
        executes.register(ToolSpec(name="tool"), handler)
    with pytest.raises(NotGranted, match="tools:register"):
        executes.unregister("tool")
    with pytest.raises(NotGranted, match="tools:execute"):
        await registers.execute("tool", {})
    assert (await executes.execute("plugin_nobody_tool", {})).error == "Unknown tool: plugin_nobody_tool"


@pytest.mark.parametrize(
    ("text", "arguments", "told"),
    [
        ('{"a": 1}', {"a": 1}, None),
        ("", {}, None),
        ("[1]", None, "no JSON object"),
        ("{", None, "the arguments are no JSON: "),
        ('{"a": 1e999}', None, "no JSON"),
    ],
)
def test_arguments_as_a_model_writes_them(text: str, arguments: Any, told: str | None) -> None:
    got, problem = parse_arguments(text)
    assert got == arguments
    assert (problem is None) is (told is None)
    assert told is None or told in (problem or "")


async def test_a_success_is_one_whatever_else_the_reply_says(scene: Scene) -> None:
    async def handler(arguments: dict[str, Any], context: ToolContext) -> Any:
        answer: Any = {"success": "yes", "result": 1, "error": "\ud800"}
        return ToolReply(**answer)

    scene.offer(handler)
    assert await scene.run() == ToolReply(success=True, result=1)


@pytest.mark.parametrize("arguments", [5, None, {1: 2}, {"a": object()}, {"a": "\ud800"}])
async def test_arguments_of_a_plugin_that_are_no_json_are_a_reply(
    scene: Scene, clock: HandClock, arguments: Any
) -> None:
    tools = PluginTools(
        Allowance.of("box", frozenset({EXECUTE}), clock), scene.table, scene.gate, lambda: nullcontext(scene.tools)
    )
    reply = await tools.execute("tool", arguments)
    assert (reply.error or "").startswith("Invalid input for tool: data")


async def test_what_the_caller_does_to_the_arguments_later_changes_nothing(scene: Scene, clock: HandClock) -> None:
    async def handler(arguments: dict[str, Any], context: ToolContext) -> Any:
        given["to"]["name"] = "everybody"
        return arguments["to"]["name"]

    given = {"to": {"name": "bob"}}
    tools = PluginTools(
        Allowance.of("ox", frozenset({EXECUTE}), clock), ToolTable("ox"), scene.gate, lambda: nullcontext(scene.tools)
    )
    scene.offer(handler)
    assert (await tools.execute("plugin_box_tool", given)).result == "bob"
