"""Clients and scripted servers that end with the test, on both event loops; a leak fails the test."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import AsyncExitStack, ExitStack
from typing import Any

import pytest
import uvloop
from scripted_peer import WITHIN_S, Script, ScriptedServer

from jackfield.transport import Deadlines, EgressPolicy, HttpClient, OutgoingRequest, UpstreamResponse

Serve = Callable[..., Awaitable[ScriptedServer]]
MakeClient = Callable[..., HttpClient]
Fetch = Callable[..., Awaitable[UpstreamResponse]]


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    return {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}


@pytest.fixture
async def serve() -> AsyncIterator[Serve]:
    async with AsyncExitStack() as stack:

        async def start(script: Script, **settings: Any) -> ScriptedServer:
            return await stack.enter_async_context(ScriptedServer(script, **settings))

        yield start


@pytest.fixture
async def make_client() -> AsyncIterator[MakeClient]:
    """Clients that may connect anywhere unless told otherwise. At the end nothing of them is left."""
    clients: list[HttpClient] = []

    def make(**settings: Any) -> HttpClient:
        clients.append(HttpClient(**{"policy": EgressPolicy.anywhere(), **settings}))
        return clients[-1]

    yield make
    for client in clients:
        await client.aclose()
        stats = client.stats()
        assert (stats.open, stats.idle, stats.opening, stats.queued) == (0, 0, 0, 0)


@pytest.fixture
def client(make_client: MakeClient) -> HttpClient:
    return make_client()


@pytest.fixture
def fetch(client: HttpClient) -> Fetch:
    async def fetch(url: str, method: str = "GET", body: bytes = b"", **deadlines: Any) -> UpstreamResponse:
        async with asyncio.timeout(WITHIN_S):
            return await client.send(OutgoingRequest(method, url, (), body), Deadlines(**deadlines))

    return fetch


@pytest.fixture
def full_port() -> Iterator[int]:
    """A port whose queue of connections is full: who connects waits."""
    with socket.socket() as listener, ExitStack() as stack:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        port = listener.getsockname()[1]
        for _ in range(4):
            filler = stack.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(("127.0.0.1", port))
        yield port
