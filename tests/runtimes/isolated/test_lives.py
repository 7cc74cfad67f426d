"""A process that is lost is named, ends what waited for it, and comes back; nothing of it stays behind."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.runtimes.conftest import GUEST, StartIsolated
from tests.runtimes.programs import Host

from jackfield.errors import SessionDenied, SessionLost
from jackfield.runtimes.isolated.session import GuestProgram, IsolatedSession
from jackfield.runtimes.limits import Limits
from jackfield.testing.waiting import until


async def until_state(session: IsolatedSession, state: str) -> None:
    await until(lambda: asyncio.sleep(0, session.diagnose().state), lambda found: found == state)


async def until_lost(host: Host) -> None:
    await until(lambda: asyncio.sleep(0, host.losses), bool)


async def no_pause(seconds: float) -> None:
    """The process comes back at once."""


async def test_a_process_that_ends_is_named_with_its_last_words(start_isolated: StartIsolated, host: Host) -> None:
    session = await start_isolated()
    await session.call("print", "it rains", deadline_s=2)
    waiting = asyncio.create_task(session.call("wait", deadline_s=5))
    with pytest.raises(
        SessionLost, match=r"plugin weather: its process is gone: exit code 3; its last words: it rains"
    ):
        await session.call("exit", 3, deadline_s=2)
    with pytest.raises(SessionLost, match="exit code 3"):
        await waiting
    await until_lost(host)
    (loss,) = host.losses
    assert (loss.state, loss.exit, loss.last_words) == ("waiting", "exit code 3", "it rains\nerror: it rains")
    with pytest.raises(SessionLost, match="is gone, and will be started again; its process ended before: exit code 3"):
        await session.call("echo", deadline_s=2)


async def test_killed_it_comes_back_and_is_made_ready_anew(start_isolated: StartIsolated, host: Host) -> None:
    session = await start_isolated(pause=no_pause)
    before = session.diagnose().pid
    assert before is not None
    os.kill(before, signal.SIGKILL)
    await until_lost(host)
    await until_state(session, "running")
    assert await session.call("echo", 1, deadline_s=2) == 1
    after = session.diagnose()
    assert (host.starts, after.starts, after.exit) == (2, 2, "killed by SIGKILL")
    assert after.pid != before


async def test_one_that_is_lost_again_and_again_stays_away(
    make_isolated: Callable[..., IsolatedSession], host: Host
) -> None:
    pauses: list[float] = []

    async def pause(seconds: float) -> None:
        pauses.append(seconds)

    session = make_isolated(pause=pause)
    await session.start()
    host.fault = ValueError("no config any more")
    with pytest.raises(SessionLost, match="exit code 1"):
        await session.call("exit", 1, deadline_s=2)
    await until_state(session, "failed")
    assert pauses == [0.5, 1.0, 2.0, 4.0]
    assert [loss.state for loss in host.losses] == ["waiting"] * 4 + ["failed"]
    with pytest.raises(SessionLost, match="is not started again"):
        await session.call("echo", deadline_s=2)
    host.fault = None
    await session.start()
    assert await session.call("echo", 1, deadline_s=2) == 1


async def test_a_crash_in_native_code_is_named(start_isolated: StartIsolated) -> None:
    session = await start_isolated()
    with pytest.raises(SessionLost, match="killed by SIGSEGV: Segmentation fault"):
        await session.call("run", "import ctypes; ctypes.string_at(1)", deadline_s=5)


@pytest.mark.parametrize("code", ["raise SystemExit(3)", "raise KeyboardInterrupt", "raise GeneratorExit", "exit()"])
@pytest.mark.parametrize("wait", ["", "import asyncio; await asyncio.sleep(0)\n"], ids=["at once", "later"])
async def test_to_leave_is_an_error_of_the_call_and_ends_nothing(
    start_isolated: StartIsolated, code: str, wait: str
) -> None:
    session = await start_isolated()
    with pytest.raises(SessionDenied):
        await session.call("run", wait + code, deadline_s=2)
    assert await session.call("echo", 1, deadline_s=2) == 1
    assert session.diagnose().starts == 1


async def test_a_task_that_fails_unseen_ends_nothing(start_isolated: StartIsolated) -> None:
    session = await start_isolated()
    code = """import asyncio, gc
