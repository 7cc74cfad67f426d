"""Sessions of every kind, with the same program in each."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from tests.runtimes.grpc import sessions as grpc_sessions
from tests.runtimes.http_program import Program as HttpProgram
from tests.runtimes.http_program import Server as HttpServer
from tests.runtimes.kinds import kinds_for
from tests.runtimes.program import Program
from tests.runtimes.programs import Host

from jackfield.clock import SystemClock
from jackfield.runtimes.base import Answerer, Session
from jackfield.runtimes.http.service import Service, open_client
from jackfield.runtimes.http.session import HttpSession
from jackfield.runtimes.inprocess import InProcessSession
from jackfield.runtimes.isolated.session import GuestProgram, IsolatedSession
from jackfield.runtimes.node import Limits, NodeSession

make_grpc, start_grpc = grpc_sessions.make_grpc, grpc_sessions.start_grpc
PROGRAM = Path(__file__).with_name("program.mjs")
HERE = Path(__file__).parent
GUEST = GuestProgram(module="isolated_program", read=(HERE,), path=(str(HERE),))

StartNode = Callable[..., Awaitable[NodeSession]]
StartIsolated = Callable[..., Awaitable[IsolatedSession]]


@pytest.fixture
def host() -> Host:
    return Host()


@pytest.fixture
async def make_node(tmp_path: Path, host: Host) -> AsyncIterator[Callable[..., NodeSession]]:
    """Sessions that are stopped with the test."""
    numbers = count(1)
    async with AsyncExitStack() as stack:

        def make(limits: Limits = Limits(), folder: Path | None = None, **settings: Any) -> NodeSession:  # noqa: B008
            if folder is None:
                folder = tmp_path / f"plugin{next(numbers)}"
                folder.mkdir()
            session = NodeSession("weather", PROGRAM, folder, host, SystemClock(), limits, **settings)
            stack.push_async_callback(session.stop, 0)
            return session

        yield make


@pytest.fixture
def start_node(make_node: Callable[..., NodeSession]) -> StartNode:
    async def start(limits: Limits = Limits(), **settings: Any) -> NodeSession:  # noqa: B008
        session = make_node(limits, **settings)
        await session.start()
        return session

    return start


@pytest.fixture
async def make_isolated(host: Host) -> AsyncIterator[Callable[..., IsolatedSession]]:
    """Sessions that are stopped with the test."""
    async with AsyncExitStack() as stack:

        def make(
            limits: Limits = Limits(),  # noqa: B008
            program: GuestProgram = GUEST,
            answerer: Answerer = host,
            **settings: Any,
        ) -> IsolatedSession:
            session = IsolatedSession("weather", program, answerer, SystemClock(), limits, **settings)
            stack.push_async_callback(session.stop, 0)
            return session

        yield make


@pytest.fixture
def start_isolated(make_isolated: Callable[..., IsolatedSession]) -> StartIsolated:
    async def start(limits: Limits = Limits(), **settings: Any) -> IsolatedSession:  # noqa: B008
        session = make_isolated(limits, **settings)
        await session.start()
        return session

    return start


@pytest.fixture
async def make_http(host: Host) -> AsyncIterator[Callable[[], HttpSession]]:
    """Sessions with a service that runs already."""
    async with AsyncExitStack() as stack:
        server = HttpServer(HttpProgram())
        port = await server.open()
        stack.push_async_callback(server.close)
        client = open_client()
        stack.push_async_callback(client.aclose)

        def make() -> HttpSession:
            session = HttpSession("weather", Service(f"http://127.0.0.1:{port}", client), host, SystemClock())
            stack.push_async_callback(session.stop, 0)
            return session

        yield make


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "make_session" in metafunc.fixturenames:
        metafunc.parametrize("make_session", kinds_for(metafunc.function), indirect=True)


@pytest.fixture
async def make_session(
    request: pytest.FixtureRequest,
    host: Host,
    make_node: Callable[..., NodeSession],
    make_isolated: Callable[..., IsolatedSession],
    make_http: Callable[[], HttpSession],
    make_grpc: grpc_sessions.MakeGrpc,
) -> AsyncIterator[Callable[[], Session]]:
    async with AsyncExitStack() as stack:

        def make() -> Session:
            if request.param == "node":
                return make_node()
            if request.param == "isolated":
                return make_isolated()
            if request.param == "http":
                return make_http()
            if request.param == "grpc":
                return make_grpc()
            session = InProcessSession("weather", Program(), host)
            stack.push_async_callback(session.stop, 0)
            return session

        yield make


@pytest.fixture
async def session(make_session: Callable[[], Session]) -> Session:
    session = make_session()
    async with asyncio.timeout(10):
        await session.start()
    return session
