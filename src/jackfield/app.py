"""The one composition root: from settings to a gateway that serves."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Coroutine, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any

import structlog
import uvicorn
import uvicorn.supervisors

from jackfield.clock import SystemClock
from jackfield.control.board import WorkerBoard
from jackfield.control.credentials import Credentials, FirstKeys
from jackfield.control.directory import Directory
from jackfield.control.prices import PriceTable
from jackfield.control.recorder import Recorder
from jackfield.control.secret import load_secret
from jackfield.control.usage import UsageHistory
from jackfield.dialects.native import NativeDialect
from jackfield.errors import ConfigError, JackfieldError
from jackfield.hooks.watchdog import Watchdog
from jackfield.host.host import Host
from jackfield.host.links import Links
from jackfield.pipeline.meter import ExchangeMeter
from jackfield.pipeline.run import Pipeline
from jackfield.pipeline.settle import Settler
from jackfield.pipeline.spans import SpanObserver
from jackfield.server.asgi import Receive, Scope, Send
from jackfield.server.gateway import GatewayServer
from jackfield.server.in_flight import InFlight
from jackfield.server.inference import Inference
from jackfield.server.operations import Operations
from jackfield.settings import Settings
from jackfield.sources.base import Source
from jackfield.sources.builtin import BuiltinSource
from jackfield.sources.entry_points import EntryPointSource
from jackfield.sources.folder import FolderSource
from jackfield.stores.database import Database
from jackfield.stores.traces import Traces
from jackfield.stores.workers import Workers
from jackfield.telemetry.logs import configure_logs
from jackfield.telemetry.masking import mask
from jackfield.telemetry.metrics import Metrics
from jackfield.telemetry.spans import open_span_sink

if TYPE_CHECKING:
    from fastapi import FastAPI

log = structlog.get_logger("jackfield")


class Gateway:
    """Everything one worker is made of. As an async context manager it opens all, and closes all in reverse."""

    def __init__(self, settings: Settings, environ: Mapping[str, str]) -> None:
        self.settings, self._environ = settings, environ
        self.worker = f"{socket.gethostname()}-{os.getpid()}"
        self.clock = SystemClock()
        self.metrics = Metrics()
        self.in_flight = InFlight()
        self.links = Links(settings.upstreams, self.clock)
        self.host = _make_host(settings, self.links, self.clock)
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
        self.recorder = await stack.enter_async_context(Recorder(self.database))
        shared = settings.server.workers > 1
        self.board = WorkerBoard(Workers(self.database), self.worker, self.metrics, self.clock, shared=shared)
        stack.push_async_callback(self.board.withdraw)
        stack.push_async_callback(self.links.aclose)
        await self.host.start()
        stack.push_async_callback(self.host.stop)
        _own(stack, self.board.run(), "worker-board")
        _own(stack, self.in_flight.run(), "in-flight")
        self.asgi = self._assemble(stack)

    def _assemble(self, stack: AsyncExitStack) -> GatewayServer:
        settings = self.settings
        sink = open_span_sink(settings.telemetry)
        stack.push_async_callback(asyncio.to_thread, sink.close)
        settler = Settler(
            self.recorder,
            PriceTable.load(*settings.usage.prices),
            ExchangeMeter(self.metrics),
            self.worker,
            (SpanObserver(sink),) if sink.enabled else (),
        )
        pipeline = Pipeline(self.directory, settler, settings.server.request_timeout_s)
        self._add_gauges()
        inference = Inference(pipeline, self.host, self.in_flight, settings.server.max_body_bytes)
        operations = Operations(self.reasons, self.notes, self.board.snapshots)
        return GatewayServer(inference, operations, self._make_admin)

    def _add_gauges(self) -> None:
        gauge = self.metrics.gauge
        gauge("jackfield_in_flight", "Exchanges under way").read_with(lambda: len(self.in_flight))
        gauge("jackfield_records_waiting", "Usage records not durable yet").read_with(lambda: self.recorder.depth)
        gauge("jackfield_records_lost", "Usage records dropped").read_with(lambda: self.recorder.lost)
        gauge("jackfield_upstream_connections", "Open connections to upstreams").read_with(
            lambda: sum(stats.open for stats in self.links.stats())
        )

    def _make_admin(self) -> FastAPI:
        from jackfield.server.admin import AdminServices, build_admin

        return build_admin(
            AdminServices(
                directory=self.directory,
                credentials=self.credentials,
                usage=self.usage,
                traces=Traces(self.database),
                host=self.host,
                flush=self.recorder.flush,
            )
        )

    def reasons(self) -> list[str]:
        """Why this worker could not serve now."""
        links = self.host.snapshot.routes.links.values()
        if not links:
            return ["no upstream has a provider that runs"]
        if all(link.breaker.state == "open" for link in links):
            return ["every upstream is paused after repeated failures"]
        return []

    def notes(self) -> list[str]:
        """What is not as it should be, while the gateway still serves."""
        notes = [
            f"upstream {link.name} is paused after repeated failures"
            for link in self.host.snapshot.routes.links.values()
            if link.breaker.state != "closed"
        ]
        plugins = self.host.snapshot.plugins.values()
        notes += [
            f"plugin {plugin.id} is {plugin.state}" for plugin in plugins if plugin.state in ("failed", "degraded")
        ]
        if self.recorder.failures:
            notes.append(f"the store is failing: {self.recorder.depth} usage records wait")
        if self.directory.stale_since is not None:
            notes.append("the store is failing: keys are as they were last read")
        return notes


def _make_host(settings: Settings, links: Links, clock: SystemClock) -> Host:
    plugins = settings.plugins
    sources: list[Source] = [FolderSource(folder) for folder in plugins.dirs]
    if plugins.entry_points:
        sources.append(EntryPointSource())
    sources.append(BuiltinSource())
    return Host(sources, (NativeDialect(),), plugins.config, links.routes, clock)


def _own(stack: AsyncExitStack, work: Coroutine[Any, Any, None], name: str) -> None:
    """Starts a task that ends with the stack."""
    task = asyncio.create_task(work, name=name)

    async def end() -> None:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task

    stack.push_async_callback(end)


class LifespanApp:
    """The ASGI application that a server runs: opens the gateway when it starts and closes it when it stops.

    It can be sent to a worker process as long as it has not been started.
    """

    def __init__(self, settings: Settings, environ: Mapping[str, str]) -> None:
        self._settings, self._environ = settings, dict(environ)
        self._gateway: Gateway | None = None
        self._serve: GatewayServer | None = None
        self.failure: JackfieldError | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            assert self._serve is not None
            await self._serve(scope, receive, send)
        elif scope["type"] == "lifespan":
            await self._live(receive, send)
        else:
            await send({"type": "websocket.close", "code": 1008})

    async def _live(self, receive: Receive, send: Send) -> None:
        await receive()
        configure_logs(self._settings.logs)
        watchdog = Watchdog()
        try:
            self._gateway = await Gateway(self._settings, self._environ).__aenter__()
        except JackfieldError as error:
            self.failure = error
            await send({"type": "lifespan.startup.failed", "message": error.message})
            return
        self._serve = self._gateway.asgi
        watchdog.start()
        _tune_collector()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        watchdog.stop()
        await self._gateway.__aexit__()
        await send({"type": "lifespan.shutdown.complete"})


def _tune_collector() -> None:
    """What the start made lives as long as the process: the collector need not look at it again, and rarely at all."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)


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
    """Runs the gateway until SIGINT or SIGTERM; the exit code. Raises `ConfigError` and the like before it listens."""
    environ = os.environ if environ is None else environ
    if dev:
        raise ConfigError("--dev: folders are not watched in this version; restart to reload plugins")
    configure_logs(settings.logs)
    _mask_secrets(settings, environ)
    listening = _listen(settings)
    _show_keys(asyncio.run(prepare(settings, environ)))
    app = LifespanApp(settings, environ)
    config = uvicorn.Config(
        app,
        loop="uvloop",
        http="httptools",
        ws="none",
        lifespan="on",
        workers=settings.server.workers,
        access_log=False,
        log_config=None,
        server_header=False,
        date_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=max(1, round(settings.server.drain_s)),
        timeout_keep_alive=75,
    )
    print(f"Jackfield listens on {_url(listening)}", file=sys.stderr, flush=True)
    if settings.server.workers > 1:
        uvicorn.supervisors.Multiprocess(config, sockets=[listening]).run()
        return 0
    server = ForegroundServer(config)
    server.run(sockets=[listening])
    if app.failure is not None:
        raise app.failure
    return 0