async def fail(): raise ValueError("nobody waits for this")
task = asyncio.create_task(fail())
await asyncio.sleep(0.01)
del task
gc.collect()"""
    await session.call("run", code, deadline_s=2)
    assert await session.call("echo", 1, deadline_s=2) == 1
    await until(lambda: asyncio.sleep(0, session.diagnose().last_words), lambda words: "nobody waits for this" in words)


async def test_a_module_that_is_none_is_named(make_isolated: Callable[..., IsolatedSession], tmp_path: Path) -> None:
    for source, words in (
        ("syntax error", "invalid syntax"),
        ("import nowhere", "No module named 'nowhere'"),
        ("", "has no attribute 'begin'"),
        ("raise SystemExit('I do not want to')", "I do not want to"),
        ("async def begin(arguments, rpc): raise ValueError('no such city')", "no such city"),
    ):
        (tmp_path / "none.py").write_text(source)
        session = make_isolated(program=GuestProgram(module="none", read=(tmp_path,), path=(str(tmp_path),)))
        with pytest.raises(SessionDenied, match=words):
            await session.start()
        assert session.diagnose().state == "failed"
        assert session.diagnose().pid is None


async def test_one_that_ends_while_it_loads_is_lost_with_its_last_words(
    make_isolated: Callable[..., IsolatedSession], tmp_path: Path
) -> None:
    (tmp_path / "ends.py").write_text("import os; print('goodbye'); os._exit(9)")
    session = make_isolated(program=GuestProgram(module="ends", read=(tmp_path,), path=(str(tmp_path),)))
    with pytest.raises(SessionLost, match="exit code 9; its last words: goodbye"):
        await session.start()


async def test_a_start_that_never_ends_is_ended(make_isolated: Callable[..., IsolatedSession], tmp_path: Path) -> None:
    (tmp_path / "stuck.py").write_text("while True: pass")
    program = GuestProgram(module="stuck", read=(tmp_path,), path=(str(tmp_path),))
    session = make_isolated(Limits(start_s=0.5), program)
    with pytest.raises(Exception, match=r"loading did not answer within 0.5 s"):
        await session.start()
    assert session.diagnose().state == "failed"
    assert session.diagnose().exit == "killed by SIGKILL"


async def test_its_arguments_come_to_it_and_are_seen_by_nobody_else(
    make_isolated: Callable[..., IsolatedSession],
) -> None:
    program = GuestProgram(module=GUEST.module, read=GUEST.read, path=GUEST.path, arguments={"key": "sk-very-secret"})
    session = make_isolated(program=program)
    await session.start()
    found = await session.call("run", "return program.kept['arguments']", deadline_s=2)
    assert found == {"key": "sk-very-secret"}
    for place in ("environ", "cmdline"):
        assert b"secret" not in Path(f"/proc/{session.diagnose().pid}/{place}").read_bytes()


async def test_one_that_listens_ends_by_itself_and_one_that_does_not_by_force(start_isolated: StartIsolated) -> None:
    session = await start_isolated()
    await session.call("run", "import threading; threading.Thread(target=threading.Event().wait).start()", deadline_s=2)
    await session.stop(2)
    assert session.diagnose().exit == "exit code 0"
    stubborn = await start_isolated()
    spinning = asyncio.create_task(stubborn.call("spin", deadline_s=5))
    await asyncio.sleep(0)
    await stubborn.stop(0.1)
    with pytest.raises(SessionLost, match="it was stopped"):
        await spinning
    assert stubborn.diagnose().exit == "killed by SIGKILL"


def count_what_is_open() -> tuple[set[str], int, int]:
    # What other tests have left to the collector must not go while this one counts.
    gc.collect()
    children = set(Path(f"/proc/self/task/{os.getpid()}/children").read_text().split())
    descriptors = sum(entry.is_symlink() for entry in Path("/proc/self/fd").iterdir())
    return children, descriptors, len(asyncio.all_tasks())


async def test_nothing_stays_behind(make_isolated: Callable[..., IsolatedSession], host: Host, tmp_path: Path) -> None:
    settings: dict[str, Any] = {"pause": no_pause, "spares": 1, "scratch": tmp_path / "scratch"}
    # Loops open something of their own with the first process.
    first = make_isolated(**settings)
    await first.start()
    await first.stop(1)
    before = count_what_is_open()
    session = make_isolated(**settings)
    await session.start()
    await session.call("run", "open('file', 'w').write('x')", deadline_s=2)
    with pytest.raises(SessionLost):
        await session.call("exit", 0, deadline_s=2)
    await until(lambda: asyncio.sleep(0, [each.is_running for each in session._processes]), all)
    await session.stop(1)
    await asyncio.sleep(0)
    assert count_what_is_open() == before
    assert not (tmp_path / "scratch").exists()


async def test_nothing_stays_of_one_that_could_not_be_launched(
    make_isolated: Callable[..., IsolatedSession], tmp_path: Path
) -> None:
    missing = GuestProgram(module=GUEST.module, python=tmp_path / "no-python")
    session = make_isolated(program=missing, scratch=tmp_path / "scratch")
    before = count_what_is_open()
    with pytest.raises(SessionLost, match="could not be started: the launcher cannot be run"):
        await session.start()
    assert count_what_is_open() == before
    assert not (tmp_path / "scratch").exists()
    (tmp_path / "file").touch()
    with pytest.raises(SessionLost, match="its folder to write into cannot be made"):
        await make_isolated(scratch=tmp_path / "file").start()


async def test_given_up_at_whatever_moment_nothing_stays_of_it(
    make_isolated: Callable[..., IsolatedSession], tmp_path: Path
) -> None:
    before = count_what_is_open()
    for turns in range(12):
        session = make_isolated(scratch=tmp_path / "scratch" if turns % 2 else None)
        starting = asyncio.create_task(session.start())
        for _ in range(turns):
            await asyncio.sleep(0)
        starting.cancel()
        await asyncio.wait([starting])
    await asyncio.sleep(0)
    assert count_what_is_open() == before
    assert not list(tmp_path.glob("scratch/*"))
