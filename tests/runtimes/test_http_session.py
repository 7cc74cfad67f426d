"""A session with a service: found where it runs, started where it does not, and kept."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from tests.runtimes.http_program import Program, Server
from tests.runtimes.programs import Host

from jackfield.clock import SystemClock
from jackfield.errors import ConfigError, SessionDenied, SessionLost
from jackfield.runtimes.http.errors import ServiceFault
from jackfield.runtimes.http.program import Order, minimal_environ
from jackfield.runtimes.http.service import Service, open_client
from jackfield.runtimes.http.session import HttpSession, Pace
from jackfield.testing.gateway import find_free_port
from jackfield.testing.waiting import until

PROGRAM = Path(__file__).with_name("http_program.py")
PACE = Pace(probe_s=1, start_s=5, first_pause_s=0.02, longest_pause_s=0.1, grace_s=1)

Make = Callable[..., HttpSession]


def order(port: int, *arguments: str, **changes: Any) -> Order:
    told: dict[str, Any] = {
        "argv": (sys.executable, "-S", str(PROGRAM), str(port), *arguments),
        "cwd": "/",
        "environ": minimal_environ({}, {"PATH": os.environ["PATH"]}),
        "memory_mb": 1024,
    }
    return Order(**told | changes)


@pytest.fixture
async def make(host: Host) -> AsyncIterator[Make]:
    """Sessions that end with the test; by default with a program that is to be started on a free port."""
    async with AsyncExitStack() as stack:
        client = open_client()
        stack.push_async_callback(client.aclose)

        def make_one(port: int | None = None, order_: Order | None = None, **settings: Any) -> HttpSession:
            port = port or find_free_port()
            service = Service(f"http://127.0.0.1:{port}/", client)
            pace = settings.pop("pace", PACE)
            session = HttpSession("weather", service, host, SystemClock(), order_ or order(port), pace=pace, **settings)
            stack.push_async_callback(session.stop, 0)
            return session

        yield make_one


async def deed(session: HttpSession, name: str) -> Any:
    asked = {"model": "small", "messages": [{"role": "user", "content": name}]}
    return await session.call("chat/completions", asked, deadline_s=5)


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()[0] != b"Z"
    except OSError:
        return False


async def test_stopped_while_its_program_is_being_ended_it_waits_for_that(make: Make) -> None:
    session = make()
    await session.start()
    program = session._program
    assert program is not None
    session.lose("nobody is there")
    while program._lifeline >= 0:
        await asyncio.sleep(0)
    await session.stop(0)
    assert program.ended.done()
    assert not is_alive(program.pid)


async def gone(pid: int) -> None:
    async def look() -> bool:
        return is_alive(pid)

    await until(look, lambda alive: not alive)


async def back(session: HttpSession, starts: int) -> None:
    async def look() -> tuple[str, int]:
        found = session.diagnose()
        return found.state, found.starts

    await until(look, lambda found: found == ("running", starts))


async def test_it_is_started_where_nobody_answers_with_what_its_order_says(make: Make, tmp_path: Path) -> None:
    port = find_free_port()
    environ = minimal_environ(
        {"LOG_LEVEL": "info", "PORT": str(port)}, {"PATH": "/usr/bin:/bin", "JACKFIELD_SECRET": "s"}
    )
    session = make(port, order(1, "small", "--flag", cwd=str(tmp_path), environ=environ))
    await session.start()
    told = (await deed(session, "tell"))["told"]
    assert told["descriptors"] <= 10
    assert told["argv"] == ["1", "small", "--flag"]
    assert told["cwd"] == str(tmp_path)
    assert set(told["environ"]) - {"LC_CTYPE"} == {"LOG_LEVEL", "PATH", "PORT", "PYTHONUNBUFFERED"}
    found = session.diagnose()
    assert (found.state, found.pid, found.starts) == ("running", told["pid"], 1)
    assert {"session", "subreaper", "no_new_privs"} <= set(found.layers)
    await session.stop(1)
    assert not is_alive(told["pid"])


async def test_who_runs_already_is_not_started(make: Make) -> None:
    server = Server(Program())
    port = await server.open()
    session = make(port)
    await session.start()
    assert session.diagnose().pid is None
    assert session.diagnose().starts == 0
    await session.stop(1)
    await server.close()


LAST_WORDS = "print('my last words'); raise SystemExit(7)"


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"argv": ("/no/such/program",)}, "command_failed: cannot be run: /no/such/program: No such file"),
        ({"cwd": "/no/such/folder"}, "command_failed: cannot be run"),
        ({"argv": (sys.executable, "-c", LAST_WORDS)}, "exit code 7; its last words: my last words"),
    ],
)
async def test_one_that_does_not_start_is_told_of_with_its_last_words(
    make: Make, changes: dict[str, Any], told: str
) -> None:
    session = make(None, order(1, **changes))
    with pytest.raises(SessionLost) as caught:
        await session.start()
    assert told in caught.value.message
    assert session.diagnose().state == "failed"
    assert session.diagnose().pid is None


async def test_one_that_is_nobodys_to_start_is_unreachable(make: Make) -> None:
    session = make(may_start=lambda: False)
    with pytest.raises(
        SessionLost, match=r"endpoint_unreachable: nothing answers at http.* another worker of the gateway"
    ):
        await session.start()
    assert session.diagnose().starts == 0


async def test_lost_it_is_started_and_made_ready_again(make: Make, host: Host) -> None:
    session = make()
    await session.start()
    with pytest.raises(SessionLost):
        await deed(session, "die")
    await back(session, 2)
    assert host.starts == 2
    assert await session.call("echo", 1, deadline_s=1) == 1
    (loss,) = host.losses
    assert loss.exit == "exit code 3"
    assert loss.last_words.endswith("about to die")


async def test_killed_it_leaves_nothing_and_comes_back(make: Make, host: Host) -> None:
    session = make()
    await session.start()
    pid = session.diagnose().pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    await back(session, 2)
    assert host.losses[0].exit == "killed by SIGKILL"
    assert not is_alive(pid)


async def test_too_many_starts_are_a_crash_loop_that_is_told_of(make: Make, host: Host) -> None:
    port = find_free_port()
    script = f"import sys; sys.path.insert(0, '{PROGRAM.parent}'); print('I was here'); raise SystemExit(9)"
    session = make(port, order(port, argv=(sys.executable, "-S", "-c", script)))
    failure = await session.keep(2)
    assert isinstance(failure, SessionLost)

    async def state() -> str:
        return session.diagnose().state

    await until(state, lambda found: found == "failed", within=10)
    assert session.problem.startswith("crash_loop: 5 starts within")
    assert "exit code 9" in session.problem
    assert "I was here" in session.problem
    assert session.diagnose().starts == 5
    server = Server(Program())
    await server.open(port)
    await until(state, lambda found: found == "running")
    await session.stop(1)
    await server.close()


async def test_a_crash_loop_is_over_when_its_files_are_mended(make: Make, tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text("open('own.log', 'a').write('ended'); raise SystemExit(9)")
    port = find_free_port()
    own = order(port, argv=(sys.executable, "-S", "program.py", str(port), "small"), cwd=str(tmp_path))
    pace = Pace(probe_s=1, start_s=5, first_pause_s=0.01, longest_pause_s=60, crash_starts=2, look_s=0.02)
    session = make(port, own, pace=pace)
    await session.keep(2)

    async def state() -> str:
        return session.diagnose().state

    await until(state, lambda found: found == "failed")
    assert session.diagnose().starts == 2
    (tmp_path / "program.py").write_text(f"import runpy\nrunpy.run_path({str(PROGRAM)!r}, run_name='__main__')\n")
    await back(session, 3)


async def test_a_crash_loop_is_over_after_a_while(make: Make) -> None:
    pace = Pace(probe_s=1, start_s=5, first_pause_s=0.01, longest_pause_s=0.02, crash_starts=2, calm_s=0.3)
    session = make(None, order(1, argv=("/no/such/program",)), pace=pace)
    await session.keep(2)

    async def starts() -> int:
        return session.diagnose().starts

    await until(starts, lambda found: found >= 4)


async def test_it_ends_when_it_is_asked_and_is_made_to_where_it_does_not(make: Make, tmp_path: Path) -> None:
    stubborn = "import signal; signal.signal(signal.SIGTERM, lambda *_: print('not yet', flush=True));"
    script = f"{stubborn} import sys, runpy; sys.argv = sys.argv[1:]; runpy.run_path(sys.argv[0], run_name='__main__')"
    for code, longest in ((None, 0.9), (script, 5.0)):
        port = find_free_port()
        argv = (sys.executable, "-S", str(PROGRAM), str(port))
        session = make(port, order(port, argv=argv if code is None else (argv[0], "-S", "-c", code, *argv[2:])))
        await session.start()
        pid = session.diagnose().pid
        assert pid is not None
        loop = asyncio.get_running_loop()
        began = loop.time()
        await session.stop(1.0)
        assert loop.time() - began < longest
        assert not is_alive(pid)


async def test_what_it_has_started_ends_with_it(make: Make, tmp_path: Path) -> None:
    note = tmp_path / "pid"
    shell = f"setsid sleep 60 & echo $! > {note}; exec {sys.executable} -S {PROGRAM} $0"
    port = find_free_port()
    session = make(port, order(port, argv=("/bin/sh", "-c", shell, str(port))))
    await session.start()
    child = int(note.read_text())
    assert is_alive(child)
    await session.stop(1)
    await gone(child)


async def test_its_holder_killed_takes_it_along(make: Make) -> None:
    session = make()
    await session.start()
    pid = session.diagnose().pid
    assert pid is not None
    holder = int(Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()[1])
    os.kill(holder, signal.SIGKILL)
    await gone(pid)
    await back(session, 2)


async def test_large_values_pass_and_larger_ones_are_refused(make: Make) -> None:
    session = make()
    await session.start()
    value = {"text": "ü" * 2_000_000}
    assert await session.call("echo", value, deadline_s=5) == value
    with pytest.raises(ValueError, match="at most 16,777,216"):
        await session.call("echo", "x" * 17_000_000, deadline_s=5)


async def test_a_stream_waits_when_what_lies_between_is_full(make: Make) -> None:
    session = make()
    await session.start()
    items = session.stream("large", 1_000, deadline_s=2)
    assert await anext(items)
    made = [await session.call("made", deadline_s=2) for _ in range(5)]
    assert made[-1] < 200
    await items.aclose()  # type: ignore[attr-defined]
    await until(lambda: session.call("aborted", deadline_s=1), lambda found: found == 1)


async def test_what_it_is_told_it_gets_and_too_much_is_dropped(make: Make) -> None:
    session = make()
    session.tell("initialize", {"a": 0})
    await session.start()
    for number in range(500):
        session.tell("initialize", {"a": number})
    await until(lambda: session.call("health", deadline_s=1), lambda found: found["healthy"])


async def test_a_service_is_asked_with_its_faults_as_exceptions() -> None:
    client = open_client()
    with pytest.raises(ConfigError, match="endpoint is required"):
        Service("", client)
    gone = Service(f"http://127.0.0.1:{find_free_port()}", client)
    with pytest.raises(ServiceFault) as caught:
        await gone.get("health", 1)
    assert not caught.value.fault.reached
    assert str(caught.value)
    await client.aclose()


async def test_an_answer_that_does_not_fit_is_denied(make: Make) -> None:
    session = make()
    await session.start()
    assert await session.call("echo", 5, deadline_s=1, into=int) == 5
    with pytest.raises(SessionDenied, match="its answer is none"):
        await session.call("echo", "five", deadline_s=1, into=int)
