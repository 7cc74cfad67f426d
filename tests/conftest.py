"""Gateways, scripted upstreams and real servers for every test that wants one."""

from __future__ import annotations

import gc
import os
import sys
from asyncio.selector_events import BaseSelectorEventLoop
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import structlog
from structlog.dev import ConsoleRenderer, plain_traceback

from jackfield.testing import Upstream

# The collector need not look again, and again, at all that was imported and collected: see `settle`.
gc.set_threshold(20_000, 10, 10)
NEW_MODULES = 100

# Else each of the hundreds of processes that tests start compiles all that it imports, and so do the workers.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

# As it is by itself, but for tracebacks with all variables: to write one of those can take seconds.
*PROCESSORS, _ = structlog.get_config()["processors"]
structlog.configure(processors=[*PROCESSORS, ConsoleRenderer(colors=False, exception_formatter=plain_traceback)])
configure = structlog.configure


def configure_uncached(**given: Any) -> None:
    """A logger that keeps what it found at its first use would keep it in the tests that follow, where whoever captures
    what is logged would miss it."""
    configure(**{**given, "cache_logger_on_first_use": False})


structlog.configure = configure_uncached  # type: ignore[assignment]

accept_for = BaseSelectorEventLoop._accept_connection2  # type: ignore[attr-defined]


async def accept_while_it_serves(
    loop: Any, factory: Any, connection: Any, extra: Any, tls: Any = None, server: Any = None, *more: Any, **named: Any
) -> None:
    """Where a server is closed between a connection's arrival and its acceptance, asyncio leaves the connection, half
    made, to the collector, which finds it in whatever test then runs."""
    if server is not None and not server.is_serving():
        connection.close()
    else:
        await accept_for(loop, factory, connection, extra, tls, server, *more, **named)


BaseSelectorEventLoop._accept_connection2 = accept_while_it_serves  # type: ignore[attr-defined]

if TYPE_CHECKING:
    from jackfield.testing.gateway import RunningGateway
    from nursery import Nursery

    StartGateway = Callable[..., Awaitable[RunningGateway]]


settled_modules = 0


def settle() -> None:
    """What is there stays there until the end; a test that collects garbage takes a millisecond then, not hundreds."""
    global settled_modules
    settled_modules = len(sys.modules)
    gc.collect()
    gc.freeze()


def pytest_collection_finish() -> None:
    settle()


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown(nextitem: pytest.Item | None) -> None:
    if nextitem is not None and len(sys.modules) > settled_modules + NEW_MODULES:
        settle()


@pytest.fixture(scope="session", autouse=True)
def lean_pytests() -> None:
    """For every pytest that a test starts."""
    from surroundings import LEAN

    os.environ.update(LEAN)


@pytest.fixture
async def upstream() -> AsyncIterator[Upstream]:
    async with Upstream() as upstream:
        yield upstream


@pytest.fixture
async def start_gateway(tmp_path: Path) -> AsyncIterator[StartGateway]:
    """Starts gateways in this process that end with the test; arguments as `run_gateway` takes them."""
    # Imported here: most tests need no gateway and should not wait for all of it to be imported.
    from jackfield.testing.gateway import run_gateway

    numbers = count(1)
    async with AsyncExitStack() as stack:

        async def start(**settings: Any) -> RunningGateway:
            folder = tmp_path / f"gateway{next(numbers)}"
            folder.mkdir()
            return await stack.enter_async_context(run_gateway(folder, **settings))

        yield start


@pytest.fixture(scope="session")
def nursery() -> Iterator[Nursery]:
    from nursery import open_nursery

    with open_nursery() as nursery:
        yield nursery


@pytest.fixture
def forked_commands(nursery: Nursery, monkeypatch: pytest.MonkeyPatch) -> None:
    """What `run_command` runs need not import everything first."""
    monkeypatch.setattr("jackfield.testing.processes.start_process", nursery.start_process)


@pytest.fixture
def start_process(nursery: Nursery) -> Any:
    """How `spawn` starts a process. Where it matters that the command line does it, this is another one."""
    return nursery.start_process


@pytest.fixture
async def spawn(tmp_path: Path, start_process: Any, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[StartGateway]:
    """Starts gateways as processes of their own that end with the test; arguments as `spawn_gateway` takes them."""
    from jackfield.testing import gateway
    from jackfield.testing.gateway import spawn_gateway

    monkeypatch.setattr(gateway, "start_process", start_process)

    numbers = count(1)
    async with AsyncExitStack() as stack:

        async def start(*arguments: str, **settings: Any) -> RunningGateway:
            folder = tmp_path / f"spawned{next(numbers)}"
            folder.mkdir()
            return await stack.enter_async_context(spawn_gateway(folder, *arguments, **settings))

        yield start


@pytest.fixture
async def postgres_url() -> AsyncIterator[str]:
    """An empty database of a real PostgreSQL (with pgvector), for this test alone."""
    from servers import empty_postgres

    async with empty_postgres() as url:
        yield url


@pytest.fixture
async def redis_url() -> AsyncIterator[str]:
    """An empty database of a real Redis, for this test alone."""
    from servers import empty_redis

    async with empty_redis() as url:
        yield url
