"""Everything one worker is made of."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Mapping
from contextlib import AsyncExitStack

from jackfield import __version__
from jackfield.agents.agents import Agents
from jackfield.agents.chats import ToolChats
from jackfield.agents.loop import ToolLoop
from jackfield.app.accounts import OpenAccounts
from jackfield.app.installing import open_shelf
from jackfield.app.isolation import Grounds, make_readers
from jackfield.app.late_part import LatePart
from jackfield.app.lifetime import own
from jackfield.app.offers import Shared, World, make_offers
from jackfield.app.plugins import factory_of, find_sources, make_dialects
from jackfield.clock import SystemClock
from jackfield.control import access, people
from jackfield.control.board import WorkerBoard
from jackfield.control.credentials import Credentials
from jackfield.control.directory import Directory
from jackfield.control.objects import ControlObjects
from jackfield.control.prices import PriceTable
from jackfield.control.recorder import Recorder
from jackfield.control.responses import KeptResponses
from jackfield.control.secret import load_secret
from jackfield.control.usage import UsageHistory
from jackfield.dialects.rings.store import OwnValues
from jackfield.dialects.rings.world import RingWorld, tell_settings
from jackfield.host.builder import Builder
from jackfield.host.following import follow
from jackfield.host.host import Host
from jackfield.host.installer import Installer
from jackfield.host.links import Links
from jackfield.host.revocations import Revocations
from jackfield.host.sealed import SealedCode
from jackfield.host.stage import Stage
from jackfield.host.survey import Surveyor
from jackfield.mcp.door import Door
from jackfield.mcp.records import CallRecords
from jackfield.mcp.servers import McpServers
from jackfield.pipeline.embedding import GatewayEmbedder
from jackfield.pipeline.meter import ExchangeMeter
from jackfield.pipeline.probe import Prober
from jackfield.pipeline.run import Pipeline
from jackfield.pipeline.settle import Settler
from jackfield.pipeline.spans import SpanObserver
from jackfield.pipeline.told import Told
from jackfield.server.agents import AgentServer
from jackfield.server.asgi import Asgi
from jackfield.server.gateway import GatewayServer
from jackfield.server.in_flight import InFlight
from jackfield.server.inference import Inference
from jackfield.server.mcp import McpEndpoint
from jackfield.server.operations import Operations
from jackfield.server.plugin_paths import PluginPaths
from jackfield.server.readiness import Readiness
from jackfield.server.responses import ResponseDesk
from jackfield.server.sign_in import SignInPaths
from jackfield.services.embedding import Embedder
from jackfield.services.events import EventBus
from jackfield.services.grants import ServiceFactory
from jackfield.services.http import open_egress
from jackfield.services.memory import Recollection
from jackfield.services.producers import announce_shutdown, announce_startup, announce_switch
from jackfield.services.secrets import Secrets
from jackfield.services.tool_gate import ToolGate
from jackfield.services.usage import Books
from jackfield.settings import Settings
from jackfield.settings.store_urls import is_postgres
from jackfield.stores.audit import AuditLog
from jackfield.stores.database import Database
from jackfield.stores.generations import Generations
from jackfield.stores.key_values import open_key_values
from jackfield.stores.kv_base import KeyValues
from jackfield.stores.leases import Leases
from jackfield.stores.memories import StoredMemories
from jackfield.stores.traces import Traces
from jackfield.stores.workers import Workers
from jackfield.telemetry.metrics import Metrics
from jackfield.telemetry.spans import open_span_sink

# How long plugins may take with the last events.
LAST_EVENTS_S = 2.0
SWEPT_EVERY_S = 60.0


class Gateway:
    """As an async context manager it opens all, and closes all in reverse.

    `run` names what the workers of one gateway have in common, `number` the place of this one among them. `dev` has
    it watch the plugins folders; `joins` has it take over what the others serve.
    """

    host: Host

    def __init__(
        self,
        settings: Settings,
        environ: Mapping[str, str],
        *,
        run: str | None = None,
        number: int = 0,
        dev: bool = False,
        joins: bool = False,
    ) -> None:
        self._dev, self._joins = dev, joins
        self.settings, self._environ = settings, environ
        self._run, self._number = run or name_run(), number
        self.clock = SystemClock()
        self.metrics = Metrics()
        self.in_flight = InFlight()
        self.links = Links(settings.upstreams, self.clock, lambda: self.signed_in.accounts)
        self.prices = PriceTable.load(*settings.usage.prices)
        self.world = World()
        self.bus = EventBus(self.clock, self.world.stats_of)
        self.access = access.ToolAccess()
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Gateway:
        async with AsyncExitStack() as stack:
            await self._open(stack)
            self._stack = stack.pop_all()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self._stack.aclose()

    async def _open(self, stack: AsyncExitStack) -> None:
        kv = await self._open_stores(stack)
        await self._open_records(stack)
        stack.push_async_callback(self.links.aclose)
        self.told = Told(self.bus, self.clock)
        self.pipeline = self._make_pipeline(stack)
        shared = await self._share(stack, kv)
        self.recollection = shared.recollection
        self.host = self.world.host = self._assemble_host(stack, kv, shared)
        await self.host.start(joins=self._joins)
        announce_startup(self.bus, __version__)
        stack.push_async_callback(self._take_leave)
        self._own_tasks(stack, shared)
        self.asgi = self._assemble()

    @property
    def _has_others(self) -> bool:
        """Whether others may work on the same store: workers of this gateway, or other gateways."""
        settings = self.settings
        return settings.server.workers > 1 or is_postgres(settings.store.url.reveal())

    async def _open_stores(self, stack: AsyncExitStack) -> KeyValues:
        settings, clock = self.settings, self.clock
        data_dir = settings.store.data_dir
        self.database = await Database.open(settings.store.url.reveal(), data_dir)
        stack.push_async_callback(self.database.dispose)
        redis = settings.store.redis.reveal() if settings.store.redis is not None else None
        kv = await stack.enter_async_context(open_key_values(self.database, redis, clock))
        own(stack, kv.keep_swept(), "kv-sweep")
        secret = load_secret(data_dir, self._environ)
        self.credentials = Credentials(self.database, secret, clock)
        self.people = people.People(kv, clock)
        self.kept = KeptResponses(self.database, settings.responses, clock)
        followers = (self.access, self.people, self.kept)
        directory = Directory(self.database, secret, clock, followers=followers)
        self.directory = await stack.enter_async_context(directory)
        await stack.enter_async_context(self.people)
        await stack.enter_async_context(self.kept)
        self.gate = ToolGate(self.bus, self.access.allows, self.world.stats_of, self.people.note)
        self.objects = ControlObjects(self.database, clock, {**access.BODIES, **people.BODIES})
        return kv

    async def _open_records(self, stack: AsyncExitStack) -> None:
        settings = self.settings
        self.usage = UsageHistory(self.database, self.clock, retention_days=settings.usage.retention_days)
        await stack.enter_async_context(self.usage)
        shared = self._has_others
        self.recorder = await stack.enter_async_context(Recorder(self.database, shared=shared))
        self.board = WorkerBoard(
            Workers(self.database),
            self._run,
            self._number,
            self.metrics,
            self.clock,
            shared=shared,
            generation=lambda: self.host.snapshot.generation,
        )
        await self.board.inherit()
        stack.push_async_callback(self.board.withdraw)

    def _make_pipeline(self, stack: AsyncExitStack) -> Pipeline:
        sink = open_span_sink(self.settings.telemetry)
        stack.push_async_callback(asyncio.to_thread, sink.close)
        self.meter = ExchangeMeter(self.metrics)
        observers = (SpanObserver(sink),) if sink.enabled else ()
        settler = Settler(self.recorder, self.prices, self.meter, self.board.name, observers, self.told.sent)
        self.recorder.ask_first(settler.catch_up)
        self.metrics.ask_first(settler.catch_up)
        return Pipeline(self.directory, settler, self.settings.server.request_timeout_s, self.told.received)

    async def _share(self, stack: AsyncExitStack, kv: KeyValues) -> Shared:
        egress = open_egress()
        stack.push_async_callback(egress.aclose)
        leases = Leases(self.database)
        opening = OpenAccounts(
            self.settings, self._environ, self.database, self.clock, self.world, shared=self._has_others
        )
        self.signed_in = await stack.enter_async_context(opening.open(egress, leases, self.bus.announce))
        return Shared(
            kv=kv,
            egress=egress,
            secrets=Secrets(self.settings.secrets),
            bus=self.bus,
            leases=leases,
            recollection=await self._recall(),
            people=self.people,
            gate=self.gate,
            servers=McpServers(self.settings.mcp.servers),
            world=self.world,
            accounts=self.signed_in.accounts,
            lent=self.settings.accounts.plugins,
            books=Books(self.usage, self.prices, self.recorder.flush),
            clock=self.clock,
        )

    async def _recall(self) -> Recollection:
        stored = StoredMemories(self.database)
        await stored.open()
        model = self.settings.memory.embedding_model
        embedder = None
        if model is not None:
            embed = GatewayEmbedder(self.pipeline, lambda: self.host.snapshot, model)
            embedder = Embedder(embed, self.clock)
        return Recollection(stored, self.bus, self.clock, embedder)

    def _assemble_host(self, stack: AsyncExitStack, kv: KeyValues, shared: Shared) -> Host:
        settings, plugins, clock = self.settings, self.settings.plugins, self.clock
        world = RingWorld(
            OwnValues(kv),
            settings=tell_settings(settings),
            links=lambda: self.host.links,
            prices=self.prices,
            clock=clock,
        )
        stack.push_async_callback(world.aclose)
        dialects = make_dialects(world, settings, development=self._dev)
        self.factory = factory_of(dialects)
        shelf = open_shelf(settings.install, settings.store, clock)
        sealed = SealedCode(settings.store.data_dir / "code")
        surveyor = Surveyor(find_sources(plugins, dialects), dialects, sealed, shelf.reason_to_withdraw)
        grants = ServiceFactory(make_offers(shared), clock, settings.server.workers)
        self.grounds = Grounds(settings, clock)
        readers = make_readers(settings, world, self.grounds, clock, development=self._dev)
        for reader in readers.values():
            stack.push_async_callback(reader.aclose)
        builder = Builder(dialects, plugins, grants.build, Prober(clock), clock, readers)
        generations = Generations(self.database)
        stage = Stage(
            builder,
            generations,
            self.links.routes,
            clock,
            settings.server.request_timeout_s,
            lambda former, current: announce_switch(self.bus, former, current),
        )
        host = Host(surveyor, stage, generations, plugins.config)
        self.installer = Installer(host, dialects, plugins, settings.install, shelf, self.grounds.prepare)
        stops = settings.install.stop_revoked
        self.revocations = Revocations(host, shelf, AuditLog(self.database), clock, stops=stops)
        stack.push_async_callback(host.stop)
        return host

    def _own_tasks(self, stack: AsyncExitStack, shared: Shared) -> None:
        if self._has_others:
            own(stack, follow(self.host), "plugin-follower")
        if self._dev:
            # Imported here: nobody but authors needs it.
            from jackfield.host.watch import watch

            own(stack, watch(self.host, self.settings.plugins.dirs), "plugin-watcher")
        if shared.recollection.embedder is not None:
            own(stack, shared.recollection.keep_embedded(shared.leases), "memory-embedding")
        own(stack, self.installer.shelf.run(), "catalogues")
        own(stack, self.revocations.run(), "revocations")
        own(stack, self.grounds.sweep(), "environments")
        own(stack, self._sweep_conversations(), "conversations")
        own(stack, self.board.run(), "worker-board")
        own(stack, self.in_flight.run(), "in-flight")

    async def _sweep_conversations(self) -> None:
        while True:
            await asyncio.sleep(SWEPT_EVERY_S)
            self.told.sweep()

    async def _take_leave(self) -> None:
        """Plugins hear of the end while they are there to hear it."""
        self.told.end()
        announce_shutdown(self.bus, __version__)
        await self.bus.settle(LAST_EVENTS_S)

    def _assemble(self) -> Asgi:
        limit = self.settings.server.max_body_bytes
        pipeline, host, in_flight = self.pipeline, self.host, self.in_flight
        self._add_gauges()
        loop = ToolLoop(pipeline, self.gate, self.settings.server.request_timeout_s)
        agents = AgentServer(pipeline, host, in_flight, limit, Agents(loop))
        desk = ResponseDesk(pipeline, self.kept) if self.kept.enabled else None
        inference = Inference(pipeline, host, in_flight, limit, ToolChats(loop, self.access.loops), agents, desk)
        readiness = Readiness(host, self.recorder, self.directory)
        operations = Operations(readiness.reasons, readiness.notes, self.board.snapshots)
        records = CallRecords(self.recorder, self.meter, self.board.name)
        door = Door(self.settings.server.host, self.settings.mcp.hosts, self.settings.mcp.origins)
        mcp = McpEndpoint(pipeline, host, in_flight, self.gate, records, door, limit)
        paths = PluginPaths(host, self.directory, limit)
        sign_in = SignInPaths(self.signed_in.accounts, self.signed_in.desk, self.directory)
        server = GatewayServer(host, inference, operations, LatePart(self._make_admin), mcp, paths, sign_in)
        origins = self.settings.server.cors_origins
        if not origins:
            return server
        # Imported here: nobody but who lets browsers in needs it.
        from jackfield.server.cross_origin import CrossOrigin

        return CrossOrigin(server, origins)

    def _add_gauges(self) -> None:
        gauge = self.metrics.gauge
        gauge("jackfield_in_flight", "Exchanges under way").read_with(lambda: len(self.in_flight))
        counts = self.bus.counts
        gauge("jackfield_events_delivered", "Events that plugins were told of").read_with(lambda: counts.delivered)
        gauge("jackfield_events_dropped", "Events that plugins were too slow to be told of").read_with(
            lambda: counts.dropped
        )
        gauge("jackfield_events_failed", "Events whose handler failed").read_with(lambda: counts.failed)
        gauge("jackfield_hook_events_dropped", "Events that factory plugins were too slow to be told of").read_with(
            lambda: self.factory.dropped
        )
        gauge("jackfield_plugins_revoked", "Plugins that run in a version that was revoked").read_with(
            lambda: self.revocations.running
        )
        gauge("jackfield_records_waiting", "Usage records not durable yet").read_with(lambda: self.recorder.depth)
        gauge("jackfield_records_lost", "Usage records dropped").read_with(lambda: self.recorder.lost)
        gauge("jackfield_responses_lost", "Responses that were to be kept and could not be").read_with(
            lambda: self.kept.lost
        )
        gauge("jackfield_upstream_connections", "Open connections to upstreams").read_with(
            lambda: sum(stats.open for stats in self.links.stats())
        )

    def _make_admin(self) -> Asgi:
        from jackfield.server.admin.api import AdminApi
        from jackfield.server.admin.services import AdminServices

        services = AdminServices(
            directory=self.directory,
            credentials=self.credentials,
            usage=self.usage,
            traces=Traces(self.database),
            audit=AuditLog(self.database),
            host=self.host,
            installer=self.installer,
            objects=self.objects,
            memories=self.recollection,
            flush=self.recorder.flush,
            flush_traces=self.recorder.flush_traces,
            generations=self.board.generations,
        )
        return AdminApi(services, self.settings.server.max_body_bytes)


def name_run() -> str:
    """What tells the workers of this gateway from those of another, and of an earlier one."""
    return f"{socket.gethostname()}-{os.getpid()}"
