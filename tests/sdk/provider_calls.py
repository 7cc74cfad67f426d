"""One provider application, called as a server would call it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from jackfield.sdk.serve import Application

WITHIN_S = 5.0
HELLO = {"model": "m", "messages": [{"role": "user", "content": "Hello there"}]}


@dataclass
class Reply:
    """What came so far; `ended` once it is whole."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    ended: bool = False

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def frames(self) -> list[Any]:
        """The data of each server-sent event, decoded where it is JSON."""
        pieces = [piece.removeprefix("data: ") for piece in self.body.decode().split("\n\n") if piece]
        return [piece if piece == "[DONE]" else json.loads(piece) for piece in pieces]

    async def take(self, message: Any) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.headers = {name.decode(): value.decode() for name, value in message["headers"]}
        else:
            self.body += message.get("body", b"")
            self.ended = not message.get("more_body", False)


class Visit:
    """One request; `leave` is what a host does that has waited long enough."""

    def __init__(self, app: Application, method: str, path: str, body: bytes, headers: dict[str, str]) -> None:
        self.reply = Reply()
        self._left = asyncio.Event()
        self._pieces = [body]
        scope = {
            "type": "http",
            "method": method,
            "path": path,
            "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
        }
        self.task = asyncio.ensure_future(app(scope, self._receive, self.reply.take))

    async def _receive(self) -> Any:
        if self._pieces:
            return {"type": "http.request", "body": self._pieces.pop(), "more_body": False}
        await self._left.wait()
        return {"type": "http.disconnect"}

    def leave(self) -> None:
        self._left.set()

    async def end(self) -> Reply:
        async with asyncio.timeout(WITHIN_S):
            await self.task
        return self.reply


def begin(app: Application, method: str, path: str, body: object = b"", **headers: str) -> Visit:
    return Visit(app, method, path, body if isinstance(body, bytes) else json.dumps(body).encode(), headers)


async def call(app: Application, method: str, path: str, body: object = b"", **headers: str) -> Reply:
    return await begin(app, method, path, body, **headers).end()


async def get(app: Application, path: str) -> Reply:
    return await call(app, "GET", path)


async def post(app: Application, path: str, body: object = b"") -> Reply:
    return await call(app, "POST", path, body)


async def ask(app: Application, **more: Any) -> Reply:
    return await post(app, "/chat/completions", HELLO | more)


@asynccontextmanager
async def lifespan(app: Application) -> AsyncIterator[None]:
    """Around it the application has started, and after it has ended."""
    told: asyncio.Queue[Any] = asyncio.Queue()
    answered: asyncio.Queue[Any] = asyncio.Queue()
    task = asyncio.ensure_future(app({"type": "lifespan"}, told.get, answered.put))
    async with asyncio.timeout(WITHIN_S):
        for word in ("startup", "shutdown"):
            await told.put({"type": f"lifespan.{word}"})
            assert (await answered.get())["type"] == f"lifespan.{word}.complete"
            if word == "startup":
                yield
        await task
