"""The tool calls of one turn: run side by side, answered in their order."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing
from time import perf_counter_ns
from typing import Any

import msgspec
import structlog

from jackfield.agents.bounds import AT_ONCE, CALLS_A_TURN, RESULT_BYTES
from jackfield.agents.events import ToolEnded, ToolEvent, ToolStarted, ToolUse
from jackfield.sdk.caller import Caller
from jackfield.sdk.tools import ToolReply
from jackfield.services.tool_gate import ToolGate, parse_arguments
from jackfield.services.tool_table import OfferedTool, ToolDirectory
from jackfield.wire.chat import Text, ToolCall, ToolResult

LEAVING_S = 0.1
TOO_MANY = f"Not run: at most {CALLS_A_TURN} tool calls a turn"
TOO_LATE = "Not finished: the time of this request is over"

log = structlog.get_logger("jackfield.tools")

RunTool = Callable[[ToolCall, Any], Awaitable[ToolReply]]


class Toolbox:
    """The tools of one run."""

    def __init__(
        self, gate: ToolGate, tools: ToolDirectory, offered: Mapping[str, OfferedTool], caller: Caller
    ) -> None:
        self._gate, self._tools, self.offered, self._caller = gate, tools, offered, caller

    async def run(self, call: ToolCall, arguments: Any) -> ToolReply:
        if call.name not in self.offered:
            return ToolReply(success=False, error=f"Unknown tool: {call.name[:200]}")
        return await self._gate.run(self._tools, call.name, arguments, self._caller, call=call.id)


class Batch:
    """`results` and `used` are whole once `run` is through."""

    def __init__(self, calls: Sequence[ToolCall], run_tool: RunTool, *, parallel: bool) -> None:
        self._calls, self._run_tool = calls, run_tool
        self._width = asyncio.Semaphore(AT_ONCE if parallel else 1)
        self._told: asyncio.Queue[ToolEvent] = asyncio.Queue()
        self._begun: set[int] = set()
        self._ended: dict[int, ToolEnded] = {}

    @property
    def results(self) -> tuple[ToolResult, ...]:
        return tuple(write_result(call, self._ended[place].reply) for place, call in enumerate(self._calls))

    @property
    def used(self) -> tuple[ToolUse, ...]:
        ended = (self._ended[place] for place in range(len(self._calls)))
        return tuple(
            ToolUse(name=one.name, success=one.reply.success, duration_ms=round(one.duration_ms, 3)) for one in ended
        )

    async def run(self, until: float) -> AsyncGenerator[ToolEvent, None]:
        """Tells of each call when it begins and when it ends. What has not ended at the loop's time `until` is
        cancelled; leaving early cancels all."""
        tasks = [
            asyncio.create_task(self._run(place, call), name=f"tool-{call.id}")
            for place, call in enumerate(self._calls)
        ]
        try:
            async with aclosing(self._tell(until)) as told:
                async for event in told:
                    yield event
        finally:
            await _leave(tasks)
        while not self._told.empty():
            yield self._told.get_nowait()
        for place, call in enumerate(self._calls):
            if place not in self._ended:
                ended = self._end(place, call, ToolReply(success=False, error=TOO_LATE), 0.0)
                if place in self._begun:
                    yield ended

    async def _tell(self, until: float) -> AsyncGenerator[ToolEvent, None]:
        for _ in range(2 * len(self._calls)):
            try:
                async with asyncio.timeout_at(until):
                    event = await self._told.get()
            except TimeoutError:
                return
            yield event

    async def _run(self, place: int, call: ToolCall) -> None:
        async with self._width:
            began = perf_counter_ns()
            arguments, problem = parse_arguments(call.arguments)
            shown = call.arguments if arguments is None else arguments
            self._begun.add(place)
            self._told.put_nowait(ToolStarted(call=call.id, name=call.name, input=shown))
            if problem is not None:
                reply = ToolReply(success=False, error=f"Invalid input for {call.name[:200]}: {problem}")
            elif place >= CALLS_A_TURN:
                reply = ToolReply(success=False, error=TOO_MANY)
            else:
                reply = await self._ask(call, arguments)
            self._told.put_nowait(self._end(place, call, reply, (perf_counter_ns() - began) / 1e6))

    async def _ask(self, call: ToolCall, arguments: Any) -> ToolReply:
        try:
            return await self._run_tool(call, arguments)
        except Exception:  # a boundary: a fault of the gateway's own must not leave the others waiting
            log.exception("tool_call_failed", tool=call.name[:200], call=call.id)
            return ToolReply(success=False, error="The gateway failed")

    def _end(self, place: int, call: ToolCall, reply: ToolReply, duration_ms: float) -> ToolEnded:
        ended = self._ended[place] = ToolEnded(call=call.id, name=call.name, reply=reply, duration_ms=duration_ms)
        return ended


async def _leave(tasks: Sequence[asyncio.Task[None]]) -> None:
    """Ends what still runs. A tool that does not listen is left to its own deadline."""
    left = [task for task in tasks if not task.done()]
    for task in left:
        # The message tells this cancellation from those of the time-outs and task groups that a tool uses.
        task.cancel("the run is over")
    if left and (pending := (await asyncio.wait(left, timeout=LEAVING_S))[1]):
        log.error("tools_do_not_end", calls=sorted(task.get_name() for task in pending))


def write_result(call: ToolCall, reply: ToolReply) -> ToolResult:
    """What the model is told: the result as JSON, or an object with the error."""
    value = reply.result if reply.success else {"error": reply.error}
    if not reply.success and reply.result is not None:
        value = {"error": reply.error, "result": reply.result}
    return ToolResult(
        tool_call_id=call.id, parts=(Text(text=cut(msgspec.json.encode(value))),), is_error=not reply.success
    )


def cut(text: bytes) -> str:
    """No longer than a model should have to read, with a note where something is missing."""
    if len(text) <= RESULT_BYTES:
        return text.decode()
    begin = text[:RESULT_BYTES].decode(errors="ignore")
    return f"{begin}\n[cut: these are the first {RESULT_BYTES:,} of {len(text):,} bytes]"
