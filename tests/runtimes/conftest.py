"""Sessions of every kind, with the same program in each."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from tests.runtimes.programs import Host, Program

from jackfield.clock import SystemClock
from jackfield.runtimes.base import Session
from jackfield.runtimes.inprocess import InProcessSession
from jackfield.runtimes.node import Limits, NodeSession

PROGRAM = Path(__file__).with_name("program.mjs")

StartNode = Callable[..., Awaitable[NodeSession]]


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


@pytest.fixture(params=["inprocess", "node"])
async def make_session(
    request: pytest.FixtureRequest, host: Host, make_node: Callable[..., NodeSession]
) -> AsyncIterator[Callable[[], Session]]:
    async with AsyncExitStack() as stack:

        def make() -> Session:
            if request.param == "node":
                return make_node()
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
