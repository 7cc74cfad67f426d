"""The one composition root: from settings to a gateway that serves."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import os
import socket
import sys
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from typing import Any

import structlog
import uvloop

from jackfield.clock import SystemClock
from jackfield.control.board import WorkerBoard
from jackfield.control.credentials import Credentials, FirstKeys
from jackfield.control.directory import Directory
from jackfield.control.prices import PriceTable
from jackfield.control.recorder import Recorder
from jackfield.control.secret import load_secret
from jackfield.control.usage import UsageHistory
from jackfield.dialects.base import Dialect
from jackfield.dialects.native import NativeDialect
from jackfield.dialects.rings.dialect import RingDialect
from jackfield.dialects.rings.store import OwnValues
from jackfield.dialects.rings.world import RingWorld, tell_settings
from jackfield.errors import ConfigError
from jackfield.hooks.guard import PluginStats
from jackfield.hooks.watchdog import Watchdog
from jackfield.host.builder import Builder
from jackfield.host.following import follow
from jackfield.host.host import Host
from jackfield.host.links import Links
from jackfield.host.sealed import SealedCode
from jackfield.host.stage import Stage
from jackfield.host.survey import Surveyor
from jackfield.pipeline.meter import ExchangeMeter
from jackfield.pipeline.probe import Prober
from jackfield.pipeline.run import Pipeline
from jackfield.pipeline.settle import Settler
from jackfield.pipeline.spans import SpanObserver
from jackfield.server.asgi import Asgi
from jackfield.server.gateway import GatewayServer
from jackfield.server.in_flight import InFlight
from jackfield.server.inference import Inference
from jackfield.server.listening import allow_many_connections, listen, url_of
from jackfield.server.operations import Operations
from jackfield.server.process import EmbeddedServer, HttpServer, Orders
from jackfield.server.readiness import Readiness
from jackfield.server.supervisor import Place, Supervisor
from jackfield.services.base import Silence
from jackfield.services.grants import Grant, Offer, ServiceFactory
from jackfield.services.kv import STORAGE, PluginStorage
from jackfield.services.tool_gate import ToolGate
from jackfield.services.tools import EXECUTE, REGISTER, PluginTools
from jackfield.settings import PluginSettings, Settings
from jackfield.sources.base import Source
from jackfield.sources.builtin import BuiltinSource
from jackfield.sources.entry_points import EntryPointSource
from jackfield.sources.folder import FolderSource
from jackfield.stores.audit import AuditLog
from jackfield.stores.database import Database
from jackfield.stores.generations import Generations
from jackfield.stores.kv import KeyValueStore
from jackfield.stores.traces import Traces
from jackfield.stores.workers import Workers
from jackfield.telemetry.logs import configure_logs, information_held_back
from jackfield.telemetry.masking import mask
from jackfield.telemetry.metrics import Metrics
from jackfield.telemetry.spans import open_span_sink

# Whoever embeds a gateway waits for its end.
EMBEDDED_DRAIN_S = 5.0


STRAYS_S = 1.0

log = structlog.get_logger("jackfield")


class Gateway:
    """Everything one worker is made of. As an async context manager it opens all, and closes all in reverse.

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
        self.links = Links(settings.upstreams, self.clock)
        self.prices = PriceTable.load(*settings.usage.prices)
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Gateway:
        async with AsyncExitStack() as stack:
            await self._open(stack)
            self._stack = stack.pop_all()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self._stack.aclose()

    async def _open(self, stack: AsyncExitStack) -> None:
        settings = self.settings
        data_dir = settings.store.data_dir
        self.database = await Database.open(settings.store.url.reveal(), data_dir)
        stack.push_async_callback(self.database.dispose)
        secret = load_secret(data_dir, self._environ)
        self.credentials = Credentials(self.database, secret, self.clock)
        self.directory = await stack.enter_async_context(Directory(self.database, secret, self.clock))
        self.usage = UsageHistory(self.database, self.clock, retention_days=settings.usage.retention_days)
        await stack.enter_async_context(self.usage)
        shared = settings.server.workers > 1
        self.recorder = await stack.enter_async_context(Recorder(self.database, shared=shared))
        workers = Workers(self.database)
        self.board = WorkerBoard(
            workers,
            self._run,
            self._number,
            self.metrics,
            self.clock,
            shared=shared,
            generation=lambda: self.host.snapshot.generation,
        )
        await self.board.inherit()
        stack.push_async_callback(self.board.withdraw)
        stack.push_async_callback(self.links.aclose)
        kv = KeyValueStore(self.database, self.clock)
        _own(stack, kv.keep_swept(), "kv-sweep")
        self.host = self._assemble_host(stack, kv)
        await self.host.start(joins=self._joins)
        if shared:
            _own(stack, follow(self.host), "plugin-follower")
        if self._dev:
            # Imported here: nobody but authors needs it.
            from jackfield.host.watch import watch

            _own(stack, watch(self.host, settings.plugins.dirs), "plugin-watcher")
        _own(stack, self.board.run(), "worker-board")
        _own(stack, self.in_flight.run(), "in-flight")
        self.asgi = self._assemble(stack)

    def _assemble_host(self, stack: AsyncExitStack, kv: KeyValueStore) -> Host:
        settings, plugins, clock = self.settings, self.settings.plugins, self.clock
        world = RingWorld(
            OwnValues(kv),
            settings=tell_settings(settings),
            links=lambda: self.host.links,
            prices=self.prices,
            clock=clock,
        )
        stack.push_async_callback(world.aclose)
        dialects = make_dialects(world)
        surveyor = Surveyor(find_sources(plugins, dialects), dialects, SealedCode(settings.store.data_dir / "code"))
        grants = ServiceFactory(self._offers(kv), clock)
        builder = Builder(dialects, plugins, grants.build, Prober(clock), clock)
        generations = Generations(self.database)
        stage = Stage(builder, generations, self.links.routes, clock, settings.server.request_timeout_s)
        host = Host(surveyor, stage, generations, plugins.config)
        stack.push_async_callback(host.stop)
        return host

    def _offers(self, kv: KeyValueStore) -> dict[str, Offer]:
        """What there is to be granted."""
        gate = ToolGate(Silence(), lambda caller, tool: True, self._stats_of)

        def tools(grant: Grant) -> PluginTools:
            return PluginTools(grant.allowance, grant.tools, gate, lambda: self.host.snapshot.tools)

        return {
            "kv": Offer(STORAGE, lambda grant: PluginStorage(grant.allowance, kv)),
            "tools": Offer(frozenset({REGISTER, EXECUTE}), tools),
        }

    def _stats_of(self, plugin: str) -> PluginStats | None:
        found = self.host.snapshot.plugins.get(plugin)
        return found.guard.stats if found is not None else None

    def _assemble(self, stack: AsyncExitStack) -> GatewayServer:
        settings = self.settings
        sink = open_span_sink(settings.telemetry)
        stack.push_async_callback(asyncio.to_thread, sink.close)
        settler = Settler(
            self.recorder,
            self.prices,
            ExchangeMeter(self.metrics),
            self.board.name,
            (SpanObserver(sink),) if sink.enabled else (),
        )
        pipeline = Pipeline(self.directory, settler, settings.server.request_timeout_s)
        self._add_gauges()
        inference = Inference(pipeline, self.host, self.in_flight, settings.server.max_body_bytes)
        readiness = Readiness(self.host, self.recorder, self.directory)
        operations = Operations(readiness.reasons, readiness.notes, self.board.snapshots)
        return GatewayServer(inference, operations, self._make_admin)

    def _add_gauges(self) -> None:
        gauge = self.metrics.gauge
        gauge("jackfield_in_flight", "Exchanges under way").read_with(lambda: len(self.in_flight))
        gauge("jackfield_records_waiting", "Usage records not durable yet").read_with(lambda: self.recorder.depth)
        gauge("jackfield_records_lost", "Usage records dropped").read_with(lambda: self.recorder.lost)
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
            flush=self.recorder.flush,
            flush_traces=self.recorder.flush_traces,
            generations=self.board.generations,
        )
        return AdminApi(services, self.settings.server.max_body_bytes)


