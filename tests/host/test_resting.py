"""A plugin that is disabled stays loaded and silent; enabled again it is the same one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from jackfield.errors import JackfieldError
from jackfield.host.builder import Trouble
from jackfield.sdk.plugin import Plugin

from .world import World, states

TALKING = """
    from pathlib import Path
    from jackfield.sdk import Health, Plugin

    class Talking(Plugin):
        steps = []

        def note(self, step):
            with Path({place!r}).open("a") as file:
                file.write(step + " ")

        async def on_load(self):
            self.note("load")

        async def on_enable(self):
            self.note("enable")
            if Path({place!r} + ".refuse").exists():
                raise RuntimeError("not now")

        async def on_disable(self):
            self.note("disable")

        async def on_unload(self):
            self.note("unload")
"""


@pytest.fixture
def told(tmp_path: Path) -> Path:
    return tmp_path / "told"


@pytest.fixture
async def talking(world: World, told: Path) -> World:
    world.write("talking", TALKING.format(place=str(told)))
    await world.start()
    return world


def steps(told: Path) -> list[str]:
    return told.read_text().split()


async def toggle(world: World, *, to: bool) -> None:
    await world.running.toggle("talking", to, actor="test")
    await world.running.drained()


async def test_the_first_start_loads_and_enables(talking: World, told: Path) -> None:
    assert steps(told) == ["load", "enable"]


async def test_disabled_it_stays_loaded_and_enabled_again_it_is_the_same_one(talking: World, told: Path) -> None:
    before = talking.running.find("talking").instance
    await toggle(talking, to=False)
    assert steps(told) == ["load", "enable", "disable"]
    assert talking.running.find("talking").state == "disabled"
    await toggle(talking, to=True)
    assert steps(told) == ["load", "enable", "disable", "enable"]
    assert talking.running.find("talking").instance is before
    assert talking.running.find("talking").state == "active"
    await talking.stop()
    assert steps(told)[4:] == ["disable", "unload"]


async def test_one_that_rests_at_the_end_is_only_unloaded(talking: World, told: Path) -> None:
    await toggle(talking, to=False)
    await talking.stop()
    assert steps(told) == ["load", "enable", "disable", "unload"]


async def test_other_code_is_another_plugin(talking: World, told: Path) -> None:
    await toggle(talking, to=False)
    talking.write("talking", TALKING.format(place=str(told)) + "    # another\n")
    await talking.running.reload(actor="test")
    await talking.running.drained()
    assert steps(told) == ["load", "enable", "disable", "unload"]
    await toggle(talking, to=True)
    assert steps(told)[4:] == ["load", "enable"]


async def test_uninstalled_it_is_unloaded(talking: World, told: Path) -> None:
    await talking.running.uninstall("talking", actor="test")
    await talking.running.drained()
    assert steps(told) == ["load", "enable", "disable", "unload"]


async def test_one_that_will_not_be_enabled_rests_on(talking: World, told: Path) -> None:
    await toggle(talking, to=False)
    refuse = Path(f"{told}.refuse")
    refuse.touch()
    with pytest.raises(JackfieldError, match="on_enable: RuntimeError: not now"):
        await toggle(talking, to=True)
    assert states(talking.running.snapshot.plugins) == {"talking": "disabled"}
    refuse.unlink()
    await toggle(talking, to=True)
    assert steps(told) == ["load", "enable", "disable", "enable", "enable"]


async def test_a_rollback_wakes_it_too(talking: World, told: Path) -> None:
    await toggle(talking, to=False)
    await talking.running.rollback(actor="test")
    assert steps(told) == ["load", "enable", "disable", "enable"]


async def test_a_refused_change_leaves_it_at_rest(talking: World, told: Path) -> None:
    """It was enabled already when its hooks failed to pass."""
    await toggle(talking, to=False)
    talking.troubles["talking"] = [Trouble("check", "it broke", closed=True)]
    with pytest.raises(JackfieldError, match="it broke"):
        await toggle(talking, to=True)
    assert states(talking.running.snapshot.plugins) == {"talking": "disabled"}
    assert steps(told) == ["load", "enable", "disable", "enable", "disable"]
    talking.troubles.clear()
    await toggle(talking, to=True)
    assert steps(told)[5:] == ["enable"]


class Part:
    def __init__(self, note: list[str], plugin: str) -> None:
        self._note, self._plugin = note, plugin

    def open(self) -> None: ...

    def rest(self) -> None:
        self._note.append(f"{self._plugin} rests")

    async def aclose(self) -> None: ...


async def test_at_the_end_nothing_begins_any_more_once_the_first_is_unloaded(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    noted: list[str] = []

    async def note(plugin: Plugin[Any]) -> None:
        noted.append(f"{plugin.id} ends")

    monkeypatch.setattr(Plugin, "on_disable", note)
    world.write("one")
    world.write("two")
    for plugin in (await world.start()).values():
        assert plugin.grant is not None
        plugin.grant.parts.append(Part(noted, plugin.id))
    await world.stop()
    assert sorted(noted[:2]) == ["one rests", "two rests"]
    assert "one ends" in noted[2:]


async def test_no_plugin_has_the_name_under_which_the_gateway_speaks(world: World) -> None:
    world.write("system")
    world.write("named", "from jackfield.sdk import Plugin\n\nclass Named(Plugin):\n    id = 'system'\n")
    for plugin in (await world.start()).values():
        assert plugin.state == "failed"
        assert "'system' is the gateway's own" in (plugin.reason or "")


async def test_one_that_was_at_rest_before_its_code_ever_ran_gets_what_it_asks_for(world: World, told: Path) -> None:
    source = TALKING.format(place=str(told)).replace("steps = []", 'permissions = ("storage:read",)')
    world.write("talking", source)
    await world.start({"talking": {"enabled": False}})
    await toggle(world, to=True)
    assert world.granted["talking"] == {"storage:read"}
