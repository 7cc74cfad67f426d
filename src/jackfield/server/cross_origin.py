"""Browsers of other origins: who may ask, told before anything else is looked at."""

from __future__ import annotations

from collections.abc import Sequence

from starlette.middleware.cors import CORSMiddleware

from jackfield.server.asgi import Asgi, Receive, Scope, Send
from jackfield.server.mcp import MCP_PATH

EXPOSED = ("x-request-id", "x-jackfield-upstream", "x-jackfield-cost-usd", "retry-after")


class CrossOrigin:
    """Around everything, plugins' middleware too; `/mcp` answers for itself."""

    def __init__(self, app: Asgi, origins: Sequence[str]) -> None:
        self._app = app
        self._guarded = CORSMiddleware(
            app, allow_origins=origins, allow_methods=["*"], allow_headers=["*"], expose_headers=EXPOSED
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await (self._app if scope["path"] == MCP_PATH else self._guarded)(scope, receive, send)
