"""The events of a request's life and of the gateway's, and who is told of them."""

from __future__ import annotations

import bisect
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from enum import IntEnum, StrEnum
from itertools import count
from typing import Any, Protocol

__all__ = ["Hook", "HookContext", "HookEmitter", "HookEvent", "HookLayer", "HookRegistry"]

DEFAULT_PRIORITY = 500


class HookEvent(StrEnum):
    APP_STARTUP = "app.startup"
    APP_READY = "app.ready"
    APP_SHUTDOWN = "app.shutdown"
    REQUEST_STARTED = "request.started"
    REQUEST_COMPLETED = "request.completed"
    REQUEST_FAILED = "request.failed"
    HTTP_REQUEST = "http.request"
    HTTP_RESPONSE = "http.response"
    HTTP_ERROR = "http.error"
    PROVIDER_REQUEST_PREPARED = "provider.request.prepared"
    PROVIDER_REQUEST_SENT = "provider.request.sent"
    PROVIDER_RESPONSE_RECEIVED = "provider.response.received"
    PROVIDER_ERROR = "provider.error"
    PROVIDER_STREAM_START = "provider.stream.start"
    PROVIDER_STREAM_CHUNK = "provider.stream.chunk"
    PROVIDER_STREAM_END = "provider.stream.end"
    PLUGIN_LOADED = "plugin.loaded"
    PLUGIN_UNLOADED = "plugin.unloaded"
    PLUGIN_ERROR = "plugin.error"
    OAUTH_TOKEN_REQUEST = "oauth.token.request"  # noqa: S105 - the name of an event
    OAUTH_TOKEN_RESPONSE = "oauth.token.response"  # noqa: S105
    OAUTH_REFRESH_REQUEST = "oauth.refresh.request"
    OAUTH_REFRESH_RESPONSE = "oauth.refresh.response"
    OAUTH_ERROR = "oauth.error"
    CUSTOM_EVENT = "custom.event"


class HookLayer(IntEnum):
    """Priorities: the lowest is told first."""

    CRITICAL = 0
    VALIDATION = 100
    BEFORE_AUTH = 190
    AUTH = 200
    AFTER_AUTH = 210
    ENRICHMENT = 300
    BEFORE_PROCESSING = 490
    PROCESSING = 500
    AFTER_PROCESSING = 510
    OBSERVATION = 700
    METRICS = 700
    TRACING = 720
    ACCESS_LOGGING = 750
    CLEANUP = 900
    FINALIZATION = 1000


@dataclass
class HookContext:
    """One object for all hooks of one plugin that are told of one event."""

    event: HookEvent
    timestamp: datetime
    data: dict[str, Any] = field(default_factory=dict)
    metadata: dict[str, Any] = field(default_factory=dict)
    request: Any = None
    response: Any = None
    provider: str | None = None
    plugin: str | None = None
    error: Exception | None = None


class Hook(Protocol):
    """Called with a `HookContext`; it may be a coroutine function or not."""

    name: str
    events: list[HookEvent]
    priority: int = DEFAULT_PRIORITY

    def __call__(self, context: HookContext) -> Awaitable[None] | None: ...


class HookRegistry:
    """One plugin's hooks: by priority, and of two with the same in the order in which they came."""

    def __init__(self) -> None:
        self._hooks: dict[HookEvent, list[tuple[int, int, Any]]] = {}
        self._numbers = count()

    def register(self, hook: Any) -> None:
        """Raises `TypeError` for what cannot be called, and `ValueError` for an event that there is not."""
        if not callable(hook):
            raise TypeError(f"hook {hook!r:.100} cannot be called")
        events = [HookEvent(event) for event in hook.events]
        priority, number = int(getattr(hook, "priority", DEFAULT_PRIORITY)), next(self._numbers)
        for event in dict.fromkeys(events):
            bisect.insort(self._hooks.setdefault(event, []), (priority, number, hook))

    def unregister(self, hook: Any) -> None:
        for event, held in list(self._hooks.items()):
            self._hooks[event] = [entry for entry in held if entry[2] is not hook]

    def get(self, event: HookEvent) -> list[Any]:
        return [hook for _, _, hook in self._hooks.get(event, ())]

    def ranked(self, event: HookEvent) -> list[tuple[int, int, Any]]:
        """With the priority of each, and its number."""
        return list(self._hooks.get(event, ()))

    def list(self) -> dict[str, list[str]]:
        """The names of the hooks by event."""
        return {event.value: [name_of(hook) for hook in self.get(event)] for event in self.events()}

    def events(self) -> set[HookEvent]:
        """Those that somebody is told of."""
        return {event for event, held in self._hooks.items() if held}

    def has(self, event: HookEvent) -> bool:
        return bool(self._hooks.get(event))

    def clear(self) -> None:
        self._hooks.clear()


def name_of(hook: Any) -> str:
    return str(getattr(hook, "name", None) or type(hook).__name__)


Emit = Callable[[HookContext, bool], Awaitable[None]]


class HookEmitter:
    """A plugin's way to tell others of something: whoever subscribed is told, in whichever plugin of the gateway."""

    def __init__(self, emit: Emit, now: Callable[[], datetime], plugin: str) -> None:
        self._emit, self._now, self._plugin = emit, now, plugin

    async def emit(
        self, event: HookEvent, data: dict[str, Any] | None = None, fire_and_forget: bool = True, **about: Any
    ) -> None:
        """Without `fire_and_forget` it waits until all have dealt with it. `about` are fields of `HookContext`."""
        about.setdefault("plugin", self._plugin)
        context = HookContext(HookEvent(event), self._now(), {} if data is None else data, **about)
        await self._emit(context, fire_and_forget)

    async def emit_with_context(self, context: HookContext, fire_and_forget: bool = True) -> None:
        await self._emit(context, fire_and_forget)


def all_events(registries: Iterable[HookRegistry]) -> set[HookEvent]:
    return {event for registry in registries for event in registry.events()}
