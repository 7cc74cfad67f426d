"""What a plugin on trial is granted: the gateway's own services, over stores that end with the trial, and an outside
that is scripted."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack, nullcontext
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal, cast

import msgspec

from jackfield.control.prices import PriceTable
from jackfield.control.usage import UsageHistory
from jackfield.errors import EgressRefused, UpstreamBroken
from jackfield.hooks.guard import PluginStats
from jackfield.sdk.caller import Caller
from jackfield.sdk.http import HTTP_TIMEOUT_S, HttpResponse
from jackfield.sdk.tools import ToolReply, full_name
from jackfield.sdk.users import User
from jackfield.services.allowance import Allowance
from jackfield.services.events import EventBus, GrantedEvents, PluginEvents
from jackfield.services.grants import Asker, Grant, Maker, Offer, ServiceFactory
from jackfield.services.hop import REDIRECTS, Hop, first_hop, next_hop
from jackfield.services.http import AGENT, MOST_REDIRECTS, OUTBOUND, PluginHttp, open_egress
from jackfield.services.kv import STORAGE, PluginStorage
from jackfield.services.memory import PluginMemories, Recollection
from jackfield.services.scheduler import GrantedScheduler, PluginScheduler
from jackfield.services.secrets import Secrets
from jackfield.services.shared import SharedDirectory, SharedTable
from jackfield.services.tool_gate import ToolGate
from jackfield.services.tool_table import ToolDirectory
from jackfield.services.tools import EXECUTE, REGISTER, PluginTools
from jackfield.services.usage import READ as READ_USAGE
from jackfield.services.usage import Books, PluginLedger
from jackfield.stores.database import Database
from jackfield.stores.kv import KeyValueStore
from jackfield.stores.leases import Leases
from jackfield.stores.memories import StoredMemories
from jackfield.testing.memory import HandClock
from jackfield.transport import EgressPolicy

TESTER = Caller(user="tester", app="trial", credential="trial")
EVENTS_S = 5.0
SCHEDULER = frozenset({"scheduler:read", "scheduler:write"})
MEMORY = frozenset({"memory:read", "memory:write"})


class HttpRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What a plugin sent. `body` is as it gave it."""

    method: str
    url: str
    headers: Mapping[str, str] = {}
    body: Any = None


Answers = Callable[[HttpRequest], Any]
Outside = Answers | Literal["real"]


class ScriptedHttp:
    """`Http` without a network: what may be asked is what a gateway would ask. `outside` answers with an
    `HttpResponse`, a status, or a JSON value; it may raise."""

    def __init__(
        self, allowance: Allowance, hosts: tuple[str, ...] | None, outside: Answers | None, sent: list[HttpRequest]
    ) -> None:
        self._allowance, self._outside, self._sent = allowance, outside, sent
        self._policy = EgressPolicy.public_only(allow_hosts=hosts)

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
        self._allowance.take(OUTBOUND)
        hop = first_hop(AGENT, method, url, headers, body)
        for _ in range(MOST_REDIRECTS + 1):
            answer = self._send(hop, headers or {}, body if hop.body else None)
            location = answer.headers.get("location") if follow and answer.status in REDIRECTS else None
            if location is None:
                return answer
            hop = next_hop(hop, answer.status, location.encode())
        raise UpstreamBroken(f"{url}: more than {MOST_REDIRECTS} redirects")

    def _send(self, hop: Hop, headers: Mapping[str, str], body: Any) -> HttpResponse:
        self._policy.check_origin(hop.target.origin)
        asked = HttpRequest(method=hop.method, url=hop.url, headers=dict(headers), body=body)
        self._sent.append(asked)
        if self._outside is None:
            raise EgressRefused(f"{hop.url}: the trial has no outside: give FakeHost an `http`", sent=False)
        return _response(hop.url, self._outside(asked))

    async def get(self, url: str, *, headers: Mapping[str, str] | None = None) -> HttpResponse:
        return await self.request("GET", url, headers=headers)

    async def post(self, url: str, body: Any = None, *, headers: Mapping[str, str] | None = None) -> HttpResponse:
        return await self.request("POST", url, headers=headers, body=body)


def _response(url: str, answer: Any) -> HttpResponse:
    if isinstance(answer, HttpResponse):
        return answer
    if isinstance(answer, int):
        return HttpResponse(status=answer, reason="", headers={}, body=b"", url=url)
    body, kind = (answer.encode(), "text/plain") if isinstance(answer, str) else (None, "application/json")
    headers = {"content-type": kind}
    return HttpResponse(
        status=200, reason="OK", headers=headers, body=msgspec.json.encode(answer) if body is None else body, url=url
    )


def among(own: SharedTable, given: Mapping[str, object]) -> SharedDirectory:
    """What there is to share where other plugins give these."""
    others = SharedTable("others")
    for name, service in given.items():
        others.provide(name, service)
    return SharedDirectory(lambda: (others, own))


