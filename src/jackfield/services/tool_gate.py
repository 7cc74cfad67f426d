"""The one way to a tool, whoever calls: a model, an MCP client, or another plugin."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from time import perf_counter_ns
from typing import Any

import msgspec
import structlog

from jackfield.errors import JackfieldError
from jackfield.hooks.deadline import Expired, finish_within
from jackfield.hooks.guard import PluginStats
from jackfield.ids import new_id
from jackfield.sdk.caller import Caller, acting_for
from jackfield.sdk.tools import DEEPEST, ToolContext, ToolFailed, ToolReply, progress_listener
from jackfield.services.base import Announcer
from jackfield.services.tool_table import OfferedTool, ToolDirectory
from jackfield.settings import conceal
from jackfield.telemetry.masking import masked
from jackfield.telemetry.text import describe_error, escape_halves

LARGEST_RESULT = 1024 * 1024
LONGEST_ERROR = 10_000

log = structlog.get_logger("jackfield.tools")

Allows = Callable[[Caller, OfferedTool], bool]
StatsOf = Callable[[str], PluginStats | None]


class ToolStep(msgspec.Struct, frozen=True):
    """A tool call, as it is reported while it keeps the loop."""

    plugin: str
    name: str


class ToolGate:
    """`allows` says whether a caller may use a tool; `stats_of` finds the statistics of a plugin by its id; `meet` is
    told of each user that a call is made for."""

    def __init__(
        self, announcer: Announcer, allows: Allows, stats_of: StatsOf, meet: Callable[[str], None] | None = None
    ) -> None:
        self._announcer, self._allows, self._stats_of, self._meet = announcer, allows, stats_of, meet

    def offered(self, tools: ToolDirectory, caller: Caller) -> tuple[OfferedTool, ...]:
        """What this caller may use."""
        return tuple(tool for tool in tools if self._allows(caller, tool))

    def find(self, tools: ToolDirectory, name: str, caller: Caller) -> OfferedTool | None:
        """The tool with this full name, where there is one that this caller may use."""
        tool = tools.find(name)
        return tool if tool is not None and self._allows(caller, tool) else None

    async def run(
        self, tools: ToolDirectory, name: str, arguments: Any, caller: Caller, *, call: str | None = None
    ) -> ToolReply:
        """Runs the tool with this full name. Never raises what the tool does: that is the reply. Cancelling it cancels
        the tool."""
        tool = self.find(tools, name, caller)
        if tool is None:
            return _failure(f"Unknown tool: {name[:200]}")
        return await self.run_tool(tool, arguments, caller, call=call)

    async def run_tool(
        self, tool: OfferedTool, arguments: Any, caller: Caller, *, call: str | None = None
    ) -> ToolReply:
        """The same for one that was found, and is allowed."""
        if caller.depth >= DEEPEST:
            return _failure(f"Tools call one another more than {DEEPEST} deep")
        if (problems := tool.problems(arguments)) is not None:
            return _failure(f"Invalid input for {tool.name}: {problems}")
        if self._meet is not None and caller.user is not None:
            self._meet(caller.user)
        caller = msgspec.structs.replace(caller, depth=caller.depth + 1)
        # Whoever is told of the call acts for its caller, too.
        with acting_for(caller):
            return await self._run_checked(tool, arguments, caller, call or new_id("call"))

    async def _run_checked(self, tool: OfferedTool, arguments: Any, caller: Caller, call: str) -> ToolReply:
        told = {
            "toolName": tool.name,
            "input": arguments,
            "userId": caller.user,
            "conversationId": caller.conversation,
            "callId": call,
        }
        refused = await self._announcer.ask("tool:before_execute", told)
        if refused is not None:
            plugin, refusal = refused
            return _failure(f"Refused by {plugin}: {refusal.reason}")
        began = perf_counter_ns()
        context = ToolContext(
            plugin=tool.plugin,
            tool=tool.spec.name,
            call=call,
            caller=caller,
            listener=progress_listener() if caller.depth == 1 else None,
        )
        reply = await self._call(tool, arguments, context)
        after: dict[str, Any] = {"success": reply.success, "durationMs": (perf_counter_ns() - began) / 1e6}
        if reply.error is not None:
            after["error"] = reply.error
        self._announcer.announce("tool:after_execute", told | after)
        return reply

    async def _call(self, tool: OfferedTool, arguments: dict[str, Any], context: ToolContext) -> ToolReply:
        """A boundary: whatever the tool raises or answers becomes the reply."""
        began = perf_counter_ns()
        timeout = False
        try:
            with acting_for(context.caller):
                answer = await finish_within(
                    ToolStep(tool.plugin, tool.spec.name), _start(tool, arguments, context), tool.spec.timeout_s
                )
            return _reply(answer)
        except Expired:
            timeout = True
            error = f"Execution timed out after {tool.spec.timeout_s * 1000:.0f}ms"
        except asyncio.CancelledError:
            if (task := asyncio.current_task()) is not None and task.cancelling():
                raise
            error = "the tool was cancelled from within"
        except ToolFailed as failed:
            return _failure(_words(failed))
        except JackfieldError as failed:
            error = _words(failed)
        except GeneratorExit:
            raise
        except BaseException as failed:  # noqa: BLE001 - a boundary: it is the call's error, `sys.exit` too
            error = describe_error(failed)
        finally:
            self._count(tool, perf_counter_ns() - began)
        self._note(tool, error, timeout=timeout)
        return _failure(error)

    def _count(self, tool: OfferedTool, duration_ns: int) -> None:
        if (stats := self._stats_of(tool.plugin)) is not None:
            stats.add(duration_ns)

    def _note(self, tool: OfferedTool, error: str, *, timeout: bool) -> None:
        if (stats := self._stats_of(tool.plugin)) is not None:
            stats.errors += 1
            stats.timeouts += timeout
            stats.last_error = conceal(escape_halves(f"{tool.spec.name}: {error}"))
        log.warning("tool_failed", plugin=tool.plugin, tool=tool.spec.name, error=conceal(escape_halves(error)))


async def _start(tool: OfferedTool, arguments: dict[str, Any], context: ToolContext) -> Any:
    return await tool.handler(arguments, context)


def _failure(error: str) -> ToolReply:
    return ToolReply(success=False, error=_readable(error))


def _words(failed: Exception) -> str:
    """What it says of itself is a stranger's code, too."""
    try:
        return str(failed.message if isinstance(failed, JackfieldError) else failed)
    except Exception:  # noqa: BLE001 - then its kind has to do
        return describe_error(failed)


