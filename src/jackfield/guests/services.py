"""The services as a guest has them: each asks its host, which checks everything again.

A service that was not granted is absent here too, and the error names the permission; what only the host can know it
tells by the error of the call.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Protocol, TypeVar

import msgspec

from jackfield.errors import SessionDenied
from jackfield.guests.faults import revive
from jackfield.sdk.events import EventHandler
from jackfield.sdk.http import HTTP_TIMEOUT_S, HttpResponse
from jackfield.sdk.mcp import MountedServer
from jackfield.sdk.memory import Memory, MemoryType
from jackfield.sdk.prices import Price
from jackfield.sdk.scheduler import ScheduledTask, TaskHandler
from jackfield.sdk.services import NEEDED, NotGranted, Services
from jackfield.sdk.sign_in import CredentialHeader
from jackfield.sdk.tools import ToolHandler, ToolReply, ToolSpec
from jackfield.sdk.users import User
from jackfield.services.event_data import CopiedData, copy_emitted
from jackfield.services.tool_table import ToolTable

T = TypeVar("T")

# The permissions any of which brings a service, as the gateway offers them.
BROUGHT_BY: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        "kv": frozenset({"storage:read", "storage:write"}),
        "http": frozenset({"http:outbound"}),
        "events": frozenset({"events:subscribe", "events:emit"}),
        "scheduler": frozenset({"scheduler:read", "scheduler:write"}),
        "memory": frozenset({"memory:read", "memory:write"}),
        "users": frozenset({"users:read"}),
        "tools": frozenset({"tools:register", "tools:execute"}),
        "usage": frozenset({"usage:read"}),
        "credentials": frozenset({"credentials:use"}),
        "mcp": frozenset({"mcp:connect"}),
    }
)


class Rpc(Protocol):
    """What a program asks its host by."""

    async def call(self, method: str, params: Any = None) -> Any: ...

    def tell(self, method: str, params: Any = None) -> None: ...


class Line:
    """One plugin's way to its host. `granted` are its permissions."""

    def __init__(self, rpc: Rpc, plugin: str, granted: frozenset[str]) -> None:
        self._rpc, self.plugin, self.granted = rpc, plugin, granted

    async def ask(self, method: str, /, **params: Any) -> Any:
        """Raises what the service promises to raise."""
        try:
            return await self._rpc.call(method, params)
        except SessionDenied as denied:
            raise revive(denied, self.plugin) from None

    def tell(self, method: str, /, **params: Any) -> None:
        self._rpc.tell(method, params)

    def check(self, permission: str) -> None:
        """For what answers at once. Raises `NotGranted`."""
        if permission not in self.granted:
            raise NotGranted(self.plugin, permission)


def read_as(kind: Any, told: Any) -> Any:
    return msgspec.convert(told, kind)


class GuestStorage:
    """`KeyValue`."""

    __slots__ = ("_line",)

    def __init__(self, line: Line) -> None:
        self._line = line

    async def get(self, key: str, default: Any = None, *, namespace: str = "", user: str | None = None) -> Any:
        found = await self._line.ask("kv.get", key=key, namespace=namespace, user=user)
        return default if found is None else found["value"]

    async def set(
        self, key: str, value: Any, *, ttl_s: float | None = None, namespace: str = "", user: str | None = None
    ) -> None:
        await self._line.ask("kv.set", key=key, value=value, ttl_s=ttl_s, namespace=namespace, user=user)

    async def delete(self, key: str, *, namespace: str = "", user: str | None = None) -> bool:
        return bool(await self._line.ask("kv.delete", key=key, namespace=namespace, user=user))

    async def list(self, prefix: str = "", *, namespace: str = "", user: str | None = None) -> tuple[str, ...]:
        return tuple(await self._line.ask("kv.list", prefix=prefix, namespace=namespace, user=user))

    async def clear(self, *, namespace: str = "", user: str | None = None) -> int:
        return int(await self._line.ask("kv.clear", namespace=namespace, user=user))

    async def increment(
        self, key: str, by: int = 1, *, ttl_s: float | None = None, namespace: str = "", user: str | None = None
    ) -> int:
        return int(await self._line.ask("kv.increment", key=key, by=by, ttl_s=ttl_s, namespace=namespace, user=user))

    async def compare_and_set(
        self,
        key: str,
        expected: Any,
        value: Any,
        *,
        ttl_s: float | None = None,
        namespace: str = "",
        user: str | None = None,
    ) -> bool:
        done = await self._line.ask(
            "kv.compare_and_set",
            key=key,
            expected=expected,
            value=value,
            ttl_s=ttl_s,
            namespace=namespace,
            user=user,
        )
        return bool(done)


