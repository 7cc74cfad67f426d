"""A provider to talk to: a real server on loopback whose every answer a test can change."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

from jackfield.testing.waiting import until

METADATA = {
    "name": "Stub",
    "version": "1.0.0",
    "plugin_api_version": "1.0.0",
    "provider_type": "stub",
    "capabilities": {"streaming": True, "function_calling": True, "vision": True},
}
MODELS = [{"id": "stub-1", "name": "Stub One", "cost_per_mtoken": 2.0}]
COMPLETION = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "created": 1_706_000_000,
    "model": "stub-1",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hello!"}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 10, "completion_tokens": 8, "total_tokens": 18, "cost_usd": 0.000054},
}


@dataclass
class Reply:
    """`pieces` are sent one by one instead of `body`, each after its pause; `cut` closes before the end."""

    status: int = 200
    body: bytes = b"{}"
    kind: str = "application/json"
    headers: dict[str, str] = field(default_factory=dict)
    pieces: Iterable[bytes | float] | None = None
    cut: bool = False


def answer(value: Any, status: int = 200, **headers: str) -> Reply:
    return Reply(status, json.dumps(value).encode(), headers=headers)


def fault(status: int, code: str, message: str = "it failed", **more: Any) -> Reply:
    return answer({"code": code, "message": message, **more}, status)


def events(*data: Any, kind: str = "text/event-stream", cut: bool = False) -> Reply:
    """Each as a server-sent event; a number is a pause."""
    return Reply(kind=kind, pieces=[one if isinstance(one, float) else write_event(one) for one in data], cut=cut)


def write_event(value: Any) -> bytes:
    text = value if isinstance(value, str) else json.dumps(value)
    return text.encode() if text.startswith((":", "event:")) else f"data: {text}\n\n".encode()


def lines(*values: Any) -> Reply:
    return Reply(kind="application/x-ndjson", pieces=[json.dumps(value).encode() + b"\n" for value in values])


@dataclass
class Asked:
    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


Handler = Callable[[Asked], Awaitable[Reply]]


class Stub:
    """`replies` by path: a `Reply`, a list of which each is taken once and the last one stays, or a handler."""

    def __init__(self, port: int = 0, **metadata: Any) -> None:
        self.port = port
        self.asked: list[Asked] = []
        self.replies: dict[str, Reply | list[Reply] | Handler] = {
            "/metadata": answer(METADATA | metadata),
            "/initialize": answer({}),
            "/health": answer({"healthy": True, "message": "OK", "latency_ms": 5}),
            "/models": answer(MODELS),
            "/chat/completions": answer(COMPLETION),
            "/cleanup": answer({}),
        }
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def paths(self) -> list[str]:
        return [one.path for one in self.asked]

    def last(self, path: str) -> Asked:
        return next(one for one in reversed(self.asked) if one.path == path)

    async def reached(self, path: str, count: int = 1, *, within: float = 5.0) -> None:
        async def times() -> int:
            return self.paths().count(path)

        await until(times, lambda found: found >= count, within=within)

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def __aexit__(
        self, kind: type[BaseException] | None, e: BaseException | None, t: TracebackType | None
    ) -> None:
        await self.stop()

    async def stop(self) -> None:
        """As a process that is killed: its connections are gone."""
        server, self._server = self._server, None
        if server is None:
            return
        server.close()
        for writer in list(self._writers):
            writer.transport.abort()
        await server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        try:
            while (asked := await _read(reader)) is not None:
                self.asked.append(asked)
                await self._answer(asked, writer)
        except (OSError, asyncio.IncompleteReadError):
            return
        finally:
            self._writers.discard(writer)
            writer.close()

    async def _answer(self, asked: Asked, writer: asyncio.StreamWriter) -> None:
        reply = await self._choose(asked)
        head = {"content-type": reply.kind, **reply.headers}
        if reply.pieces is None:
            head.setdefault("content-length", str(len(reply.body)))
        else:
            head["transfer-encoding"] = "chunked"
        lines = [f"HTTP/1.1 {reply.status} Status", *(f"{name}: {value}" for name, value in head.items()), "", ""]
        writer.write("\r\n".join(lines).encode())
        async for data in _pieces(reply):
            writer.write(data)
            await writer.drain()
        if reply.cut:
            raise ConnectionError

    async def _choose(self, asked: Asked) -> Reply:
        known = self.replies.get(asked.path)
        if known is None:
            return Reply(404, b"<html>Not Found</html>", "text/html")
        if callable(known):
            return await known(asked)
        if isinstance(known, list):
            return known.pop(0) if len(known) > 1 else known[0]
        return known


async def _pieces(reply: Reply) -> AsyncIterator[bytes]:
    if reply.pieces is None:
        yield reply.body
        return
    for piece in reply.pieces:
        if isinstance(piece, float):
            await asyncio.sleep(piece)
        else:
            yield b"%x\r\n%s\r\n" % (len(piece), piece)
    if not reply.cut:
        yield b"0\r\n\r\n"


async def _read(reader: asyncio.StreamReader) -> Asked | None:
    line = await reader.readline()
    if not line:
        return None
    method, path, _ = line.decode().split(" ", 2)
    headers = {}
    while (line := await reader.readline()).strip():
        name, _, value = line.decode().partition(":")
        headers[name.lower()] = value.strip()
    return Asked(method, path, headers, await reader.readexactly(int(headers.get("content-length", 0))))
