"""A plugin that runs already is spoken with where it listens, and never ended."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from tests.runtimes.grpc.adapted import GUEST
from tests.runtimes.grpc.sessions import MakeGrpc
from tests.runtimes.programs import Host

from jackfield.errors import SessionLost
from jackfield.runtimes.grpc.program import GrpcProgram
from jackfield.sdk.caller import Caller, acting_for
from jackfield.testing.waiting import until


@asynccontextmanager
async def running(address: str) -> AsyncIterator[asyncio.subprocess.Process]:
    environ = {**os.environ, "JACKFIELD_LISTEN": address}
    started = await asyncio.create_subprocess_exec(sys.executable, "-B", str(GUEST / "grpc_program.py"), env=environ)
    try:
        path = Path(address.removeprefix("unix:"))
        await until(lambda: asyncio.to_thread(path.is_socket), bool, within=10)
        yield started
    finally:
        if started.returncode is None:
            started.kill()
        await started.wait()


async def test_it_is_called_and_calls_and_outlives_the_session(tmp_path: Path, make_grpc: MakeGrpc, host: Host) -> None:
    address = f"unix:{tmp_path}/plugin"
    async with running(address) as started:
        for _ in range(2):
            session = make_grpc(program=GrpcProgram(folder=tmp_path, address=address))
            await session.start()
            with acting_for(Caller(user="alice")):
                assert await session.call("ask", {"method": "who"}, deadline_s=5) == ["alice", "alice"]
            assert session.diagnose().pid is None
            await session.stop(1)
        assert started.returncode is None


async def test_it_is_missed_when_it_goes(tmp_path: Path, make_grpc: MakeGrpc, host: Host) -> None:
    address = f"unix:{tmp_path}/plugin"
    session = make_grpc(program=GrpcProgram(folder=tmp_path, address=address))
    async with running(address) as started:
        await session.start()
        waiting = asyncio.create_task(session.call("wait", deadline_s=10))
        await until(lambda: session.call("echo", deadline_s=2), lambda _: host.count("waiting") == 1)
        started.kill()
        with pytest.raises(SessionLost, match="plugin weather"):
            await waiting
        await until(lambda: asyncio.sleep(0, host.losses), bool, within=5)


@pytest.mark.parametrize(
    ("address", "why"),
    [
        ("example.com:80", "is no port of this machine"),
        ("10.0.0.1:80", "is no port of this machine"),
        ("unix:plugin", "is no absolute path"),
        ("unix:/nowhere/plugin", "at unix:/nowhere/plugin it cannot be reached"),
    ],
)
async def test_an_address_that_cannot_be_is_named(address: str, why: str, tmp_path: Path, make_grpc: MakeGrpc) -> None:
    session = make_grpc(program=GrpcProgram(folder=tmp_path, address=address))
    with pytest.raises(SessionLost, match=why):
        await session.start()
