"""A guest whose process is gone: what becomes of the exchanges, of what it registered, and of the plugin."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path
from typing import Any

import pytest
from tests.guests.places import find, host_plugin

from jackfield.clock import SystemClock
from jackfield.guests.reader import IsolatedReader
from jackfield.runtimes import process
from jackfield.settings import IsolationSettings, PluginIsolation
from jackfield.testing.host import FakeHost
from jackfield.testing.waiting import until

FRAIL = """
import os
from jackfield.sdk import Plugin, Reject, hook, tool, subscribe, task


class Seen:
    def __init__(self):
        self.points = []


class Frail(Plugin):
    permissions = ("tools:register", "events:subscribe", "scheduler:write")

    @hook("ingress")
    async def come(self, exchange):
        exchange.local(Seen).points.append("ingress")

    @hook("pre_flight", on_failure="closed")
    async def check(self, exchange):
        seen = exchange.local(Seen)
        said = exchange.request.last_user_text()
        if said == "die":
            os._exit(7)
        if said == "tell":
            return Reject(400, "told", f"{seen.points} {os.getpid()}")

    @tool("Who it is.")
    async def who(self):
        return os.getpid()

    @subscribe("city:found")
    async def hear(self, event):
        pass

    @task(every_s=600)
    async def tick(self):
        pass
"""


def write(folder: Path) -> Path:
    place = folder / "frail"
    place.mkdir()
    (place / "plugin.py").write_text(FRAIL)
    return folder


async def state_of(host: FakeHost) -> Any:
    return host.plugin.diagnose()["state"]


async def exit_of(host: FakeHost) -> Any:
    return host.plugin.diagnose()["exit"]


async def copy_of(told: list[Any]) -> list[Any]:
    return list(told)


async def back(host: FakeHost) -> None:
    await until(lambda: state_of(host), lambda state: state == "running", within=5)


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is lost is started again at once."""
    monkeypatch.setattr(process, "FIRST_PAUSE_S", 0.02)


async def test_closed_refuses_open_passes_and_it_comes_back(tmp_path: Path) -> None:
    async with host_plugin("isolated", "frail", folder=write(tmp_path)) as host:
        told: list[tuple[bool, str]] = []
        host.plugin.report = lambda ok, detail: told.append((ok, detail))
        first = await host.call_tool("who")
        assert (await host.request("die")).status == 502
        await until(lambda: exit_of(host), lambda told: told is not None and "exit code 7" in told, within=5)
        await back(host)
        assert (await host.request("hello")).status == 200
        second = await host.call_tool("who")
        assert second.success
        assert second.result != first.result
        assert [tool.name for tool in host.tools] == ["plugin_frail_who"]
        assert told[0][0] is False
        assert told[0][1].startswith("its process is gone: exit code 7")
        assert told[-1] == (True, "")
        for hook in host.hooks:
            hook.closed = False
        assert (await host.request("die")).status == 200


async def test_the_calls_of_one_exchange_go_to_one_of_several_processes(tmp_path: Path) -> None:
    found = find("frail", write(tmp_path))
    isolation = IsolationSettings(plugins={"frail": PluginIsolation(workers=2)})
    reader = IsolatedReader(SystemClock(), isolation, tmp_path / "data")
    async with FakeHost(await reader.read(found)) as host:
        assert len(host.plugin.diagnose()["pids"]) == 2
        assert [tool.name for tool in host.tools] == ["plugin_frail_who"]
        trials = await asyncio.gather(*(host.request("tell") for _ in range(20)))
        told = [trial.error.message for trial in trials if trial.error is not None]
        assert len(told) == 20
        assert all(message.startswith("['ingress'] ") for message in told)
        assert len({message.rpartition(" ")[2] for message in told}) == 2


async def test_an_exchange_goes_on_with_a_process_that_did_not_see_its_beginning(tmp_path: Path) -> None:
    async with host_plugin("isolated", "frail", folder=write(tmp_path)) as host:
        check = next(hook for hook in host.hooks if hook.name == "check")
        call = check.call

        async def lose(exchange: Any, *given: Any) -> Any:
            os.kill(host.plugin.diagnose()["pid"], signal.SIGKILL)
            await until(lambda: state_of(host), lambda state: state == "waiting", within=5)
            await back(host)
            return await call(exchange, *given)

        check.call, check.deadline_s = lose, 10.0
        trial = await host.request("tell")
        assert trial.error is not None
        assert trial.error.message.startswith("[] ")
        check.call = call
        trial = await host.request("tell")
        assert trial.error is not None
        assert trial.error.message.startswith("['ingress'] ")


async def test_what_is_over_the_guest_keeps_no_longer(tmp_path: Path) -> None:
    async with host_plugin("isolated", "frail", folder=write(tmp_path)) as host:
        guest: Any = host.plugin
        told: list[Any] = []
        session = guest.jackfield_guest.session
        tell = session.tell
        session.tell = lambda method, params=None, **how: (told.append((method, params)), tell(method, params, **how))
        trial = await host.request("hello")
        exchange = trial.id
        del trial
        host._underway.clear()
        assert await until(lambda: copy_of(told), bool, within=2) == [("over", {"exchange": exchange})]