class KnownUsers:
    """`Users` of a trial: preferences by user."""

    def __init__(self, allowance: Allowance, known: Mapping[str, Mapping[str, Any]]) -> None:
        self._allowance, self._known = allowance, known

    async def get(self, user: str) -> User | None:
        self._begin(user)
        return User(id=user, created_at=datetime.fromtimestamp(0, UTC)) if user in self._known else None

    async def preferences(self, user: str) -> Mapping[str, Any]:
        self._begin(user)
        return dict(self._known.get(user, {}))

    def _begin(self, user: str) -> None:
        self._allowance.take("users:read")
        self._allowance.check_user(user)


async def _flush_nothing() -> None:
    """A trial's exchanges leave no records in its ledger."""


class Granting:
    """The services of one plugin on trial, and the ways to call it from outside."""

    def __init__(
        self,
        clock: HandClock,
        kv: KeyValueStore,
        stats_of: Callable[[str], PluginStats | None],
        *,
        http: Outside | None = None,
        users: Mapping[str, Mapping[str, Any]] | None = None,
    ) -> None:
        self._clock, self._kv, self._stats_of = clock, kv, stats_of
        self._outside, self._users = http, users or {}
        self.bus = EventBus(clock, stats_of)
        self.gate = ToolGate(self.bus, lambda caller, tool: True, stats_of)
        self.sent: list[HttpRequest] = []
        self.grant: Grant | None = None
        self._stack = AsyncExitStack()

    async def open(self, asker: Asker) -> Grant:
        offers = {
            "kv": Offer(STORAGE, lambda grant: PluginStorage(grant.allowance, self._kv)),
            "http": Offer(frozenset({OUTBOUND}), self._make_http),
            "users": Offer(frozenset({"users:read"}), lambda grant: KnownUsers(grant.allowance, self._users)),
            "events": Offer(frozenset({"events:subscribe", "events:emit"}), self._events),
            "tools": Offer(frozenset({REGISTER, EXECUTE}), self._make_tools),
        }
        if asker.approved & (SCHEDULER | MEMORY | {READ_USAGE}):
            offers |= await self._stored()
        self.grant = ServiceFactory(offers, self._clock).build(asker)
        return self.grant

    def _make_http(self, grant: Grant) -> ScriptedHttp | PluginHttp:
        hosts = grant.asker.http_hosts
        if self._outside != "real":
            return ScriptedHttp(grant.allowance, hosts, self._outside, self.sent)
        egress = open_egress()
        self._stack.push_async_callback(egress.aclose)
        return PluginHttp(grant.allowance, egress, Secrets({}), hosts, agent=grant.asker.agent)

    async def _stored(self) -> dict[str, Offer]:
        """What only a database can do has one of its own."""
        folder = self._stack.enter_context(TemporaryDirectory(prefix="jackfield-trial-"))
        database = await Database.open("sqlite", Path(folder))
        self._stack.push_async_callback(database.dispose)
        stored = StoredMemories(database)
        await stored.open()
        recollection = Recollection(stored, self.bus, self._clock)
        leases = Leases(database)
        history = UsageHistory(database, self._clock, retention_days=1)
        books = Books(history, PriceTable.load(), _flush_nothing)

        def scheduler(grant: Grant) -> GrantedScheduler:
            made = PluginScheduler(grant.allowance, leases, self.bus, self._clock, self._stats_of)
            grant.parts.append(made)
            return GrantedScheduler(made)

        return {
            "scheduler": Offer(SCHEDULER, cast(Maker, scheduler)),
            "memory": Offer(MEMORY, lambda grant: PluginMemories(grant.allowance, recollection)),
            "usage": Offer(frozenset({READ_USAGE}), lambda grant: PluginLedger(grant.allowance, books)),
        }

    def _events(self, grant: Grant) -> GrantedEvents:
        made = PluginEvents(grant.allowance, self.bus)
        grant.parts.append(made)
        return GrantedEvents(made)

    def _make_tools(self, grant: Grant) -> PluginTools:
        return PluginTools(grant.allowance, grant.tools, self.gate, lambda: nullcontext(self.tools))

    @property
    def tools(self) -> ToolDirectory:
        return ToolDirectory([self.grant.tools] if self.grant is not None else [])

    async def call_tool(self, name: str, arguments: Mapping[str, Any], caller: Caller) -> ToolReply:
        """By short or full name."""
        assert self.grant is not None
        known = self.grant.tools.get(name)
        full = full_name(self.grant.asker.plugin, name) if known is not None else name
        return await self.gate.run(self.tools, full, dict(arguments), caller)

    async def announce(self, type: str, data: Mapping[str, Any]) -> None:  # noqa: A002 - the guide's word
        """Tells the plugin of an event, and waits until it has dealt with it."""
        self.bus.announce(type, data)
        await self.bus.settle(EVENTS_S)

    async def run_tasks(self) -> None:
        """Those that are due."""
        for part in self.grant.parts if self.grant is not None else ():
            if isinstance(part, PluginScheduler):
                await part.run_due()

    async def aclose(self) -> None:
        if self.grant is not None:
            self.grant.rest()
            await self.grant.aclose()
        await self._stack.aclose()