def name_run() -> str:
    """What tells the workers of this gateway from those of another, and of an earlier one."""
    return f"{socket.gethostname()}-{os.getpid()}"


def make_dialects(rings: RingWorld | None = None) -> dict[str, Dialect]:
    """All dialects by name. `rings` is what ring plugins share; without one they share it only among themselves."""
    return {dialect.name: dialect for dialect in (NativeDialect(), RingDialect(rings))}


def find_sources(plugins: PluginSettings, dialects: Mapping[str, Dialect]) -> tuple[Source, ...]:
    """Where plugins come from; of two with one id the earlier source's wins."""
    finders = tuple(dialect.find for dialect in dialects.values())
    folders = tuple(FolderSource(folder, finders) for folder in plugins.dirs)
    return (*folders, *((EntryPointSource(),) if plugins.entry_points else ()), BuiltinSource())


def _own(stack: AsyncExitStack, work: Coroutine[Any, Any, None], name: str) -> None:
    """Starts a task that ends with the stack."""
    task = asyncio.create_task(work, name=name)

    async def end() -> None:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task

    stack.push_async_callback(end)


async def prepare(settings: Settings, environ: Mapping[str, str]) -> FirstKeys:
    """What is done once, before any worker starts: the store's schema, and the first keys."""
    data_dir = settings.store.data_dir
    database = await Database.open(settings.store.url.reveal(), data_dir)
    try:
        credentials = Credentials.of(database, data_dir, environ, SystemClock())
        return await credentials.first_keys(environ.get("JACKFIELD_ADMIN_KEY"), environ.get("JACKFIELD_API_KEY"))
    finally:
        await database.dispose()