def _listen(settings: Settings) -> socket.socket:
    """Raises `ConfigError` where the address cannot be listened on."""
    host, port = settings.server.host, settings.server.port
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
    except OSError as error:
        listening.close()
        raise ConfigError(f"cannot listen on {host}:{port}: {error.strerror}", field="server.port") from error
    listening.listen(2048)
    listening.set_inheritable(True)
    return listening


def _url(listening: socket.socket) -> str:
    host, port = listening.getsockname()[:2]
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"


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
    listening = _listen(settings)
    async with Running(settings, environ) as gateway:
        gateway.port = listening.getsockname()[1]
        gateway.url = _url(listening)
        gateway.admin_key = keys.admin or environ.get("JACKFIELD_ADMIN_KEY", "")
        gateway.api_key = keys.inference or environ.get("JACKFIELD_API_KEY", "")
        config = uvicorn.Config(
            gateway.asgi,
            http="httptools",
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            timeout_graceful_shutdown=5,
            server_header=False,
            date_header=False,
        )
        server = EmbeddedServer(config)
        serving = asyncio.create_task(server.serve(sockets=[listening]), name="gateway-server")
        try:
            await server.is_up.wait()
            yield gateway
        finally:
            server.should_exit = True
            await serving


class ForegroundServer(uvicorn.Server):
    """Ends with the exit code 0 when it was asked to stop: a signal that was obeyed is not raised once more."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        before = {number: signal.signal(number, self.handle_exit) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


class EmbeddedServer(uvicorn.Server):
    """Tells when it is up, and leaves the process's signals to whoever owns the process."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.is_up = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.is_up.set()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield
