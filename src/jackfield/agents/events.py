"""What happens in a run beside what its model says."""

from __future__ import annotations

from typing import Any

import msgspec

from jackfield.sdk.tools import ToolReply
from jackfield.wire.chat import ChatEvent


class ToolStarted(msgspec.Struct, frozen=True, kw_only=True):
    """`input` is the text that the model wrote where it is no JSON object."""

    call: str
    name: str
    input: Any


class ToolEnded(msgspec.Struct, frozen=True, kw_only=True):
    call: str
    name: str
    reply: ToolReply
    duration_ms: float


ToolEvent = ToolStarted | ToolEnded
RunEvent = ChatEvent | ToolEvent


class ToolUse(msgspec.Struct, frozen=True, kw_only=True):
    """One call, as the answer lists it."""

    name: str
    success: bool
    duration_ms: float


def describe(event: ToolEvent) -> tuple[str, dict[str, Any]]:
    """The name of an event, and what a client is told of it."""
    if isinstance(event, ToolStarted):
        return "tool_start", {"call": event.call, "name": event.name, "input": event.input}
    reply = event.reply
    told: dict[str, Any] = {"call": event.call, "name": event.name, "success": reply.success}
    told |= {"result": reply.result} if reply.success else {"error": reply.error}
    return "tool_result", told | {"duration_ms": round(event.duration_ms, 3)}