class GuestHttp:
    """`Http`."""

    __slots__ = ("_line",)

    def __init__(self, line: Line) -> None:
        self._line = line

    async def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: Any = None,
        timeout_s: float = HTTP_TIMEOUT_S,
        follow: bool = True,
    ) -> HttpResponse:
        told = await self._line.ask(
            "http.request", method=method, url=url, headers=headers, body=body, timeout_s=timeout_s, follow=follow
        )
        response: HttpResponse = read_as(HttpResponse, told)
        return response

    async def get(self, url: str, *, headers: Mapping[str, str] | None = None) -> HttpResponse:
        return await self.request("GET", url, headers=headers)

    async def post(self, url: str, body: Any = None, *, headers: Mapping[str, str] | None = None) -> HttpResponse:
        return await self.request("POST", url, headers=headers, body=body)


class GuestEvents:
    """`Events`. The host tells of each type once; here are the handlers of it."""

    __slots__ = ("_handlers", "_line")

    def __init__(self, line: Line) -> None:
        self._line = line
        self._handlers: dict[str, tuple[EventHandler, ...]] = {}

    def on(self, type: str, handler: EventHandler) -> None:  # noqa: A002 - the guide's word
        self._line.check("events:subscribe")
        if not isinstance(type, str) or not callable(handler):
            raise ValueError(f"events.on({type!r:.100}): the type must be text, and the handler a function")
        handlers = self._handlers.get(type, ())
        if handler in handlers:
            return
        self._handlers[type] = (*handlers, handler)
        if not handlers:
            self._line.tell("events.on", type=type)

    def off(self, type: str, handler: EventHandler) -> None:  # noqa: A002
        rest = tuple(other for other in self._handlers.get(type, ()) if other != handler)
        if rest:
            self._handlers[type] = rest
        elif self._handlers.pop(type, None) is not None:
            self._line.tell("events.off", type=type)

    def emit(self, type: str, data: Mapping[str, Any]) -> None:  # noqa: A002
        self._line.check("events:emit")
        if not isinstance(type, str):
            raise ValueError(f"an event's type is text, not {type!r:.100}")
        self._line.tell("events.emit", type=type, data=copy_emitted(data).value)

    def handlers(self, type: str) -> tuple[EventHandler, ...]:  # noqa: A002
        return self._handlers.get(type, ())


class GuestScheduler:
    """`Scheduler`."""

    __slots__ = ("_handlers", "_line")

    def __init__(self, line: Line) -> None:
        self._line = line
        self._handlers: dict[str, TaskHandler] = {}

    async def schedule(
        self, name: str, when: float | str, handler: TaskHandler, *, timezone: str = "UTC", once: bool = False
    ) -> str:
        if not callable(handler):
            raise ValueError(f"task {name!r}: the handler must be a function")
        task = await self._line.ask("scheduler.schedule", name=name, when=when, timezone=timezone, once=once)
        self._handlers[name] = handler
        return str(task)

    async def cancel(self, task: str) -> bool:
        return bool(await self._line.ask("scheduler.cancel", task=task))

    async def list(self) -> tuple[ScheduledTask, ...]:
        found: tuple[ScheduledTask, ...] = read_as(tuple[ScheduledTask, ...], await self._line.ask("scheduler.list"))
        return found

    def handler(self, name: str) -> TaskHandler:
        """Raises `LookupError`."""
        return self._handlers[name]


class GuestMemories:
    """`Memories`."""

    __slots__ = ("_line",)

    def __init__(self, line: Line) -> None:
        self._line = line

    async def search(self, query: str, user: str, limit: int = 10) -> tuple[Memory, ...]:
        told = await self._line.ask("memory.search", query=query, user=user, limit=limit)
        found: tuple[Memory, ...] = read_as(tuple[Memory, ...], told)
        return found

    async def create(self, user: str, content: str, type: MemoryType, importance: int = 5) -> str:  # noqa: A002
        made = await self._line.ask("memory.create", user=user, content=content, type=type, importance=importance)
        return str(made)


class GuestUsers:
    """`Users`."""

    __slots__ = ("_line",)

    def __init__(self, line: Line) -> None:
        self._line = line

    async def get(self, user: str) -> User | None:
        found: User | None = read_as(User | None, await self._line.ask("users.get", user=user))
        return found

    async def preferences(self, user: str) -> Mapping[str, Any]:
        return dict(await self._line.ask("users.preferences", user=user))


