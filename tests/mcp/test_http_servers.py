"""Servers that are mounted over HTTP: the official SDK's, and such that misbehave."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import uvicorn
from mcp.server.mcpserver import Context, MCPServer
from mounting import IMPATIENT, Mounting
from starlette.applications import Starlette
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from jackfield.mcp.link import Patience
from jackfield.settings import McpServer, Secret
from jackfield.testing.gateway import find_free_port
from jackfield.testing.waiting import until


@asynccontextmanager
async def served(app: Any, port: int = 0) -> AsyncIterator[str]:
    port = port or find_free_port()
    config = uvicorn.Config(app, port=port, log_config=None, access_log=False, timeout_graceful_shutdown=0)
    server = uvicorn.Server(config)
    server.capture_signals = no_signals
    serving = asyncio.create_task(server.serve())
    await until(lambda: asyncio.sleep(0, server.started), bool)
    try:
        yield f"http://127.0.0.1:{port}/mcp"
    finally:
        server.should_exit = True
        await serving


class no_signals:  # noqa: N801 - stands for a function
    def __enter__(self) -> None: ...
    def __exit__(self, *exc_info: object) -> None: ...


def official(seen: list[dict[str, str]] | None = None) -> MCPServer:
    server = MCPServer("official")

    @server.tool()
    async def add(a: int, b: int) -> dict[str, int]:
        """Adds two numbers"""
        return {"sum": a + b}

    @server.tool()
    async def climb(ctx: Context) -> str:
        await ctx.report_progress(1, 2, "half")
        return "there"

    @server.tool()
    async def key(ctx: Context) -> str:
        return str(ctx.request_context.request.headers.get("x-key"))

    return server


def configured(url: str, **settings: Any) -> McpServer:
    headers = settings.pop("secret_headers", {})
    server = McpServer(name="far", url=url, **settings)
    server.take_secrets(tuple((name, Secret(value)) for name, value in headers.items()), ())
    return server


@pytest.mark.parametrize("options", [{}, {"json_response": True}, {"stateless_http": True}])
async def test_the_official_server_is_mounted_and_called(options) -> None:
    async with served(official().streamable_http_app(**options)) as url:
        server = configured(url, secret_headers={"x-key": "s3cret-key"})
        async with Mounting(server, patience=IMPATIENT) as mounting:
            assert await mounting.mcp.mount("far") == ("far_add", "far_climb", "far_key")
            assert (await mounting.call("far_add", a=1, b=2)).result == {"sum": 3}
            assert "s3cret-key" in str((await mounting.call("far_key")).result)


async def test_a_server_that_was_away_is_found_again() -> None:
    port = find_free_port()
    async with Mounting(configured(f"http://127.0.0.1:{port}/mcp"), patience=IMPATIENT) as mounting:
        assert await mounting.mcp.mount("far") == ()
        assert mounting.only.state == "failed"
        for _ in range(2):
            async with served(official().streamable_http_app(), port):
                await until(mounting.state, lambda state: state == "ready")
                assert (await mounting.call("far_add", a=1, b=2)).success
            gone = await mounting.call("far_add", a=1, b=2)
            assert not gone.success
            await until(mounting.state, lambda state: state == "failed")


async def redirect(request) -> Response:
    return RedirectResponse("http://127.0.0.1:9/elsewhere", 307)


async def page(request) -> Response:
    return PlainTextResponse("<html>It works!</html>")


async def nonsense(request) -> Response:
    return JSONResponse({"jsonrpc": "2.0", "id": (await request.json())["id"], "result": {"tools": "none"}})


async def huge(request) -> Response:
    return Response(b"x" * (5 * 1024 * 1024), media_type="application/json")


async def bomb(request) -> Response:
    return Response(b"x", media_type="application/json", headers={"content-encoding": "gzip"})


async def refuse(request) -> Response:
    return JSONResponse({"error": "no"}, 401)


async def hang(request) -> Response:
    with contextlib.suppress(asyncio.CancelledError):
        await asyncio.Event().wait()
    return Response()


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        (redirect, "the MCP server refuses: Redirect to http://127.0.0.1:9/elsewhere not followed"),
        (page, "Unexpected content type: text/plain"),
        (nonsense, "the MCP server's answer is not what the protocol promises"),
        (huge, "the answer has more than 4,194,304 bytes"),
        (bomb, "the answer is compressed, which was not asked for"),
        (refuse, "it refuses us with 401"),
        (hang, "it has not answered in time"),
    ],
)
async def test_what_is_no_server_fails_and_harms_nothing(answer, problem: str) -> None:
    app = Starlette(routes=[Route("/mcp", answer, methods=["GET", "POST", "DELETE"])])
    async with served(app) as url:
        timeout_s = 0.3 if answer is hang else 10
        slow = Patience(first_s=60)
        async with Mounting(configured(url, timeout_s=timeout_s), patience=slow) as mounting:
            assert await mounting.mcp.mount("far") == ()
            assert mounting.only.state == "failed"
            assert problem in mounting.only.problem
