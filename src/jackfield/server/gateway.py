"""The ASGI application: which part of the gateway a path belongs to."""

from __future__ import annotations

from collections.abc import Callable

from jackfield.errors import NotFound
from jackfield.server.asgi import Receive, Scope, Send, send_whole
from jackfield.server.inference import Inference
from jackfield.server.operations import JSON, PATHS, Operations
from jackfield.wire import format_named

Asgi = Callable[..., object]


class GatewayServer:
    """`make_admin` builds the admin application when it is first asked for."""

    def __init__(self, inference: Inference, operations: Operations, make_admin: Callable[[], Asgi]) -> None:
        self._inference, self._operations, self._make_admin = inference, operations, make_admin
        self._admin: Asgi | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path: str = scope["path"]
        if path.startswith("/v1/"):
            await self._inference(scope, receive, send)
        elif path.startswith("/api/"):
            await self._serve_admin(scope, receive, send)
        elif path in PATHS:
            await self._operations(scope, receive, send)
        else:
            error = NotFound(f"There is nothing at {path[:200]}")
            await send_whole(send, 404, JSON, format_named("openai_chat").encode_error(error, ""))

    async def _serve_admin(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Bodies are JSON whatever their content type says."""
        if self._admin is None:
            self._admin = self._make_admin()
        headers = [pair for pair in scope["headers"] if pair[0] != b"content-type"]
        told = {**scope, "headers": [*headers, (b"content-type", b"application/json")]}
        await self._admin(told, receive, send)  # type: ignore[misc]
