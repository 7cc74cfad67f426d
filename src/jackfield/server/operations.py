"""`/health`, `/ready` and `/metrics`: open to whoever watches the gateway, and free of anything private."""

from __future__ import annotations

import os
import time
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

from jackfield import __version__
from jackfield.errors import MethodNotAllowed
from jackfield.server.asgi import JSON, Receive, Scope, Send, send_error, send_whole
from jackfield.telemetry.exposition import CONTENT_TYPE, render
from jackfield.telemetry.metrics import Snapshot
from jackfield.telemetry.text import escape_all_halves

Reason = str
PATHS = ("/health", "/ready", "/metrics")


class Operations:
    """`reasons` tells why the gateway could not serve now; `snapshots` brings the counters of all workers."""

    def __init__(
        self,
        reasons: Callable[[], list[Reason]],
        notes: Callable[[], list[Reason]],
        snapshots: Callable[[], Awaitable[list[Snapshot]]],
    ) -> None:
        self._reasons, self._notes, self._snapshots = reasons, notes, snapshots
        self._started = time.monotonic()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] not in ("GET", "HEAD"):
            error = MethodNotAllowed(f"{scope['method']} {scope['path']}: use GET")
            await send_error(send, error, ((b"allow", b"GET, HEAD"),))
            return
        if scope["path"] == "/metrics":
            await self._metrics(send)
        elif scope["path"] == "/ready":
            await self._ready(send)
        else:
            await self._health(send)

    async def _health(self, send: Send) -> None:
        body = {"status": "pass", "version": __version__, "worker": os.getpid()}
        body["uptime_s"] = round(time.monotonic() - self._started, 1)
        await _send_json(send, 200, body)

    async def _ready(self, send: Send) -> None:
        reasons = self._reasons()
        body = {"ready": not reasons, "reasons": escape_all_halves(reasons), "notes": escape_all_halves(self._notes())}
        await _send_json(send, 503 if reasons else 200, body)

    async def _metrics(self, send: Send) -> None:
        page = render(await self._snapshots())
        await send_whole(send, 200, ((b"content-type", CONTENT_TYPE.encode()),), page)


async def _send_json(send: Send, status: int, body: dict[str, Any]) -> None:
    await send_whole(send, status, JSON, msgspec.json.encode(body))
