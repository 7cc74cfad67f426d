"""A process over gRPC that is lost is named, ends what waited for it, and comes back; nothing of it stays behind."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
from pathlib import Path
from typing import Any

import pytest
from tests.runtimes.grpc.adapted import AdaptedSession
from tests.runtimes.grpc.sessions import StartGrpc
from tests.runtimes.programs import Host

from jackfield.errors import PluginTimeout, SessionDenied, SessionLost
from jackfield.runtimes import process
from jackfield.runtimes.grpc.place import PREFIX
from jackfield.runtimes.limits import Limits
from jackfield.testing.waiting import until


async def until_state(session: AdaptedSession, state: str) -> None:
    async def look() -> str:
        return session.diagnose().state

    await until(look, lambda found: found == state, within=10)


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The pauses that were made before new starts, none of which takes any time."""
    made: list[float] = []

    async def pause(seconds: float) -> None:
        made.append(seconds)

    before = process.ProcessSession.__init__

    def build(self: Any, *arguments: Any) -> None:
        before(self, *arguments, pause=pause)

    monkeypatch.setattr(process.ProcessSession, "__init__", build)
    return made


def places() -> set[str]:
    """Those that this process holds: others test beside it."""
    links = (os.readlink(f"/proc/self/fd/{number}") for number in os.listdir("/proc/self/fd") if is_open(number))
    return {link for link in links if Path(link).name.startswith(PREFIX)}


def is_open(number: str) -> bool:
    return os.path.lexists(f"/proc/self/fd/{number}")


async def test_a_process_that_ends_is_named_with_its_last_words_and_comes_back(
    start_grpc: StartGrpc, host: Host, pauses: list[float]
) -> None:
    session = await start_grpc()
    assert session.diagnose().last_words == ""
    await session.call("print", "it rains", deadline_s=2)
    waiting = asyncio.create_task(session.call("wait", deadline_s=5))
    items = session.stream("stall", deadline_s=5)
    assert await anext(items) == 1
    with pytest.raises(
        SessionLost, match=r"plugin weather: its process is gone: exit code 3; its last words: it rains"
    ):
        await session.call("exit", 3, deadline_s=2)
    for lost in (waiting, asyncio.ensure_future(anext(items))):
        with pytest.raises(SessionLost, match="exit code 3"):
            await lost
    await until_state(session, "running")
    assert (host.starts, pauses) == (2, [0.5])
    assert await session.call("ask", {"method": "who"}, deadline_s=2) == [None, None]


async def test_a_kill_is_told_and_no_descriptor_folder_or_zombie_stays(start_grpc: StartGrpc, host: Host) -> None:
    gc.collect()
    before = set(os.listdir("/proc/self/fd"))
    session = await start_grpc()
    (place,) = places()
    pid = session.diagnose().pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    with pytest.raises(SessionLost, match="killed by SIGKILL"):
        await session.call("wait", deadline_s=2)
    await session.stop(0)
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    gc.collect()
    # gRPC's own threads keep some for the rest of the process, which a second life does not add to.
    kept = set(os.listdir("/proc/self/fd"))
    second = await start_grpc()
    await second.stop(1)
    gc.collect()
    assert len(os.listdir("/proc/self/fd")) <= max(len(kept), len(before))
    assert (places(), os.path.exists(place)) == (set(), False)


async def test_one_that_stands_still_is_ended(start_grpc: StartGrpc, host: Host) -> None:
    session = await start_grpc(Limits(hang_s=0.3))
    with pytest.raises(SessionLost, match=r"it answered nothing for 0\.3 s"):
        await session.call("spin", deadline_s=5)


async def test_one_that_is_stopped_by_a_signal_is_ended(start_grpc: StartGrpc, host: Host) -> None:
    session = await start_grpc(Limits(hang_s=0.3))
    pid = session.diagnose().pid
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)
    with pytest.raises(PluginTimeout):
        await session.call("echo", deadline_s=0.05)
    with pytest.raises(SessionLost, match=r"it answered nothing for 0\.3 s"):
        await session.call("echo", deadline_s=5)


async def test_one_that_takes_too_much_memory_is_ended(start_grpc: StartGrpc, host: Host) -> None:
    session = await start_grpc(Limits(memory_mb=128))
    with pytest.raises((SessionLost, SessionDenied), match=r"memory|MemoryError"):
        await session.call("hog", deadline_s=10)


async def test_asked_to_end_it_ends_by_itself(start_grpc: StartGrpc) -> None:
    session = await start_grpc()
    await session.stop(5)
    assert session.diagnose().exit == "exit code 0"
    assert session.diagnose().state == "stopped"


async def test_a_flood_of_requests_is_slowed_and_harms_nobody(start_grpc: StartGrpc, host: Host) -> None:
    session = await start_grpc()
    code = "import asyncio\nawait asyncio.gather(*(rpc.call('echo', n) for n in range(2000)), return_exceptions=True)"
    began = asyncio.get_running_loop().time()
    flood = asyncio.create_task(session.call("run", code, deadline_s=20))
    assert await session.call("echo", 1, deadline_s=5) == 1
    await flood
    assert asyncio.get_running_loop().time() - began > 0.3


async def test_a_stream_of_much_waits_while_nobody_takes(start_grpc: StartGrpc) -> None:
    session = await start_grpc()
    items = session.stream("pour", 200, deadline_s=5)
    assert await anext(items) == "x" * 1_000_000
    assert await session.call("made", deadline_s=2) < 100
    await items.aclose()  # type: ignore[attr-defined]