def serve(settings: Settings, *, dev: bool = False, environ: Mapping[str, str] | None = None) -> int:
    """Runs the gateway until SIGINT or SIGTERM; the exit code. Raises `ConfigError` and the like where it cannot."""
    environ = dict(os.environ if environ is None else environ)
    if dev and settings.server.workers > 1:
        raise ConfigError("--dev is for one worker", field="server.workers")
    configure_logs(settings.logs)
    _mask_secrets(settings, environ)
    server = settings.server
    allow_many_connections()
    sockets = listen(server.host, server.port, server.workers)
    url = url_of(sockets[0])
    _show_keys(asyncio.run(prepare(settings, environ)))

    def announce() -> None:
        print(f"Jackfield listens on {url}", file=sys.stderr, flush=True)

    if server.workers == 1:
        _run_worker(Gateway(settings, environ, dev=dev), sockets[0], announce)
    else:
        Supervisor(sockets, partial(_fill_place, settings, environ, name_run()), server.drain_s).run(announce)
    return 0


def _fill_place(settings: Settings, environ: Mapping[str, str], run: str, place: Place) -> None:
    """One of several workers. It ends also when its supervisor is gone."""
    gateway = Gateway(settings, environ, run=run, number=place.number, joins=place.joins)
    _run_worker(gateway, place.listening, place.report_up, place.lifeline)


def _run_worker(
    gateway: Gateway, listening: socket.socket, came_up: Callable[[], None], lifeline: int | None = None
) -> None:
    work = _serve_until_told(gateway, listening, came_up, lifeline)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner, contextlib.suppress(asyncio.CancelledError):
        runner.run(work)


async def _serve_until_told(
    gateway: Gateway, listening: socket.socket, came_up: Callable[[], None], lifeline: int | None
) -> None:
    orders = Orders()
    if lifeline is not None:
        orders.stop_with(lifeline)
    with orders.obeyed(), Watchdog():
        with information_held_back():
            await gateway.__aenter__()
        try:
            _tune_collector()
            came_up()
            await orders.serve(HttpServer(gateway.asgi, gateway.settings.server.drain_s), listening)
        finally:
            await gateway.__aexit__()
            await _end_strays()


async def _end_strays() -> None:
    """Ends what plugins have left running. One that does not let itself be ended cannot keep the process: all of the
    gateway's own is closed by now."""
    strays = asyncio.all_tasks() - {asyncio.current_task()}
    for stray in strays:
        stray.cancel()
    pending = (await asyncio.wait(strays, timeout=STRAYS_S))[1] if strays else ()
    if pending:
        log.error("tasks_do_not_end", tasks=sorted(stray.get_name() for stray in pending))
        logging.shutdown()
        sys.stdout.flush()
        os._exit(0)


def _tune_collector() -> None:
    """What the start made lives as long as the process: the collector need not look at it again, and rarely at all."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)


def _mask_secrets(settings: Settings, environ: Mapping[str, str]) -> None:
    for upstream in settings.upstreams:
        if upstream.api_key is not None:
            mask(upstream.api_key)
    for name in ("JACKFIELD_ADMIN_KEY", "JACKFIELD_API_KEY", "JACKFIELD_SECRET"):
        if environ.get(name):
            mask(environ[name])


def _show_keys(keys: FirstKeys) -> None:
    """Once, on standard output: they are stored nowhere."""
    for role, key in (("admin", keys.admin), ("inference", keys.inference)):
        if key is not None:
            print(f"First {role} key, shown only now: {key}", flush=True)


class Running(Gateway):
    """A gateway that serves on a socket of this process; what `running` gives. `app` is its ASGI application."""

    url: str
    port: int
    admin_key: str
    api_key: str

    async def __aenter__(self) -> Running:
        await super().__aenter__()
        return self

    @property
    def app(self) -> GatewayServer:
        return self.asgi


@asynccontextmanager
async def running(settings: Settings, *, environ: Mapping[str, str]) -> AsyncIterator[Running]:
    """A whole gateway inside the caller's event loop, for tests and embedding. Keys come from `environ` or are made."""
    keys = await prepare(settings, environ)
    (listening,) = listen(settings.server.host, settings.server.port)
    async with Running(settings, environ) as gateway:
        gateway.port = listening.getsockname()[1]
        gateway.url = url_of(listening)
        gateway.admin_key = keys.admin or environ.get("JACKFIELD_ADMIN_KEY", "")
        gateway.api_key = keys.inference or environ.get("JACKFIELD_API_KEY", "")
        server = EmbeddedServer(gateway.asgi, min(settings.server.drain_s, EMBEDDED_DRAIN_S))
        serving = asyncio.create_task(server.serve(sockets=[listening]), name="gateway-server")
        try:
            await server.is_up.wait()
            yield gateway
        finally:
            server.should_exit = True
            await serving
