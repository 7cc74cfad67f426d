"""Reading an isolated plugin: it is started once, and ends where nobody takes it."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from tests.guests.places import find

from jackfield.clock import SystemClock
from jackfield.errors import ManifestError, SessionLost
from jackfield.guests import plugin as guests
from jackfield.guests.reader import Ground, IsolatedReader
from jackfield.host.loader import PluginBroke
from jackfield.runtimes.base import Session
from jackfield.settings import IsolationSettings
from jackfield.sources.base import Found
from jackfield.testing.host import FakeHost
from jackfield.testing.waiting import until


@pytest.fixture
def reader(tmp_path: Path) -> IsolatedReader:
    return IsolatedReader(SystemClock(), IsolationSettings(), tmp_path / "data")


async def test_it_is_started_once_and_taken_over(reader: IsolatedReader) -> None:
    blueprint = await reader.read(find("refused"))
    async with FakeHost(blueprint) as host:
        assert (host.plugin.diagnose()["starts"], host.manifest.id) == (1, "refused")
    assert host.plugin.diagnose()["state"] == "stopped"


async def test_one_that_nobody_takes_ends_by_itself(reader: IsolatedReader, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guests, "PATIENCE_S", 0.01)
    opened: list[Session] = []
    offer = guests.Code.offer
    monkeypatch.setattr(guests.Code, "offer", lambda code, guest: (opened.append(guest.session), offer(code, guest)))
    await reader.read(find("refused"))

    async def state() -> str:
        return opened[0].diagnose().state

    await until(state, lambda found: found == "stopped", within=5)
    await reader.aclose()


async def test_another_instance_gets_a_process_of_its_own(reader: IsolatedReader) -> None:
    blueprint = await reader.read(find("refused"))
    async with FakeHost(blueprint) as first, FakeHost(blueprint) as second:
        assert first.plugin.diagnose()["pid"] != second.plugin.diagnose()["pid"]


async def test_it_stands_on_what_was_made_for_it(tmp_path: Path) -> None:
    packages = tmp_path / "packages"
    packages.mkdir()
    (packages / "almanac.py").write_text("CITY = 'Troy'\n")
    place = tmp_path / "plugins" / "uses"
    place.mkdir(parents=True)
    (place / "plugin.py").write_text(
        "import almanac\nfrom jackfield.sdk import Plugin\n\nclass Uses(Plugin):\n    description = almanac.CITY\n"
    )

    async def find_ground(found: Found) -> Ground:
        return Ground(path=(str(packages),), read=(packages,))

    reader = IsolatedReader(SystemClock(), IsolationSettings(), tmp_path / "data", ground=find_ground)
    blueprint = await reader.read(find("uses", tmp_path / "plugins"))
    assert blueprint.manifest.description == "Troy"
    await reader.aclose()


async def test_what_stands_in_no_folder_is_refused(reader: IsolatedReader) -> None:
    installed = msgspec.structs.replace(find("refused"), root=None)
    with pytest.raises(ManifestError, match="installed in the gateway's own interpreter"):
        await reader.read(installed)
    foreign = msgspec.structs.replace(find("refused"), dialect="provider")
    with pytest.raises(ManifestError, match="plugins of the provider dialect have a process of their own already"):
        await reader.read(foreign)
    with pytest.raises(ManifestError, match="plugins of the factory dialect run in the gateway's own process"):
        await reader.read(msgspec.structs.replace(foreign, dialect="factory"))


@pytest.mark.parametrize(
    ("code", "told"),
    [
        ("raise KeyError('city')", "KeyError: 'city'"),
        ("import sys; sys.exit(3)", "SystemExit: 3"),
        ("import os; os.kill(os.getpid(), 9)", "SIGKILL"),
        ("import os; print('last words', flush=True); os._exit(4)", "last words"),
        ("CITY = 'no plugin'", "there is no subclass of jackfield.sdk.Plugin in it"),
    ],
)
async def test_code_that_does_not_come_up_says_why(
    reader: IsolatedReader, tmp_path: Path, code: str, told: str
) -> None:
    place = tmp_path / "plugins" / "broken"
    place.mkdir(parents=True)
    (place / "plugin.py").write_text(f"{code}\n")
    with pytest.raises((PluginBroke, ManifestError, SessionLost)) as refused:
        await reader.read(find("broken", tmp_path / "plugins"))
    assert told in str(refused.value)
