"""One request, from the outside: what came, what was sent back, and what the exchanges that it led to tell of
themselves."""

from __future__ import annotations

import ipaddress
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from contextvars import ContextVar
from time import perf_counter, time
from typing import Any, Protocol

from jackfield.sdk import Attempt, Exchange, Usage

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]
Headers = Iterable[tuple[bytes, bytes]]

LONGEST_AGENT = 200
CLIENT_GONE = 499


class Visit:
    """`exchanges` are what hooks saw of it: one for inference, several where tools are run, none for the rest."""

    __slots__ = ("agent", "at", "began", "bytes", "client", "exchanges", "ms", "path", "request_id", "status", "verb")

    def __init__(self, verb: str, path: str, client: str, agent: str) -> None:
        self.verb, self.path, self.client, self.agent = verb, path, client, agent
        self.at, self.began = time(), perf_counter()
        self.exchanges: list[Seen] = []
        self.status: int | None = None
        self.request_id = ""
        self.bytes = 0
        self.ms = 0.0

    def note(self, exchange: Exchange) -> None:
        self.exchanges.append(Seen(exchange))

    def sees(self, message: Message) -> None:
        if message["type"] == "http.response.body":
            self.bytes += len(message.get("body", b""))
        elif message["type"] == "http.response.start":
            self.status = message["status"]
            self.request_id = _header(message.get("headers", ()), b"x-request-id")

    def end(self) -> None:
        self.ms = (perf_counter() - self.began) * 1000
        if self.exchanges:
            self.status = self.exchanges[-1].status
            self.request_id = self.request_id or self.exchanges[0].id
        elif self.status is None:
            self.status = CLIENT_GONE


class Seen:
    """What is kept of an exchange: names that the gateway knows, and numbers."""

    __slots__ = (
        "app",
        "attempts",
        "cost_usd",
        "credential",
        "error",
        "first_byte_ms",
        "id",
        "model",
        "plugin",
        "provider",
        "status",
        "stream",
        "upstream",
        "usage",
    )

    def __init__(self, exchange: Exchange) -> None:
        identity, trying, error = exchange.identity, exchange.trying, exchange.error
        self.id, self.status = exchange.id, exchange.status
        self.credential = identity.credential if identity else None
        self.app = identity.app if identity else None
        self.provider = trying.provider if trying else None
        self.upstream = trying.upstream if trying else None
        self.model = trying.model if trying else None
        self.stream = bool(trying and exchange.stream)
        self.error = error.code if error else None
        self.plugin = exchange.decided_by
        self.usage: Usage | None = exchange.usage
        self.cost_usd = exchange.cost_usd
        self.first_byte_ms = exchange.timings.first_byte if exchange.timings else None
        self.attempts: tuple[Attempt, ...] = exchange.attempts


VISIT: ContextVar[Visit | None] = ContextVar("access_log_visit", default=None)


class Log(Protocol):
    config: Any

    def leaves_out(self, path: str) -> bool: ...
    def add(self, visit: Visit) -> None: ...


class Watch:
    """Middleware around the gateway."""

    def __init__(self, app: App, log: Log) -> None:
        self._app, self._log = app, log
        self._client_header = (log.config.client_header or "").encode()
        self._user_agents = log.config.user_agents

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or self._log.leaves_out(scope["path"]):
            await self._app(scope, receive, send)
            return
        visit = self._begin(scope)
        VISIT.set(visit)

        async def noted(message: Message) -> None:
            visit.sees(message)
            await send(message)

        try:
            await self._app(scope, receive, noted)
        finally:
            VISIT.set(None)
            visit.end()
            self._log.add(visit)

    def _begin(self, scope: MutableMapping[str, Any]) -> Visit:
        headers = scope["headers"]
        peer = scope.get("client")
        client = str(peer[0]) if peer else ""
        if self._client_header:
            client = _address(_header(headers, self._client_header)) or client
        agent = _header(headers, b"user-agent")[:LONGEST_AGENT] if self._user_agents else ""
        return Visit(scope["method"], scope["path"], client, agent)


def _header(headers: Headers, name: bytes) -> str:
    """The last one of that name: the one that the nearest proxy has added."""
    found = [value for key, value in headers if key == name]
    return found[-1].decode("latin-1") if found else ""


def _address(value: str) -> str:
    """The last address of a list: those before it are the client's own words. Nothing where it is none."""
    last = value.rpartition(",")[2].strip()
    try:
        return str(ipaddress.ip_address(last))
    except ValueError:
        return ""
