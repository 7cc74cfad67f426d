"""Servers of tests whose connections end with them, also those whose client left just then."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager


@asynccontextmanager
async def listening(make: Callable[[], asyncio.Protocol]) -> AsyncIterator[int]:
    """Its port, on loopback."""
    transports: list[asyncio.BaseTransport] = []

    def make_noted() -> asyncio.Protocol:
        protocol = make()
        connected = protocol.connection_made

        def connection_made(transport: asyncio.BaseTransport) -> None:
            transports.append(transport)
            connected(transport)

        protocol.connection_made = connection_made  # type: ignore[method-assign]
        return protocol

    server = await asyncio.get_running_loop().create_server(make_noted, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]
    for transport in transports:
        transport.close()
    await asyncio.sleep(0)
