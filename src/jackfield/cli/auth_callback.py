"""Where a browser on this machine is sent back to: a server for one request, on loopback."""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import html
from types import TracebackType
from typing import NamedTuple, Self
from urllib.parse import parse_qs, urlsplit

from jackfield.errors import ConfigError, Unavailable

HEAD_S = 10.0
LONGEST_HEAD = 16_384
PAGE_S = 5.0


class SentBack(NamedTuple):
    state: str
    code: str
    error: str


class Callback:
    """An async context manager. What comes with another state, to another path or by another method than a browser's
    is turned away, and waited on."""

    def __init__(self, host: str, port: int, path: str) -> None:
        self._host, self._port, self._path = host, port, path
        self._state = ""
        loop = asyncio.get_running_loop()
        self._sent: asyncio.Future[SentBack] = loop.create_future()
        self._told: asyncio.Future[str] = loop.create_future()
        self._shown = asyncio.Event()
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> Self:
        try:
            self._server = await asyncio.start_server(self._serve, "127.0.0.1", self._port, limit=LONGEST_HEAD)
        except OSError as error:
            raise ConfigError(
                f"cannot listen on port {self._port} for the browser ({error.strerror}): free it, or use"
                " --flow gateway, manual or device"
            ) from error
        self._port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server is not None
        self._server.close()
        self._sent.cancel()
        self._told.cancel()

    @property
    def url(self) -> str:
        return f"http://{self._host}:{self._port}{self._path}"

    async def wait(self, state: str, seconds: float) -> SentBack:
        self._state = state
        try:
            async with asyncio.timeout(seconds):
                return await self._sent
        except TimeoutError:
            raise Unavailable("nobody signed in within the time that there was") from None

    async def answer(self, text: str) -> None:
        """What the browser shows; returns once it was told, or has gone."""
        self._told.set_result(text)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(PAGE_S):
                await self._shown.wait()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(HEAD_S):
                head = await reader.readuntil(b"\r\n\r\n")
            sent = self._read(head)
            if sent is None or self._sent.done():
                await _reply(writer, 404, "There is nothing here.")
                return
            self._sent.set_result(sent)
            try:
                await _reply(writer, 200, await self._told)
            finally:
                self._shown.set()
        except (OSError, EOFError, asyncio.LimitOverrunError, TimeoutError, asyncio.CancelledError):
            return
        finally:
            writer.close()

    def _read(self, head: bytes) -> SentBack | None:
        line = head.split(b"\r\n", 1)[0].decode("latin-1").split(" ")
        if len(line) != 3 or line[0] != "GET" or not self._state:
            return None
        try:
            parts = urlsplit(line[1])
        except ValueError:
            return None
        told = {name: values[0] for name, values in parse_qs(parts.query).items() if len(values) == 1}
        state = told.get("state", "")
        if parts.path != self._path or not hmac.compare_digest(state.encode(), self._state.encode()):
            return None
        return SentBack(state, told.get("code", ""), told.get("error", ""))


async def _reply(writer: asyncio.StreamWriter, status: int, text: str) -> None:
    body = f"<!doctype html><meta charset=utf-8><title>Jackfield</title><p>{html.escape(text)}".encode()
    head = (
        f"HTTP/1.1 {status} {'OK' if status == 200 else 'Not Found'}\r\ncontent-type: text/html; charset=utf-8\r\n"
        f"content-length: {len(body)}\r\ncontent-security-policy: default-src 'none'\r\ncache-control: no-store\r\n"
        "referrer-policy: no-referrer\r\nconnection: close\r\n\r\n"
    )
    writer.write(head.encode() + body)
    await writer.drain()
