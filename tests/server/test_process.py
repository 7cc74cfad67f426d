"""Connections that no longer lead to anything."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from jackfield.server.listening import listen
from jackfield.server.process import KEEP_ALIVE_S, HttpServer
from jackfield.testing import until


async def answer(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": ((b"content-length", b"2"),)})
    await send({"type": "http.response.body", "body": b"ok"})


@asynccontextmanager
async def served() -> AsyncIterator[tuple[HttpServer, asyncio.StreamReader, asyncio.StreamWriter]]:
    """A server and one connection to it."""
    server = HttpServer(answer, 1)  # type: ignore[arg-type]
    (listening,) = listen("127.0.0.1", 0)
    serving = asyncio.create_task(server.serve(sockets=[listening]))
    reader, writer = await asyncio.open_connection(*listening.getsockname())
    try:

        async def connections() -> int:
            return len(server.server_state.connections)

        await until(connections, lambda count: count == 1)
        yield server, reader, writer
    finally:
        writer.close()
        server.stop()
        await serving


async def ended(reader: asyncio.StreamReader) -> bool:
    """Whether the connection ends without another byte; a reset is an end too."""
    async with asyncio.timeout(10):
        try:
            return await reader.read() == b""
        except ConnectionResetError:
            return True


async def test_a_head_that_is_never_finished_is_given_up() -> None:
    async with served() as (server, reader, writer):
        writer.write(b"GET / HTTP/1.1\r\nhost:")
        await writer.drain()
        now = asyncio.get_running_loop().time()
        server.abort_lingering(now + KEEP_ALIVE_S - 1)
        assert not reader.at_eof()
        server.abort_lingering(now + KEEP_ALIVE_S + 1)
        assert await ended(reader)


async def test_so_is_the_head_after_an_answer() -> None:
    async with served() as (server, reader, writer):
        writer.write(b"GET / HTTP/1.1\r\nhost: x\r\n\r\nGET / HTTP/1.1\r\nho")
        async with asyncio.timeout(10):
            await reader.readuntil(b"ok")
        server.abort_lingering(asyncio.get_running_loop().time() + KEEP_ALIVE_S + 1)
        assert await ended(reader)
