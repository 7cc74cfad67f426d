"""One plugin in several processes: who gets which call, and who takes over."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable
from typing import Any

import pytest
from tests.runtimes.conftest import StartIsolated
from tests.runtimes.programs import Host

from jackfield.errors import SessionLost
from jackfield.runtimes.base import Session
from jackfield.runtimes.isolated import session as sessions
from jackfield.runtimes.isolated.session import IsolatedSession, current_process
from jackfield.testing.waiting import until

WHO = "import os; return os.getpid()"


async def ask(session: IsolatedSession, sticky: str | None = None) -> Any:
    return await session.call("run", WHO, deadline_s=2, sticky=sticky)


async def never(seconds: float) -> None:
    """Who is lost stays lost."""
    await asyncio.Event().wait()


async def test_calls_go_to_the_least_busy(start_isolated: StartIsolated, host: Host) -> None:
    session = await start_isolated(workers=3)
    code = "rpc.tell('waiting', __import__('os').getpid()); await __import__('asyncio').Event().wait()"
    waiting = [asyncio.create_task(session.call("run", code, deadline_s=5)) for _ in range(6)]
    await until(lambda: asyncio.sleep(0, host.count("waiting")), lambda number: number == 6)
    places = [pid for method, pid in host.heard if method == "waiting"]
    assert sorted(places.count(pid) for pid in session.diagnose().pids) == [2, 2, 2]
    for call in waiting:
        call.cancel()


async def test_calls_of_one_exchange_go_to_one_process(
    start_isolated: StartIsolated, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sessions, "MOST_STICKY", 3)
    session = await start_isolated(workers=2)
    asked = [asyncio.create_task(ask(session, f"exchange{number % 2}")) for number in range(20)]
    places = await asyncio.gather(*asked)
    assert len(set(places)) == 2
    assert len(set(places[::2])) == len(set(places[1::2])) == 1
    assert [item async for item in session.stream("count", 3, deadline_s=2, sticky="exchange0")] == [0, 1, 2]
    for number in range(10):
        await ask(session, f"other{number}")
    assert len(session._sticky) == 3


async def test_the_last_word_of_an_exchange_goes_to_its_process(start_isolated: StartIsolated, host: Host) -> None:
    session = await start_isolated(workers=2)
    await ask(session, "exchange")
    session.tell("heard", "over", sticky="exchange")
    session.tell("heard", "unknown", sticky="no exchange")
    session.tell("heard", "all")
    await asyncio.gather(*(session.call("echo", deadline_s=2) for _ in range(2)))
    await until(lambda: asyncio.sleep(0, host.count("heard")), lambda number: number == 3)
    assert sorted(told for method, told in host.heard if method == "heard") == ["all", "all", "over"]
    assert not session._sticky


class Numbering(Host):
    """Tells which process asks."""

    async def answer(self, method: str, params: Any) -> Any:
        return current_process()

    async def on_start(self, session: Session) -> None:
        self.heard.append((f"started {current_process()}", await session.call("run", WHO, deadline_s=5)))


@pytest.fixture
def host() -> Host:
    return Numbering()


async def test_each_process_is_made_ready_and_known_by_its_number(start_isolated: StartIsolated, host: Host) -> None:
    session = await start_isolated(workers=2, spares=1)
    assert sorted(method for method, _ in host.heard) == ["started 1", "started 2", "started 3"]
    assert sorted(pid for _, pid in host.heard) == sorted(session.diagnose().pids)
    started = {pid: method[-1] for method, pid in host.heard}
    for _ in range(2):
        pid, number = await session.call("run", f"{WHO[:11]}return [os.getpid(), await rpc.call('who')]", deadline_s=2)
        assert started[pid] == f"{number}"


async def test_a_spare_gets_no_calls_and_takes_over_at_once(start_isolated: StartIsolated, host: Host) -> None:
    session = await start_isolated(spares=1, pause=never)
    first, spare = session.diagnose().pids
    assert {await ask(session) for _ in range(5)} == {first}
    with pytest.raises(SessionLost, match="exit code 1"):
        await session.call("exit", 1, deadline_s=2)
    assert await ask(session) == spare
    await until(lambda: asyncio.sleep(0, host.losses), bool)
    told = session.diagnose()
    assert (told.state, told.pid, told.pids, told.exit) == ("running", spare, (spare,), "exit code 1")
    assert host.losses[0].state == "running"


async def test_who_comes_back_is_the_spare_then(start_isolated: StartIsolated, host: Host) -> None:
    async def no_pause(seconds: float) -> None:
        """At once."""

    session = await start_isolated(spares=1, pause=no_pause)
    first, spare = session.diagnose().pids
    for killed, next_ in ((first, spare), (spare, None)):
        os.kill(killed, signal.SIGKILL)
        await until(lambda: asyncio.sleep(0, session.diagnose().pids), lambda pids, killed=killed: killed not in pids)
        found = await ask(session)
        assert found == (next_ or found)
        assert found not in (first, killed)
        await until(lambda: asyncio.sleep(0, [each.is_running for each in session._processes]), all)
    assert session.diagnose().starts == 4


async def test_an_exchange_whose_process_is_lost_goes_on_elsewhere(start_isolated: StartIsolated) -> None:
    session = await start_isolated(workers=2, pause=never)
    before = await ask(session, "exchange")
    os.kill(before, signal.SIGKILL)
    await until(lambda: asyncio.sleep(0, session.diagnose().pids), lambda pids: before not in pids)
    after = await ask(session, "exchange")
    assert after != before
    assert await ask(session, "exchange") == after


async def test_where_all_are_lost_it_is_told_why(start_isolated: StartIsolated, host: Host) -> None:
    session = await start_isolated(workers=2, pause=never)
    for _ in range(2):
        with pytest.raises(SessionLost, match="exit code 1"):
            await session.call("exit", 1, deadline_s=2)
    await until(lambda: asyncio.sleep(0, host.losses), lambda losses: len(losses) == 2)
    assert [loss.state for loss in host.losses][-1] == "waiting"
    with pytest.raises(SessionLost, match="will be started again; its process ended before: exit code 1"):
        await session.call("echo", deadline_s=2)
    with pytest.raises(SessionLost, match="cannot be started: it is waiting"):
        await session.start()


async def test_where_one_does_not_start_none_stays(make_isolated: Callable[..., IsolatedSession]) -> None:
    class Choosy(Host):
        async def on_start(self, session: Session) -> None:
            if current_process() == 2 and self.fault is not None:
                raise self.fault

    host = Choosy()
    session = make_isolated(answerer=host, workers=3)
    host.fault = ValueError("not this one")
    with pytest.raises(ValueError, match="not this one"):
        await session.start()
    assert session.diagnose().state == "failed"
    assert session.diagnose().pids == ()
    host.fault = None
    await session.start()
    assert len(session.diagnose().pids) == 3


async def test_stopped_while_they_start_none_stays(make_isolated: Callable[..., IsolatedSession]) -> None:
    session = make_isolated(workers=2)
    starting = asyncio.create_task(session.start())
    await until(lambda: asyncio.sleep(0, session.diagnose().pids), bool)
    await session.stop(1)
    with pytest.raises(SessionLost):
        await starting
    assert (session.diagnose().state, session.diagnose().pids) == ("stopped", ())


async def test_pings_go_to_all_that_work(start_isolated: StartIsolated) -> None:
    session = await start_isolated(workers=2)
    await session.ping(1)
