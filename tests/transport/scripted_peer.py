"""A server that says byte for byte what a script tells it to."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from types import TracebackType

WITHIN_S = 5.0

Script = Callable[["Peer"], Awaitable[None]]


class Peer:
    """The upstream's end of one connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self.requests: list[bytes] = []
        self.bodies: list[bytes] = []
        self.gone = asyncio.Event()

    async def take_request(self) -> bytes:
        """The head of the next request; its body goes to `bodies`."""
        head = await self.reader.readuntil(b"\r\n\r\n")
        length = 0
        for line in head.lower().split(b"\r\n"):
            if line.startswith(b"content-length:"):
                length = int(line.partition(b":")[2])
        self.requests.append(head)
        self.bodies.append(await self.reader.readexactly(length))
        return head

    async def say(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def await_end(self) -> None:
        """Until the client closes; what it still says is thrown away."""
        try:
            while await self.reader.read(65536):
                pass
        except ConnectionError:
            pass
        self.gone.set()

    def close(self) -> None:
        self.writer.close()

    def reset(self) -> None:
        self.writer.transport.abort()


class ScriptedServer:
    """Runs the script once for each connection."""

    def __init__(
        self, script: Script, *, tls: ssl.SSLContext | None = None, host: str = "127.0.0.1", port: int = 0
    ) -> None:
        self.script = script
        self.peers: list[Peer] = []
        self.arrived = asyncio.Condition()
        self.host = host
        self.port = port
        self._tls = tls
        self._server: asyncio.Server | None = None
        self.tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> ScriptedServer:
        self._server = await asyncio.start_server(self._serve, self.host, self.port, ssl=self._tls)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server is not None
        self._server.close()
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)

    def url(self, path: str = "/", host: str = "") -> str:
        scheme = "https" if self._tls else "http"
        return f"{scheme}://{host or self.host}:{self.port}{path}"

    async def await_peer(self, number: int = 1) -> Peer:
        async with asyncio.timeout(WITHIN_S), self.arrived:
            await self.arrived.wait_for(lambda: len(self.peers) >= number)
        return self.peers[number - 1]

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)
        peer = Peer(reader, writer)
        self.peers.append(peer)
        async with self.arrived:
            self.arrived.notify_all()
        try:
            await self.script(peer)
        except (ConnectionError, asyncio.IncompleteReadError):
            peer.gone.set()
        finally:
            writer.close()


def answer(*answers: bytes) -> Script:
    """A script: one answer to each request of a connection, then silence until the client closes."""

    async def script(peer: Peer) -> None:
        for data in answers:
            await peer.take_request()
            await peer.say(data)
        await peer.await_end()

    return script


def answer_and_close(data: bytes) -> Script:
    async def script(peer: Peer) -> None:
        await peer.take_request()
        await peer.say(data)

    return script


def answer_always(data: bytes) -> Script:
    async def script(peer: Peer) -> None:
        while True:
            await peer.take_request()
            await peer.say(data)

    return script


async def keep_silent(peer: Peer) -> None:
    await peer.take_request()
    await peer.await_end()


def sized(body: bytes, *headers: bytes, status: bytes = b"200 OK") -> bytes:
    lines = [b"HTTP/1.1 " + status, *headers, b"content-length: %d" % len(body)]
    return b"\r\n".join(lines) + b"\r\n\r\n" + body
