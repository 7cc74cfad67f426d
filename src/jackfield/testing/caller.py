"""A client that hides nothing: one keep-alive connection, raw bytes where wanted, and leaving half way."""

from __future__ import annotations

import asyncio
import json
import socket
import struct
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

import httptools

WITHIN_S = 10.0
READ_BYTES = 65_536
LINGER_ZERO = struct.pack("ii", 1, 0)


class Called:
    """An answer, complete once `complete`; header names are in lower case."""

    def __init__(self) -> None:
        self.status = 0
        self.headers: dict[str, str] = {}
        self.body = b""
        self.begun = False
        self.complete = False

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def events(self) -> list[tuple[str | None, str]]:
        """The whole server-sent events so far: name and data."""
        blocks = self.body.decode().replace("\r\n", "\n").split("\n\n")[:-1]
        return [_read_event(block) for block in blocks if block.strip(": \n")]

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        self.begun = True

    def on_body(self, body: bytes) -> None:
        self.body += body

    def on_message_complete(self) -> None:
        self.complete = True


def _read_event(block: str) -> tuple[str | None, str]:
    name, data = None, list[str]()
    for line in block.split("\n"):
        field, _, value = line.partition(":")
        if field == "event":
            name = value.strip()
        elif field == "data":
            data.append(value.removeprefix(" "))
    return name, "\n".join(data)


class Caller:
    """Every wait is bounded by `within` seconds. Headers given here go with every call."""

    def __init__(self, url: str, *, headers: Mapping[str, str] | None = None, within: float = WITHIN_S) -> None:
        parts = urlsplit(url)
        self._host, self._port = parts.hostname or "127.0.0.1", parts.port or 80
        self._prefix = parts.path.rstrip("/")
        self._headers = dict(headers or {})
        self._within = within
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.leave()

    async def get(self, path: str, **headers: str) -> Called:
        return await self.call("GET", path, headers=headers)

    async def post(self, path: str, body: bytes | Mapping[str, Any], **headers: str) -> Called:
        return await self.call("POST", path, body=body, headers=headers)

    async def call(
        self,
        method: str,
        path: str,
        *,
        body: bytes | Mapping[str, Any] = b"",
        headers: Mapping[str, str] | None = None,
    ) -> Called:
        called = await self.begin(method, path, body=body, headers=headers)
        await self.finish(called)
        return called

    async def begin(
        self,
        method: str,
        path: str,
        *,
        body: bytes | Mapping[str, Any] = b"",
        headers: Mapping[str, str] | None = None,
    ) -> Called:
        """Sends a request and returns once the head of its answer is there; for `read` and `finish`."""
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        head = self.write_head(method, path, {"content-length": str(len(data))} | dict(headers or {}))
        return await self.send(head + data)

    def write_head(self, method: str, path: str, headers: Mapping[str, str]) -> bytes:
        """The head of a request with these headers besides those of every call; `_` in names stands for `-`."""
        fields = {"host": f"{self._host}:{self._port}", "content-type": "application/json"} | self._headers
        fields |= {name.replace("_", "-"): value for name, value in headers.items()}
        lines = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
        return f"{method} {self._prefix}{path} HTTP/1.1\r\n{lines}\r\n".encode("latin-1")

    def drop_header(self, name: str) -> None:
        """No longer sends a header with every call."""
        self._headers.pop(name, None)

    async def write(self, raw: bytes) -> None:
        """Sends these bytes and waits for nothing."""
        async with asyncio.timeout(self._within):
            _, writer = await self._connected()
            writer.write(raw)
            await writer.drain()

    async def send(self, raw: bytes) -> Called:
        """Sends these bytes as they are and waits for the head of an answer."""
        called = Called()
        self._parser = httptools.HttpResponseParser(called)
        async with asyncio.timeout(self._within):
            _, writer = await self._connected()
            writer.write(raw)
            while not called.begun:
                await self._feed(called)
        called.status = self._parser.get_status_code()
        return called

    async def read(self, called: Called, *, events: int) -> None:
        """Until so many whole server-sent events are there, or the answer is complete."""
        async with asyncio.timeout(self._within):
            while not called.complete and len(called.events) < events:
                await self._feed(called)

    async def finish(self, called: Called) -> None:
        """Raises `ConnectionError` where the connection ends before the answer does."""
        async with asyncio.timeout(self._within):
            while not called.complete:
                await self._feed(called)
        if called.headers.get("connection", "").lower() == "close":
            self.leave()

    def leave(self, *, reset: bool = False) -> None:
        """Closes the connection, whatever is going on; the next call makes a new one."""
        if self._streams is not None:
            transport = self._streams[1].transport
            if reset:
                transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_ZERO)
            transport.abort()
            self._streams = None

    def half_close(self) -> None:
        """Closes the sending side alone."""
        if self._streams is not None:
            self._streams[1].write_eof()

    async def _connected(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if self._streams is None:
            self._streams = await asyncio.open_connection(self._host, self._port, limit=READ_BYTES)
        return self._streams

    async def _feed(self, called: Called) -> None:
        reader, _ = await self._connected()
        data = await reader.read(READ_BYTES)
        if not data:
            self.leave()
            raise ConnectionError(f"the connection ended after {len(called.body)} bytes of the body")
        self._parser.feed_data(data)
