"""The serving end of one HTTP/1.1 connection, low enough to break the protocol at will."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections import deque
from collections.abc import Awaitable, Callable
from typing import cast

import httptools

from jackfield.testing.received import Received

Serve = Callable[["Connection", Received], Awaitable[None]]
LINGER_ZERO = struct.pack("ii", 1, 0)


class Connection(asyncio.Protocol):
    """Reads requests and has them served one after the other by a task of its own.

    When the peer leaves while a request is being served, the task is cancelled and the request marked.
    """

    def __init__(self, number: int, serve: Serve, changed: Callable[[], None]) -> None:
        self.number = number
        self.closed = asyncio.get_running_loop().create_future()
        self._serve, self._changed = serve, changed
        self._parser = httptools.HttpRequestParser(self)
        self._waiting: deque[Received] = deque()
        self._serving: Received | None = None
        self._task: asyncio.Task[None] | None = None
        self._writable = asyncio.Event()
        self._writable.set()
        self._received = 0
        self._start_message()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            self.transport.write(f"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\nx-why: {error}\r\n\r\n".encode())
            self.close()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._serving is not None and not self._serving.answered:
            self._serving.closed_early = True
            self._serving.closed_at = asyncio.get_running_loop().time()
        if self._task is not None:
            self._task.cancel()
        self._writable.set()
        if not self.closed.done():
            self.closed.set_result(None)
        self._changed()

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()

    async def write(self, data: bytes) -> None:
        """Waits while the peer does not read, and lets others run in any case: what is written may never end."""
        self.transport.write(data)
        await asyncio.sleep(0)
        await self._writable.wait()

    def close(self) -> None:
        """Sends what is written, then ends the connection."""
        self._leave()
        self.transport.close()

    def reset(self) -> None:
        """Ends the connection with a TCP reset."""
        self._leave()
        self.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_ZERO)
        self.transport.abort()

    async def stop(self) -> None:
        self.transport.abort()
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await self.closed

    def _leave(self) -> None:
        if self._serving is not None:
            self._serving.answered = True

    def _start_message(self) -> None:
        self._target, self._headers, self._body = b"", list[tuple[str, str]](), list[bytes]()

    def on_url(self, url: bytes) -> None:
        self._target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers.append((name.decode("latin-1").lower(), value.decode("latin-1")))

    def on_body(self, body: bytes) -> None:
        self._body.append(body)

    def on_message_complete(self) -> None:
        self._waiting.append(
            Received(
                number=0,
                method=self._parser.get_method().decode(),
                target=self._target.decode("latin-1"),
                headers=tuple(self._headers),
                body=b"".join(self._body),
                at=asyncio.get_running_loop().time(),
                connection=self.number,
            )
        )
        self._start_message()
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._serve_waiting())

    async def _serve_waiting(self) -> None:
        while self._waiting and not self.closed.done():
            self._serving = self._waiting.popleft()
            await self._serve(self, self._serving)
            self._leave()
            if (self._serving.header("connection") or "").lower() == "close":
                self.close()
            self._changed()
        self._serving = self._task = None
