"""A process that is lost is named, ends what waited for it, and comes back; nothing of it stays behind."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.runtimes.conftest import PROGRAM, StartNode
from tests.runtimes.programs import Host

from jackfield.clock import SystemClock
from jackfield.errors import SessionDenied, SessionLost
from jackfield.runtimes import process
from jackfield.runtimes.limits import Limits
from jackfield.runtimes.node import NodeSession
from jackfield.sdk.caller import Caller, acting_for
from jackfield.testing.waiting import until


async def state_of(session: NodeSession) -> str:
    return session.diagnose().state


async def until_state(session: NodeSession, state: str) -> None:
    await until(lambda: state_of(session), lambda found: found == state, within=5)


async def until_lost(host: Host) -> None:
    await until(lambda: asyncio.sleep(0, host.losses), bool, within=5)


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


async def test_a_process_that_ends_is_named_with_its_last_words(start_node: StartNode, host: Host) -> None:
    session = await start_node()
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


async def test_it_comes_back_and_is_made_ready_anew(start_node: StartNode, host: Host, pauses: list[float]) -> None:
    session = await start_node()
    before = session.diagnose().pid
    with pytest.raises(SessionLost, match="killed by SIGABRT"):
        await session.call("die", deadline_s=2)
    await until_state(session, "running")
    assert await session.call("echo", 1, deadline_s=2) == 1
    assert host.starts == 2
    after = session.diagnose()
    assert (after.starts, after.exit) == (2, "killed by SIGABRT")
    assert after.pid != before
    assert pauses == [0.5]


async def test_an_uncaught_exception_ends_it_and_is_what_is_told_of_its_end(start_node: StartNode, host: Host) -> None:
    session = await start_node()
    await session.call("throw_later", deadline_s=2)
    await until_lost(host)
    assert host.losses[0].exit == "exit code 1: nobody caught Error: nobody catches this"
    assert "nobody catches this" in host.losses[0].last_words


async def test_a_promise_that_nobody_waits_for_harms_nobody(start_node: StartNode) -> None:
    session = await start_node()
    await session.call("reject_later", deadline_s=2)
    assert await session.call("echo", 1, deadline_s=2) == 1
    await until(lambda: told(session), lambda words: "nobody waits for this" in words)


async def told(session: NodeSession) -> str:
    return session.diagnose().last_words


async def test_pauses_double_until_it_is_given_up(
    make_node: Callable[..., NodeSession], host: Host, pauses: list[float]
) -> None:
    session = make_node()
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


class Later(SystemClock):
    """A clock that can be put forward."""

    ahead = 0.0

    def monotonic(self) -> float:
        return super().monotonic() + self.ahead


async def test_a_good_life_makes_what_was_before_forgotten(tmp_path: Path, host: Host, pauses: list[float]) -> None:
    clock = Later()
    session = NodeSession("weather", PROGRAM, tmp_path, host, clock)
    await session.start()
    try:
        for ahead in (0.0, 0.0, 61.0, 0.0):
            clock.ahead += ahead
            with pytest.raises(SessionLost):
                await session.call("exit", 1, deadline_s=2)
            await until_state(session, "running")
        assert pauses == [0.5, 1.0, 0.5, 1.0]
    finally:
        await session.stop(0)


async def test_who_calls_while_it_is_made_ready_is_told_so(tmp_path: Path) -> None:
    """Only what makes it ready may call, and what that starts."""
    entered, go_on = asyncio.Event(), asyncio.Event()

    class Slow(Host):
        async def on_start(self, session: Any) -> None:
            await super().on_start(session)
            entered.set()
            await go_on.wait()

    session = NodeSession("weather", PROGRAM, tmp_path, Slow(), SystemClock())
    starting = asyncio.create_task(session.start())
    await entered.wait()
    with pytest.raises(SessionLost, match="plugin weather is starting"):
        await session.call("echo", deadline_s=1)
    go_on.set()
    await starting
    assert await session.call("echo", 1, deadline_s=1) == 1
    await session.stop(0)


async def test_a_start_that_never_ends_is_ended(make_node: Callable[..., NodeSession], tmp_path: Path) -> None:
    stuck = tmp_path / "stuck.mjs"
    stuck.write_text("await new Promise(() => setInterval(() => {}, 1000)); export default {};")
    session = NodeSession("weather", stuck, tmp_path, Host(), SystemClock(), Limits(start_s=0.3))
    with pytest.raises(Exception, match=r"loading did not answer within 0.3 s"):
        await session.start()
    assert session.diagnose().state == "failed"
    assert session.diagnose().exit == "killed by SIGKILL"


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("export default 5;", "does not export a program"),
        ("import 'nowhere';", "nowhere"),
        ("syntax error", "Unexpected identifier"),
    ],
)
async def test_a_program_that_is_none_is_named(tmp_path: Path, source: str, words: str) -> None:
    program = tmp_path / "none.mjs"
    program.write_text(source)
    session = NodeSession("weather", program, tmp_path, Host(), SystemClock())
    with pytest.raises(SessionDenied, match=words):
        await session.start()


async def test_a_program_that_ends_while_it_loads_is_lost_with_its_last_words(tmp_path: Path) -> None:
    program = tmp_path / "ends.mjs"
    program.write_text("console.log('goodbye'); process.exit(9);")
    session = NodeSession("weather", program, tmp_path, Host(), SystemClock())
    with pytest.raises(SessionLost, match="exit code 9; its last words: goodbye"):
        await session.start()


async def test_a_killed_process_is_noticed(start_node: StartNode, host: Host) -> None:
    session = await start_node()
    pid = session.diagnose().pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    await until_lost(host)
    assert host.losses[0].exit == "killed by SIGKILL"


async def test_stopped_while_it_waits_to_come_back_it_does_not(start_node: StartNode, host: Host) -> None:
    session = await start_node()
    with pytest.raises(SessionLost):
        await session.call("exit", 1, deadline_s=2)
    await until_state(session, "waiting")
    await session.stop(1)
    assert session.diagnose().state == "stopped"
    assert session.diagnose().pid is None


async def test_stopped_while_it_starts_it_ends(make_node: Callable[..., NodeSession]) -> None:
    session = make_node()
    starting = asyncio.create_task(session.start())
    await until(lambda: state_of(session), lambda state: session.diagnose().pid is not None)
    await session.stop(1)
    with pytest.raises(SessionLost):
        await starting
    assert session.diagnose().state == "stopped"
    assert session.diagnose().pid is None


async def test_one_that_does_not_listen_is_ended_by_force(start_node: StartNode) -> None:
    session = await start_node()
    spinning = asyncio.create_task(session.call("spin", deadline_s=5))
    await asyncio.sleep(0)
    await session.stop(0.1)
    with pytest.raises(SessionLost, match="it was stopped"):
        await spinning
    assert session.diagnose().exit == "killed by SIGKILL"


async def test_one_that_listens_ends_by_itself(start_node: StartNode) -> None:
    session = await start_node()
    await session.stop(2)
    assert session.diagnose().exit == "exit code 0"


def descriptors() -> set[str]:
    return {f"{entry.name}: {os.readlink(entry)}" for entry in Path("/proc/self/fd").iterdir() if entry.is_symlink()}


def children() -> set[str]:
    return set(Path(f"/proc/self/task/{os.getpid()}/children").read_text().split())


async def test_nothing_stays_behind(make_node: Callable[..., NodeSession], pauses: list[float]) -> None:
    # Loops open something of their own with the first process.
    first = make_node()
    await first.start()
    await first.stop(1)
    gc.collect()
    before = (children(), len(descriptors()), len(asyncio.all_tasks()), len(os.listdir("/proc/self/task")))
    for number in range(3):
        session = make_node()
        await session.start()
        if number % 2:
            with pytest.raises(SessionLost):
                await session.call("exit", 0, deadline_s=2)
            await until_state(session, "running")
        with acting_for(Caller(user="alice")):
            await session.call("ask", {"method": "who"}, deadline_s=2)
        await session.stop(number)
    await asyncio.sleep(0)
    gc.collect()
    after = (children(), len(descriptors()), len(asyncio.all_tasks()), len(os.listdir("/proc/self/task")))
    assert after == before


async def test_it_does_not_outlive_its_host(tmp_path: Path) -> None:
    """Killed, the gateway has no time to end its plugins, and one that spins hears of nothing."""
    script = tmp_path / "host.py"
    places = f"Path({str(PROGRAM)!r}), Path({str(tmp_path)!r})"
    script.write_text(
        "import asyncio\n"
        "from pathlib import Path\n"
        "from jackfield.clock import SystemClock\n"
        "from jackfield.runtimes.node import NodeSession\n"
        "from tests.runtimes.programs import Host\n"
        "async def main():\n"
        f"    session = NodeSession('weather', {places}, Host(), SystemClock())\n"
        "    await session.start()\n"
        "    print(session.diagnose().pid, flush=True)\n"
        "    await session.call('spin', deadline_s=60)\n"
        "asyncio.run(main())\n"
    )
    root = Path(__file__).resolve().parents[2]
    gateway = await asyncio.create_subprocess_exec(
        sys.executable,
        str(script),
        cwd=root,
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(root)},
    )
    assert gateway.stdout is not None
    async with asyncio.timeout(10):
        pid = int(await gateway.stdout.readline())
    gateway.kill()
    await gateway.wait()

    async def lives() -> bool:
        try:
            return b") Z" not in Path(f"/proc/{pid}/stat").read_bytes()
        except FileNotFoundError:
            return False

    await until(lives, lambda alive: not alive, within=5)
