"""What an isolated process may take of the machine, and that others do not suffer by one that takes more."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Awaitable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.runtimes.conftest import StartIsolated
from tests.runtimes.programs import Host

from jackfield.errors import ConfigError, PluginTimeout, SessionDenied, SessionLost
from jackfield.runtimes import child
from jackfield.runtimes.isolated import process
from jackfield.runtimes.isolated.program import plan_launch
from jackfield.runtimes.launch import LAYERS, Launch
from jackfield.runtimes.limits import Limits
from jackfield.testing.waiting import until


async def lost(call: Awaitable[Any]) -> str:
    with pytest.raises(SessionLost) as caught:
        await call
    return str(caught.value)


async def test_one_that_spins_is_killed_and_named_while_another_works(start_isolated: StartIsolated) -> None:
    bad, good = await start_isolated(Limits(hang_s=0.5)), await start_isolated()
    spinning = asyncio.create_task(lost(bad.call("spin", deadline_s=5)))
    while not spinning.done():
        assert await good.call("echo", 7, deadline_s=2) == 7
        await asyncio.sleep(0.01)
    assert "killed by SIGKILL: it answered nothing for 0.5 s" in await spinning
    assert good.diagnose().starts == 1


async def test_one_that_was_stopped_by_a_signal_is_killed_and_named(start_isolated: StartIsolated, host: Host) -> None:
    """Also where the call's own deadline is long over."""
    session = await start_isolated(Limits(hang_s=0.4))
    pid = session.diagnose().pid
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)
    with pytest.raises(PluginTimeout):
        await session.call("echo", deadline_s=0.3)
    await until(lambda: asyncio.sleep(0, host.losses), bool)
    assert host.losses[0].exit == "killed by SIGKILL: it answered nothing for 0.4 s"


async def test_one_that_waits_long_is_left_alone(start_isolated: StartIsolated) -> None:
    session = await start_isolated(Limits(hang_s=0.2))
    with pytest.raises(PluginTimeout):
        await session.call("wait", deadline_s=0.5)
    assert await session.call("echo", 1, deadline_s=2) == 1


async def test_one_that_burns_the_processor_is_killed_and_named(start_isolated: StartIsolated) -> None:
    session = await start_isolated(Limits(cpu_s=0.3, cpu_window_s=10))
    told = await lost(session.call("burn", deadline_s=10))
    assert "killed by SIGKILL: more than 0.3 s of processor time within 10 s" in told


async def test_one_that_hogs_memory_is_killed_and_named(start_isolated: StartIsolated) -> None:
    session = await start_isolated(Limits(memory_mb=96))
    told = await lost(session.call("hog", deadline_s=10))
    assert "more than 96 MB of memory" in told


async def test_what_would_not_fit_at_all_is_refused_to_the_code(start_isolated: StartIsolated) -> None:
    session = await start_isolated()
    with pytest.raises(SessionDenied, match="MemoryError"):
        await session.call("run", "bytearray(4_000_000_000)", deadline_s=5)
    assert session.diagnose().starts == 1


FORK = "import os\nos.fork()"
SPAWN = "import subprocess\nsubprocess.run(['/bin/true'])"
POOL = "import multiprocessing\nmultiprocessing.get_context('fork').Process(target=print).start()"


@pytest.mark.parametrize("code", [FORK, SPAWN, POOL], ids=["fork", "spawn", "pool"])
async def test_it_starts_no_process(start_isolated: StartIsolated, code: str) -> None:
    session = await start_isolated()
    with pytest.raises(SessionDenied, match="Operation not permitted"):
        await session.call("run", code, deadline_s=2)
    pid = session.diagnose().pid
    assert Path(f"/proc/{pid}/task/{pid}/children").read_text() == ""


async def test_threads_without_end_are_its_own_end(start_isolated: StartIsolated, host: Host) -> None:
    session = await start_isolated(Limits(threads=20))
    code = """import threading
threading.stack_size(65536)
for _ in range(40): threading.Thread(target=threading.Event().wait, daemon=True).start()"""
    await session.call("run", code, deadline_s=2)
    await until(lambda: asyncio.sleep(0, host.losses), bool)
    assert host.losses[0].exit == "killed by SIGKILL: more than 20 threads"


async def test_descriptors_without_end_are_refused_to_the_code(start_isolated: StartIsolated) -> None:
    session = await start_isolated(Limits(files=64))
    with pytest.raises(SessionDenied, match="Too many open files"):
        await session.call("leak_descriptors", deadline_s=2)
    assert await session.call("echo", 1, deadline_s=2) == 1


