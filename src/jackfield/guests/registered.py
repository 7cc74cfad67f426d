"""What a guest has registered with the services: tools, handlers of events, tasks. Here is for each what calls it."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any, Protocol

import msgspec

from jackfield.sdk.caller import current_caller
from jackfield.sdk.events import Event, ToolRefusal
from jackfield.sdk.services import Services
from jackfield.sdk.tools import ProgressListener, ToolContext, ToolReply, ToolSpec

# Longer than the host waits for the same: what is late is told of in the host's words.
TOOL_S, EVENT_S, TASK_S = 35.0, 35.0, 3_600.0
MOST_TYPES = 200
LONGEST_MESSAGE = 1_000


class CallGuest(Protocol):
    async def __call__(self, method: str, params: Any, deadline_s: float, into: Any = Any) -> Any:
        """Raises what the guest's code raised."""


class Refused(msgspec.Struct, frozen=True):
    reason: str


class Registered:
    """What was registered stays while the guest is gone, and answers so; once it is there again it registers anew, and
    what it did not is taken away."""

    def __init__(self, services: Services, call: CallGuest) -> None:
        self._services, self._call = services, call
        self._tools: dict[str, ToolSpec] = {}
        self._told: dict[str, Callable[[Event], Awaitable[Any]]] = {}
        self._tasks: dict[str, str] = {}
        self._fresh: set[tuple[str, str]] = set()
        self._listeners: dict[str, ProgressListener] = {}

    def begin(self) -> None:
        """A process of it is loaded: what it registers from now on is what there is."""
        self._fresh = set()

    async def take_away_stale(self) -> None:
        for name in self._stale("tool", self._tools):
            self.remove_tool(name)
        for type_ in self._stale("event", self._told):
            self.ignore(type_)
        for name in self._stale("task", self._tasks):
            await self._services.scheduler.cancel(self._tasks.pop(name))

    def _stale(self, kind: str, names: Iterable[str]) -> list[str]:
        return [name for name in names if (kind, name) not in self._fresh]

    def add_tool(self, told: Any) -> None:
        """The same tool of another process of the same plugin is no other. Raises `ValueError` and `NotGranted`."""
        spec = msgspec.convert(told, ToolSpec)
        if self._tools.get(spec.name) != spec:
            self._services.tools.unregister(spec.name)
            self._services.tools.register(spec, self._run_tool)
            self._tools[spec.name] = spec
        self._fresh.add(("tool", spec.name))

    def remove_tool(self, name: str) -> None:
        self._services.tools.unregister(name)
        self._tools.pop(name, None)

    async def _run_tool(self, arguments: dict[str, Any], context: ToolContext) -> ToolReply:
        told = {"plugin": context.plugin, "tool": context.tool, "call": context.call}
        params = {
            "name": context.tool,
            "arguments": arguments,
            "context": told | {"listened": context.listener is not None},
            "caller": msgspec.to_builtins(context.caller),
        }
        if context.listener is not None:
            self._listeners[context.call] = context.listener
        try:
            reply: ToolReply = await self._call("tool", params, TOOL_S, ToolReply)
        finally:
            self._listeners.pop(context.call, None)
        return reply

    def progress(self, told: Mapping[str, Any]) -> None:
        """Of a call that is not under way nobody wants to know."""
        listener = self._listeners.get(str(told.get("call")))
        fraction = told.get("fraction")
        if listener is not None and isinstance(fraction, int | float) and math.isfinite(fraction):
            listener(float(fraction), str(told.get("message", ""))[:LONGEST_MESSAGE])

    def listen(self, type_: str) -> None:
        """Raises `ValueError` and `NotGranted`."""
        self._fresh.add(("event", type_))
        if type_ in self._told:
            return
        if len(self._told) >= MOST_TYPES:
            raise ValueError(f"the plugin listens for {MOST_TYPES} types of events already")

        async def tell(event: Event) -> ToolRefusal | None:
            caller = current_caller()
            params = {
                "type": event.type,
                "data": event.data,
                "source": event.source,
                "at": event.at,
                "caller": None if caller is None else msgspec.to_builtins(caller),
            }
            refused: Refused | None = await self._call("event", params, EVENT_S, Refused | None)
            return None if refused is None else ToolRefusal(refused.reason)

        self._services.events.on(type_, tell)
        self._told[type_] = tell

    def ignore(self, type_: str) -> None:
        if (tell := self._told.pop(type_, None)) is not None:
            self._services.events.off(type_, tell)

    async def schedule(self, name: str, when: Any, timezone: str = "UTC", once: bool = False) -> str:
        """The task's id. Raises `ValueError` and what the scheduler raises."""

        async def run() -> None:
            await self._call("task", {"name": name}, TASK_S)

        task = await self._services.scheduler.schedule(name, when, run, timezone=timezone, once=once)
        self._tasks[name] = task
        self._fresh.add(("task", name))
        return task
