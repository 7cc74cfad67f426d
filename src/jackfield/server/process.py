"""The HTTP server of one process."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
from collections.abc import Iterator

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from jackfield.server.asgi import Asgi
from jackfield.server.protocol import GatewayProtocol

KEEP_ALIVE_S = 75
# How long a connection may take to close; a client that reads nothing never lets it.
CLOSING_S = 10.0
# How long exchanges that were cut off may take to be settled.
SETTLING_S = 2.0
TICK_S = 1.0
# Between looks at whether all have left: at first a moment, most are gone at once.
FIRST_LOOK_S, LOOK_S = 0.001, 0.1


class HttpServer(uvicorn.Server):
    """Stops in three steps: takes no more connections, lets exchanges end within `drain_s`, cuts what is left and waits
    until it is settled. Signals are the business of whoever owns the process."""

    def __init__(self, gateway: Asgi, drain_s: float) -> None:
        super().__init__(_config(gateway))
        self._drain_s = drain_s
        self._told_to_stop = asyncio.Event()
        self._closing_since: dict[HttpToolsProtocol, float] = {}

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    def stop(self) -> None:
        self.should_exit = True
        self._told_to_stop.set()

    async def main_loop(self) -> None:
        """Wakes up for what is due, and at once when it is told to stop."""
        while not await self.on_tick(0):
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(TICK_S):
                    await self._told_to_stop.wait()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for server in self.servers:
            server.close()
        for listening in sockets or []:
            listening.close()
        for connection in list(self.server_state.connections):
            connection.shutdown()
        drained = await self._drain()
        tasks = set(self.server_state.tasks)
        if self.force_exit or not drained:
            for task in tasks:
                task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=SETTLING_S)
        for connection in tuple(self.server_state.connections):
            connection.transport.abort()

    async def _drain(self) -> bool:
        """Whether everybody has left, of their own accord, within the time for that."""
        clock = asyncio.get_running_loop().time
        until, pause = clock() + self._drain_s, FIRST_LOOK_S
        await asyncio.sleep(pause)
        while (self.server_state.connections or self.server_state.tasks) and not self.force_exit:
            if clock() >= until:
                return False
            pause = min(2 * pause, LOOK_S)
            await asyncio.sleep(pause)
        return True

    async def on_tick(self, counter: int) -> bool:
        self.abort_lingering(asyncio.get_running_loop().time())
        return await super().on_tick(counter)

    def abort_lingering(self, now: float) -> None:
        """Ends connections that were told to close and wait for a client that takes nothing, and those whose client has
        not finished the head of a request in all the time that an idle connection may stay."""
        closing: dict[HttpToolsProtocol, float] = {}
        for connection in self.server_state.connections:
            assert isinstance(connection, GatewayProtocol)
            if connection.head_since is not None and now - connection.head_since > KEEP_ALIVE_S:
                connection.transport.close()
            if not connection.transport.is_closing():
                continue
            closing[connection] = self._closing_since.get(connection, now)
            if now - closing[connection] > CLOSING_S:
                connection.transport.abort()
        self._closing_since = closing


def _config(gateway: Asgi) -> uvicorn.Config:
    return uvicorn.Config(
        gateway,
        # It would be taken for ASGI 2, as what it hands a request to is no coroutine function.
        interface="asgi3",
        http=GatewayProtocol,
        ws="none",
        lifespan="off",
        access_log=False,
        log_config=None,
        server_header=False,
        date_header=False,
        proxy_headers=False,
        timeout_keep_alive=KEEP_ALIVE_S,
    )


class Orders:
    """What this process is told from outside, at whatever stage of its life it is: SIGTERM and SIGINT stop it, a second
    SIGINT ends it at once. Made in the task that runs the process, which is what they may cancel."""

    def __init__(self) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._task = task
        self._server: HttpServer | None = None
        self._closing = False

    @contextlib.contextmanager
    def obeyed(self) -> Iterator[None]:
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, self.stop)
        loop.add_signal_handler(signal.SIGINT, self.interrupt)
        try:
            yield
        finally:
            loop.remove_signal_handler(signal.SIGTERM)
            loop.remove_signal_handler(signal.SIGINT)

    async def serve(self, server: HttpServer, listening: socket.socket) -> None:
        self._server = server
        try:
            await server.serve(sockets=[listening])
        finally:
            self._server, self._closing = None, True

    def stop(self) -> None:
        """Closing is short and bounded: it is left alone."""
        if self._server is not None:
            self._server.stop()
        elif not self._closing:
            self._task.cancel()

    def interrupt(self) -> None:
        if self._server is None:
            self._task.cancel()
        elif self._server.should_exit:
            self._server.force_exit = True
        else:
            self._server.stop()

    def stop_with(self, lifeline: int) -> None:
        """Stops when nobody holds the other end of this pipe any more."""
        loop = asyncio.get_running_loop()

        def stop() -> None:
            loop.remove_reader(lifeline)
            self.stop()

        loop.add_reader(lifeline, stop)


class EmbeddedServer(HttpServer):
    """`is_up` once it serves."""

    def __init__(self, gateway: Asgi, drain_s: float) -> None:
        super().__init__(gateway, drain_s)
        self.is_up = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.is_up.set()