async def test_one_that_floods_its_output_costs_little_and_its_end_is_kept(start_isolated: StartIsolated) -> None:
    session = await start_isolated()
    assert await session.call("flood", 2000, deadline_s=10) == "flooded"
    await until(lambda: asyncio.sleep(0, session.diagnose().last_words), lambda words: words.endswith("1999"))
    assert len(session.diagnose().last_words) <= 8 * 1024


async def test_one_that_floods_its_host_is_read_from_more_slowly(start_isolated: StartIsolated, host: Host) -> None:
    flooding, other = await start_isolated(Limits(hang_s=0.5)), await start_isolated()
    call = asyncio.create_task(flooding.call("flood_host", "x" * 1000, deadline_s=5))
    loop = asyncio.get_running_loop()
    slowest = 0.0
    for _ in range(100):
        began = loop.time()
        await other.call("echo", 1, deadline_s=2)
        slowest = max(slowest, loop.time() - began)
    assert slowest < 0.5
    assert host.count("flood") < 10_000
    assert "killed by SIGKILL" in await lost(call)


WRITE = """import os
for number in range(5):
    file = open(f'{number}', 'wb', buffering=0)
    kept = program.kept.setdefault('files', [])
    kept.append(file)
    file.write(bytes(1_000_000))
    if %s: os.unlink(f'{number}')"""


@pytest.mark.parametrize("hidden", [False, True])
async def test_what_it_writes_is_bounded(start_isolated: StartIsolated, tmp_path: Path, hidden: bool) -> None:
    """Also what is in no folder any more."""
    session = await start_isolated(Limits(file_mb=1, scratch_mb=3), scratch=tmp_path / "scratch")
    assert "private_scratch" in session.diagnose().layers
    with pytest.raises(SessionDenied, match="File too large"):
        await session.call("run", "open('a', 'wb').write(bytes(2_000_000))", deadline_s=2)
    with pytest.raises(SessionDenied, match="No space left on device"):
        await session.call("run", WRITE % hidden, deadline_s=2)
    assert list(tmp_path.glob("scratch/*/*")) == []


async def test_where_what_it_writes_cannot_be_bounded_it_is_looked_at(
    start_isolated: StartIsolated, host: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def plan(*arguments: Any) -> Launch:
        return msgspec.structs.replace(plan_launch(*arguments), scratch_mb=0)

    monkeypatch.setattr(process, "plan_launch", plan)
    session = await start_isolated(Limits(scratch_mb=3), scratch=tmp_path / "scratch")
    await session.call("run", WRITE % False, deadline_s=2)
    await until(lambda: asyncio.sleep(0, host.losses), bool)
    assert host.losses[0].exit == "killed by SIGKILL: more than 3 MB of files"


async def test_the_kernel_keeps_no_more_for_it_than_for_others(start_isolated: StartIsolated) -> None:
    session = await start_isolated()
    for ask in ("one.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 24)", "os.memfd_create('x')"):
        code = f"import os, socket\none, other = socket.socketpair()\n{ask}"
        with pytest.raises(SessionDenied, match="Operation not permitted"):
            await session.call("run", code, deadline_s=2)


async def test_it_writes_where_libraries_look_for_a_place(start_isolated: StartIsolated, tmp_path: Path) -> None:
    session = await start_isolated(scratch=tmp_path / "scratch")
    code = """import os, tempfile
with tempfile.NamedTemporaryFile() as file: return [os.getcwd(), os.path.expanduser('~'), file.name]"""
    here, home, name = await session.call("run", code, deadline_s=2)
    assert here == home
    assert Path(here).parent == tmp_path / "scratch"
    assert name.startswith(f"{here}/")


async def test_what_is_demanded_is_had_or_the_start_is_refused(
    start_isolated: StartIsolated, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = await start_isolated(minimum=LAYERS)
    assert session.diagnose().layers[: len(LAYERS)] == LAYERS
    monkeypatch.setattr(child, "find_place", lambda: None)
    with pytest.raises(SessionLost, match="cannot be had here: cgroup"):
        await start_isolated(minimum=(*LAYERS, "cgroup"))
    with pytest.raises(ConfigError, match="there is no layer moat of a sandbox; there are rlimits"):
        await start_isolated(minimum=("moat",))