class GuestLedger:
    """`Ledger`."""

    __slots__ = ("_line",)

    def __init__(self, line: Line) -> None:
        self._line = line

    async def query(self, asked: Mapping[str, str]) -> Mapping[str, Any]:
        return dict(await self._line.ask("usage.query", asked=dict(asked)))

    async def percentiles(self, measure: str, asked: Mapping[str, str]) -> Mapping[str, Any]:
        return dict(await self._line.ask("usage.percentiles", measure=measure, asked=dict(asked)))

    async def prices(self) -> tuple[tuple[Price, ...], ...]:
        found: tuple[tuple[Price, ...], ...] = read_as(
            tuple[tuple[Price, ...], ...], await self._line.ask("usage.prices")
        )
        return found


class GuestCredentials:
    """`Credentials`."""

    __slots__ = ("_line",)

    def __init__(self, line: Line) -> None:
        self._line = line

    async def header(self, name: str) -> CredentialHeader:
        found: CredentialHeader = read_as(CredentialHeader, await self._line.ask("credentials.header", name=name))
        return found

    async def report(self, used: CredentialHeader, status: int, retry_after_s: float | None = None) -> bool:
        told = {"account": used.account, "issue": used.issue, "status": status, "retry_after_s": retry_after_s}
        return bool(await self._line.ask("credentials.report", **told))


class GuestTools:
    """`Tools`. What is wrong with a tool is found here, by what the host finds it by."""

    __slots__ = ("_line", "_table")

    def __init__(self, line: Line) -> None:
        self._line = line
        self._table = ToolTable(line.plugin)

    def register(self, spec: ToolSpec, handler: ToolHandler) -> None:
        self._line.check("tools:register")
        self._table.register(spec, handler)
        self._line.tell("tools.register", **msgspec.to_builtins(spec))

    def unregister(self, name: str) -> None:
        self._line.check("tools:register")
        self._table.unregister(name)
        self._line.tell("tools.unregister", name=name)

    async def execute(self, name: str, arguments: Mapping[str, Any]) -> ToolReply:
        try:
            given = CopiedData(arguments).value
        except ValueError as error:
            self._line.check("tools:execute")
            return ToolReply(success=False, error=f"Invalid input for {name:.200}: {error}")
        reply: ToolReply = read_as(ToolReply, await self._line.ask("tools.execute", name=name, arguments=given))
        return reply

    def handler(self, name: str) -> ToolHandler:
        """Raises `LookupError`."""
        found = self._table.get(name)
        if found is None:
            raise LookupError(f"there is no tool {name!r:.100}")
        return found.handler


class GuestMcp:
    """`Mcp`. What is mounted the host tells whenever it becomes another."""

    def __init__(self, line: Line, servers: Sequence[str]) -> None:
        self._line, self._servers = line, tuple(servers)
        self._mounted: tuple[MountedServer, ...] = ()
        self._listeners: list[Callable[[], None]] = []

    @property
    def servers(self) -> tuple[str, ...]:
        return self._servers

    async def mount(self, server: str, *, wait: bool = True) -> tuple[str, ...]:
        told = await self._line.ask("mcp.mount", server=server, wait=wait)
        self._take(told["mounted"])
        return tuple(told["tools"])

    async def unmount(self, server: str) -> None:
        self._take((await self._line.ask("mcp.unmount", server=server))["mounted"])

    def mounted(self) -> tuple[MountedServer, ...]:
        return self._mounted

    def watch(self, listener: Callable[[], None]) -> None:
        self._listeners.append(listener)

    def learn(self, mounted: Any) -> None:
        """What the host tells: raises what a listener raises."""
        self._take(mounted)
        for listener in self._listeners:
            listener()

    def _take(self, mounted: Any) -> None:
        self._mounted = read_as(tuple[MountedServer, ...], mounted)


class GuestServices:
    """All services of one guest, by the permissions that were approved. What the host calls back is found here."""

    def __init__(self, line: Line, servers: Sequence[str]) -> None:
        self.events, self.scheduler, self.tools = GuestEvents(line), GuestScheduler(line), GuestTools(line)
        self.mcp = GuestMcp(line, servers)
        made: dict[str, Any] = {
            "kv": GuestStorage(line),
            "http": GuestHttp(line),
            "events": self.events,
            "scheduler": self.scheduler,
            "memory": GuestMemories(line),
            "users": GuestUsers(line),
            "usage": GuestLedger(line),
            "credentials": GuestCredentials(line),
            "tools": self.tools,
            "mcp": self.mcp,
        }
        granted = {name: service for name, service in made.items() if BROUGHT_BY[name] & line.granted}
        self.granted = Services(line.plugin, granted, NEEDED, permissions=line.granted)
