"""Events: what happens in the gateway, told to plugins."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Any, Protocol, TypeVar

import msgspec

from jackfield.sdk.marks import marked_members

# Each type of event that the gateway itself emits, with what is in its data. A key may be absent where it is unknown.
EVENTS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "message:received": ("content", "userId", "conversationId", "channel", "model", "requestId"),
        "message:sent": ("content", "userId", "conversationId", "channel", "model", "requestId", "usage"),
        "tool:before_execute": ("toolName", "input", "userId", "conversationId", "callId"),
        "tool:after_execute": (
            "toolName", "input", "userId", "conversationId", "callId", "success", "durationMs", "error",
        ),
        "memory:created": ("memoryId", "userId", "type", "importance"),
        "memory:updated": ("memoryId", "userId", "type", "importance"),
        "conversation:started": ("conversationId", "userId"),
        "conversation:ended": ("conversationId", "userId"),
        "user:active": ("userId", "channel"),
        "scheduler:task_executed": ("taskId", "name", "pluginId", "success", "durationMs"),
        "oauth:token_request": ("provider", "grantType"),
        "oauth:token_response": ("provider", "account", "accountId", "grantType", "expiresAt"),
        "oauth:refresh_request": ("provider", "account", "accountId"),
        "oauth:refresh_response": ("provider", "account", "accountId", "expiresAt"),
        "oauth:error": ("provider", "account", "accountId", "error", "phase"),
        "plugin:loaded": ("pluginId", "manifest"),
        "plugin:unloaded": ("pluginId",),
        "system:startup": ("version",),
        "system:shutdown": ("version",),
    }
)  # fmt: skip
SYSTEM = "system"


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """`source` is `system` for the gateway's own, else the id of the plugin that emitted it, whatever the type says.
    `data` holds JSON values and datetimes."""

    type: str
    data: Mapping[str, Any]
    source: str
    at: datetime


class ToolRefusal(msgspec.Struct, frozen=True):
    """What a handler of `tool:before_execute` may return, with the permission `tools:refuse`: the call does not happen,
    and the model is told the reason."""

    reason: str


EventHandler = Callable[[Event], Awaitable[Any]]


class Events(Protocol):
    """Subscribing needs `events:subscribe`, emitting `events:emit`. What lacks raises `NotGranted`.

    A plugin is told of one event after the other, in the order in which they happened, beside the requests; what it
    raises or how long it takes harms nobody else. Of those that wait too many are dropped, oldest first, and counted.
    """

    def on(self, type: str, handler: EventHandler) -> None:  # noqa: A002 - the guide's word
        """The same handler twice is told once. Any type may be listened for, also those that plugins make up."""

    def off(self, type: str, handler: EventHandler) -> None: ...  # noqa: A002 - the guide's word

    def emit(self, type: str, data: Mapping[str, Any]) -> None:  # noqa: A002 - the guide's word
        """Returns at once. Raises `ValueError` where `data` is no JSON, or is longer than 64 KB."""


def _is_async(method: object) -> bool:
    return inspect.iscoroutinefunction(method)


F = TypeVar("F", bound=Callable[..., Awaitable[Any]])
_MARK = "__jackfield_subscriptions__"


def subscribe(*types: str) -> Callable[[F], F]:
    """Marks a method as the handler of these events."""

    def mark(method: F) -> F:
        if not types or not _is_async(method):
            raise TypeError(f"@subscribe: {method.__qualname__} must be `async def`, with a type of event at least")
        setattr(method, _MARK, types)
        return method

    return mark


def subscriptions_of(plugin: object) -> tuple[tuple[str, EventHandler], ...]:
    """The marked methods of an instance, by type of event."""
    marked = marked_members(type(plugin), _MARK)
    return tuple((type_, getattr(plugin, name)) for name, method in marked for type_ in getattr(method, _MARK))
