"""Running gateways: as a process or several, or inside somebody else's event loop."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import os
import socket
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from functools import partial

import structlog
import uvloop

from jackfield.app.gateway import Gateway, name_run
from jackfield.clock import SystemClock
from jackfield.control.credentials import Credentials, FirstKeys
from jackfield.errors import ConfigError
from jackfield.hooks.watchdog import Watchdog
from jackfield.server.asgi import Asgi
from jackfield.server.listening import allow_many_connections, listen, url_of
from jackfield.server.process import EmbeddedServer, HttpServer, Orders
from jackfield.server.supervisor import Place, Supervisor
from jackfield.settings import Settings
from jackfield.stores.database import Database
from jackfield.telemetry.logs import configure_logs, information_held_back
from jackfield.telemetry.masking import mask

# Whoever embeds a gateway waits for its end.
EMBEDDED_DRAIN_S = 5.0


STRAYS_S = 1.0

log = structlog.get_logger("jackfield")


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
    configure_logs(settings.logs, development=dev)
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
    for secret in settings.secrets.values():
        if secret.value is not None:
            mask(secret.value)
    for name in ("JACKFIELD_ADMIN_KEY", "JACKFIELD_API_KEY", "JACKFIELD_SECRET", "JACKFIELD_ACCOUNTS_KEY"):
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
    def app(self) -> Asgi:
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
            server.stop()
            await serving
