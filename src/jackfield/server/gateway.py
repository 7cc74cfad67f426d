"""The ASGI application: which part of the gateway a path belongs to."""

from __future__ import annotations

import re
from collections.abc import Awaitable
from functools import partial
from urllib.parse import unquote

import structlog

from jackfield.errors import JackfieldError, NotFound
from jackfield.host.host import Host
from jackfield.ids import new_id
from jackfield.server.asgi import Asgi, Message, Receive, Scope, Send, fault, send_error
from jackfield.server.front import Front
from jackfield.server.inference import MODELS, Inference
from jackfield.server.mcp import MCP_PATH
from jackfield.server.operations import PATHS, Operations
from jackfield.server.sign_in import BELOW, SignInPaths

# The one path of the admin API outside of it: where the factory guide's own host has it.
FACTORY_STATUS = "/plugins/status"
WITH_NAMES = (f"{MODELS}/", "/api/")
ENCODED_SLASH = re.compile("%(2f)", re.IGNORECASE)

log = structlog.get_logger("jackfield.server")


def unfold_path(raw: bytes) -> str:
    """The path that a raw one stands for. A slash that was sent encoded separates nothing, and stays as it is: who lets
    only some paths through to the gateway must not be led past. What has names in its paths, which may hold slashes, is
    told from the rest by slashes that are not encoded."""
    path = raw.decode("latin-1")
    return unquote(path if path.startswith(WITH_NAMES) else ENCODED_SLASH.sub(r"%25\1", path))


class GatewayServer:
    """`admin` is the admin application; without `mcp` there is nothing at `/mcp`, without `paths` no plugin's are
    served, without `sign_in` nobody signs in. Plugins' middleware stands around all of it."""

    def __init__(
        self,
        host: Host,
        inference: Inference,
        operations: Operations,
        admin: Asgi,
        mcp: Asgi | None = None,
        paths: Asgi | None = None,
        sign_in: SignInPaths | None = None,
    ) -> None:
        self._host, self._inference, self._operations, self._admin = host, inference, operations, admin
        self._mcp, self._paths, self._sign_in = mcp, paths, sign_in
        self._inside = partial(self, inside=True)

    def __call__(self, scope: Scope, receive: Receive, send: Send, *, inside: bool = False) -> Awaitable[None]:
        snapshot = self._host.snapshot
        if snapshot.middleware and not inside:
            if snapshot.front is None:
                snapshot.front = Front(snapshot, self._inside)
            front: Asgi = snapshot.front
            return front(scope, receive, send)
        path: str = scope["path"]
        if b"%" in scope.get("raw_path", b""):
            path = scope["path"] = unfold_path(scope["raw_path"])
        if path.startswith("/v1/"):
            return self._inference(scope, receive, send)
        if path == MCP_PATH and self._mcp is not None:
            return self._mcp(scope, receive, send)
        return self._serve_own(path, scope, receive, send)

    async def _serve_own(self, path: str, scope: Scope, receive: Receive, send: Send) -> None:
        """What is no exchange. A boundary: whatever fails in it is reported, and told to the client if nothing else
        was."""
        request_id = new_id("req")
        answered = False

        async def reply(message: Message) -> None:
            nonlocal answered
            if message["type"] == "http.response.start":
                answered = True
                message = {**message, "headers": [*message["headers"], (b"x-request-id", request_id.encode())]}
            await send(message)

        try:
            await self._part(path)(scope, receive, reply)
        except JackfieldError as error:
            await send_error(reply, error)
        except Exception:  # a boundary: reported whole to the log, and told to the client
            log.exception("internal_error", request=request_id)
            if not answered:
                await send_error(reply, fault())

    def _part(self, path: str) -> Asgi:
        if path.startswith("/api/") or path == FACTORY_STATUS:
            return self._admin
        if path in PATHS:
            return self._operations
        if path.startswith(BELOW) and self._sign_in is not None and self._sign_in.owns(path):
            return self._sign_in
        if self._paths is not None and self._host.snapshot.serves_paths:
            return self._paths
        raise NotFound(f"There is nothing at {path[:200]}")