def _readable(error: Any) -> str:
    """A stranger's words, such that everybody can be told them: errors quote what they should not."""
    told = str(error)
    if len(told) > LONGEST_ERROR:
        told = f"{told[:LONGEST_ERROR]}… [{len(told):,} characters]"
    return masked(escape_halves(told))


def _reply(answer: Any) -> ToolReply:
    """Raises `ValueError` for what no model could be told."""
    reply = answer if isinstance(answer, ToolReply) else ToolReply(success=True, result=answer)
    try:
        encoded = msgspec.json.encode(reply.result)
        # What claims to be encoded already may be anything.
        msgspec.json.decode(encoded, type=msgspec.Raw)
    except (TypeError, ValueError, RecursionError) as error:
        raise ValueError(f"the result is no JSON: {error}") from error
    if (size := len(encoded)) > LARGEST_RESULT:
        raise ValueError(f"the result has {size:,} bytes; at most {LARGEST_RESULT:,} are passed on")
    if reply.success:
        return ToolReply(success=True, result=reply.result)
    return ToolReply(
        success=False, result=reply.result, error=_readable(reply.error or "the tool failed without saying why")
    )


def parse_arguments(text: str) -> tuple[Mapping[str, Any] | None, str | None]:
    """A model's arguments as it wrote them: the object, or what is wrong with it."""
    try:
        arguments = msgspec.json.decode(text or "{}")
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        return None, f"the arguments are no JSON: {error}"
    if not isinstance(arguments, dict):
        return None, "the arguments are no JSON object"
    return arguments, None
