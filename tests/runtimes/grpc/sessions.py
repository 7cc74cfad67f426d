"""Sessions over gRPC for tests: what `tests.runtimes.conftest` takes over."""

from __future__ import annotations

import gc
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack

import pytest
from tests.runtimes.grpc.adapted import PROGRAM, AdaptedHost, AdaptedSession
from tests.runtimes.programs import Host

from jackfield.clock import SystemClock
from jackfield.runtimes.grpc.program import GrpcProgram
from jackfield.runtimes.grpc.session import GrpcSession
from jackfield.runtimes.limits import Limits

MakeGrpc = Callable[..., AdaptedSession]
StartGrpc = Callable[..., Awaitable[AdaptedSession]]


@pytest.fixture
async def make_grpc(host: Host) -> AsyncIterator[MakeGrpc]:
    """Sessions that are stopped with the test."""
    async with AsyncExitStack() as stack:

        def make(limits: Limits = Limits(), program: GrpcProgram = PROGRAM) -> AdaptedSession:  # noqa: B008
            adapted = AdaptedHost(host)
            session = AdaptedSession(GrpcSession("weather", program, adapted, SystemClock(), limits))
            adapted.session = session
            stack.push_async_callback(session.stop, 0)
            return session

        yield make
    # gRPC's library has threads and descriptors as long as there is anything of it, which other tests would count.
    gc.collect()


@pytest.fixture
def start_grpc(make_grpc: MakeGrpc) -> StartGrpc:
    async def start(limits: Limits = Limits(), program: GrpcProgram = PROGRAM) -> AdaptedSession:  # noqa: B008
        session = make_grpc(limits, program)
        await session.start()
        return session

    return start
