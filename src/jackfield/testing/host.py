"""One plugin, started as the gateway starts it, and exchanges with it through the real pipeline: no server, no store,
no network.

    async with FakeHost(HouseRules, config={"secret": "grey owl"}) as host:
        trial = await host.request("HELLO")
        assert (trial.status, trial.error.plugin) == (429, "house_rules")
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from itertools import count
from time import perf_counter_ns
from types import TracebackType
from typing import Any, Literal, Self, cast

import msgspec
from pydantic import ValidationError

from jackfield.breaker import Breaker
from jackfield.control.directory import Directory
from jackfield.control.recorder import Recorder
from jackfield.errors import ConfigError
from jackfield.hooks.guard import PluginGuard
from jackfield.hooks.table import BoundHook, HookTable
from jackfield.host.routes import Routes
from jackfield.host.snapshot import Snapshot
from jackfield.pipeline.exchange import State
from jackfield.pipeline.run import Pipeline
from jackfield.pipeline.settle import Settler
from jackfield.sdk.context import InboundRequest
from jackfield.sdk.manifest import Manifest
from jackfield.sdk.outcomes import Identity
from jackfield.sdk.plugin import Plugin
from jackfield.sdk.services import Services
from jackfield.sdk.tools import ToolReply
from jackfield.server.inference import ROUTES
from jackfield.services.grants import Asker
from jackfield.services.shared import declared_names
from jackfield.services.tool_table import ToolDirectory
from jackfield.settings import PluginConfig
from jackfield.stores.kv import KeyValueStore
from jackfield.testing.asked import Api, Asked, caller_hook
from jackfield.testing.exchanges import KEY, NoMeter, Notebook, OneCaller, Underway, watch
from jackfield.testing.granting import TESTER, Granting, HttpRequest, Outside, among
from jackfield.testing.lives import Life
from jackfield.testing.memory import HandClock, MemoryStore
from jackfield.testing.scripted import Script, Sent
from jackfield.testing.scripted_routes import route_to
from jackfield.testing.subject import Prepared, Subject, known_prices, prepare
from jackfield.testing.trial import Seen, Trial

TIMEOUT_S = 60.0
Given = str | Mapping[str, Any] | bytes | msgspec.Struct


class Meddling:
    """What stands between the host and the plugin: by itself nothing. A hook that becomes `None` is left out."""

    def plugin(self, plugin: Plugin[Any]) -> None:
        """Before its `on_load`."""

    def hook(self, hook: BoundHook) -> BoundHook | None:
        return hook

    def storage(self, kv: KeyValueStore) -> KeyValueStore:
        return kv


class FakeHost:
    """`plugin` is a class, or the path of a plugin of any dialect. `config` is its section `[plugins.config.<id>]`, the
    reserved keys included. `approve` are the permissions it gets, by default those that its manifest asks for;
    `services` stand in the place of those that the host would build.

    `answer` is what upstreams answer where a request does not say otherwise: a text, a response, events, an
    `UpstreamError` to raise, options of the `echo` provider, or a function of the request; without one they repeat
    what the user said. `upstream` is the API that they speak. `models` limits the models there are; by default
    every name is one. `http` answers what the plugin sends outside: an `HttpResponse`, a status, or a JSON value
    for each `HttpRequest`; "real" lets it go out. `users` are their preferences, by user; `shared` are services that
    other plugins give. The ledger of a trial is empty. `clock` is time for quarantine and storage, moved by hand;
    deadlines are the event loop's.

    Raises `ConfigError` and `ManifestError` as the gateway would tell them, and `PluginBroke` where `on_load` or
    `health` fails.
    """

    plugin: Plugin[Any]

    def __init__(
        self,
        plugin: Subject,
        *,
        name: str | None = None,
        config: Mapping[str, Any] | None = None,
        services: Services | None = None,
        approve: Collection[str] | None = None,
        answer: Script | None = None,
        upstream: Api = "openai",
        upstreams: Collection[str] = ("scripted",),
        models: Collection[str] | None = None,
        clock: HandClock | None = None,
        meddling: Meddling | None = None,
        http: Outside | None = None,
        users: Mapping[str, Mapping[str, Any]] | None = None,
        shared: Mapping[str, object] | None = None,
    ) -> None:
        self._http, self._users, self._shared = http, users, shared or {}
        self._subject, self._name, self._config = plugin, name, dict(config or {})
        self._services, self._approve = services, approve
        self.answer, self._upstream, self._upstreams, self._models = answer, upstream, tuple(upstreams), models
        self.clock = clock or HandClock()
        self._meddling = meddling or Meddling()
        self._notebook = Notebook()
        self._breakers = {name: Breaker(self.clock.monotonic) for name in self._upstreams}
        self._numbers = count(1)
        self._underway: list[Underway] = []
        self.degraded: str | None = None
        self.hooks: tuple[BoundHook, ...] = ()

    async def __aenter__(self) -> Self:
        self._prepared = prepare(self._subject, self._name, self.clock)
        try:
            await self._start(self._prepared)
        except BaseException:
            await self._prepared.aclose()
            raise
        return self

    async def _start(self, prepared: Prepared) -> None:
        manifest = prepared.blueprint.manifest
        approved = frozenset(manifest.permissions if self._approve is None else self._approve)
        self.kv = MemoryStore(self.clock)
        self.guard = PluginGuard(manifest.id, self.clock)
        self._granting = self._make_granting()
        asker = Asker(
            plugin=manifest.id,
            name=manifest.name,
            approved=approved,
            http_hosts=manifest.http.hosts,
            agent=prepared.blueprint.agent,
            provides=declared_names(manifest.provides),
        )
        grant = await self._granting.open(asker)
        try:
            grant.shared.join(among(grant.shared, self._shared))
            services = grant.services if self._services is None else self._services
            self._life = Life(prepared.blueprint, self._read_settings(manifest.id), services, self.guard)
            self.plugin = self._life.plugin
            self._meddling.plugin(self.plugin)
            self.degraded = await self._life.start()
        except BaseException:
            await self._granting.aclose()
            raise
        grant.open()
        altered = (self._meddling.hook(hook) for hook in self._life.hooks)
        self.hooks = tuple(hook for hook in altered if hook is not None)

    def _make_granting(self) -> Granting:
        kv, stats = self._meddling.storage(self.kv), {self.guard.plugin: self.guard.stats}
        return Granting(self.clock, kv, stats.get, http=self._http, users=self._users)

    def _read_settings(self, plugin_id: str) -> PluginConfig:
        try:
            return PluginConfig.model_validate(self._config)
        except ValidationError as error:
            first = error.errors()[0]
            field = ".".join(("plugins", "config", plugin_id, *(str(part) for part in first["loc"])))
            raise ConfigError(first["msg"], field=field, plugin=plugin_id) from error

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            await self._life.stop()
            await self._granting.aclose()
        finally:
            await self._prepared.aclose()

    @property
    def id(self) -> str:
        return self.guard.plugin

    @property
    def manifest(self) -> Manifest:
        return self._prepared.blueprint.manifest

    @property
    def state(self) -> Literal["active", "degraded", "quarantined"]:
        if self.guard.quarantined:
            return "quarantined"
        return "active" if self.degraded is None else "degraded"

    @property
    def stats(self) -> dict[str, Any]:
        """As the admin API shows them."""
        return self.guard.stats.report()

    @property
    def tools(self) -> ToolDirectory:
        """What it offers to models now."""
        return self._granting.tools

    async def call_tool(self, name: str, arguments: Mapping[str, Any] | None = None, **caller: Any) -> ToolReply:
        """As a model calls it, by short or full name. `caller` are fields of `Caller`, such as `user`."""
        return await self._granting.call_tool(name, arguments or {}, msgspec.structs.replace(TESTER, **caller))

    async def announce(self, type: str, data: Mapping[str, Any]) -> None:  # noqa: A002 - the guide's word
        """Tells it of an event, and waits until it has dealt with it."""
        await self._granting.announce(type, data)

    async def run_tasks(self, after_s: float) -> None:
        """Moves the clock, and runs the scheduled tasks that are due then, to their end."""
        self.clock.advance(after_s)
        await self._granting.run_tasks()

    @property
    def sent_outside(self) -> list[HttpRequest]:
        """Its HTTP requests so far."""
        return self._granting.sent

    @property
    def in_flight(self) -> int:
        """Exchanges that have begun and are not settled."""
        return sum(not one.done for one in self._underway)

    async def request(self, given: Given = "hello", **how: Any) -> Trial:
        """One exchange, to its end. `given` is what the user says, a body, or a canonical request; for the rest see
        `begin`."""
        return await self.begin(given, **how).trial()

    def begin(
        self,
        given: Given = "hello",
        *,
        api: Api = "openai",
        path: str | None = None,
        stream: bool | None = None,
        model: str | None = None,
        headers: Mapping[str, str] | None = None,
        key: str | None = KEY,
        identity: Identity | None = None,
        answer: Script | None = None,
        leave_after: int | None = None,
    ) -> Underway:
        """An exchange that goes on by itself. `path` is the gateway's, by default that of a chat in `api`. `identity`
        is who calls, given by a hook after those of the plugin; else it is the caller of `key`, which is sent unless
        `headers` hold one. A client that leaves does so after `leave_after` pieces of a stream."""
        asked = Asked.read(given, api=api, path=path, stream=stream, model=model)
        seen: list[Seen] = []
        sent: list[Sent] = []
        pipeline = self._pipeline()
        state = self._state(asked, asked.headers(headers or {}, key), identity, answer, seen, sent)
        underway = Underway(state, pipeline, self._notebook, seen, sent, lambda: self.stats, leave_after)
        self._underway = [*(one for one in self._underway if not one.done), underway]
        underway.begin()
        return underway

    def _state(
        self,
        asked: Asked,
        headers: tuple[tuple[bytes, bytes], ...],
        identity: Identity | None,
        answer: Script | None,
        seen: list[Seen],
        sent: list[Sent],
    ) -> State:
        hooks = [watch(hook, seen) for hook in self.hooks]
        if identity is not None:
            hooks.append(caller_hook(identity, self.clock))
        snapshot = Snapshot(
            generation=1,
            plugins={},
            table=HookTable(hooks),
            routes=self._routes(asked, self.answer if answer is None else answer, sent),
        )
        inbound = InboundRequest("POST", asked.path, headers, asked.body, b"", "127.0.0.1")
        return State(f"req_{next(self._numbers)}", ROUTES[asked.path], inbound, snapshot, perf_counter_ns())

    def _routes(self, asked: Asked, script: Script | None, sent: list[Sent]) -> Routes:
        operation = ROUTES[asked.path].format.operation
        return route_to(self._upstream, self.plugin, self._breakers, self._models, operation, script, sent)

    def _pipeline(self) -> Pipeline:
        settler = Settler(cast(Recorder, self._notebook), known_prices(), NoMeter(), "trial", together=1)
        return Pipeline(cast(Directory, OneCaller()), settler, TIMEOUT_S)
