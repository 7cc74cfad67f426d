"""Which plugins there are, and which of two with one id it is."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from structlog.testing import capture_logs

from jackfield.sdk import Plugin
from jackfield.sources.base import Found
from jackfield.sources.builtin import BuiltinSource

from .world import World, reason, states


class Installed:
    """A source of what a test hands it, under the names that it gives."""

    def __init__(self, source: str = "entry_point", **loads: Callable[[], Any]) -> None:
        self._source, self._loads = source, loads

    def find(self) -> tuple[Found, ...]:
        return tuple(
            Found(name=name, source=self._source, dialect="native", place=f"{name}:place", load=load)
            for name, load in self._loads.items()
        )


class Twin(Plugin):
    id = "twin"
    version = "2.0"


async def test_each_folder_is_a_plugin_with_its_class_id_and_place(world: World) -> None:
    place = world.write("no_shouting")
    plugins = await world.start()
    plugin = plugins["no_shouting"]
    assert (plugin.state, plugin.source, plugin.dialect, plugin.place) == ("active", "folder", "native", str(place))


async def test_a_manifest_gives_id_version_and_priority(world: World) -> None:
    manifest = 'id = "named"\nversion = "1.2"\npriority = 7\nentry = "plugin:Good"'
    world.write("good", manifest=manifest)
    plugins = await world.start()
    plugin = plugins["named"]
    assert (plugin.version, plugin.priority) == ("1.2", 7)
    assert world.host is not None
    (hook,) = world.host.snapshot.table.hooks
    assert (hook.plugin, hook.priority) == ("named", 7)
    assert plugin.instance is not None
    assert plugin.instance.id == "named"


async def test_the_entry_may_name_one_class_of_several_in_another_file(world: World) -> None:
    several = "from jackfield.sdk import Plugin\nclass One(Plugin): ...\nclass Two(Plugin): ...\n"
    world.write("several", manifest='id = "chosen"\nentry = "other:Two"', other=several)
    plugins = await world.start()
    assert type(plugins["chosen"].instance).__name__ == "Two"


async def test_a_plugin_may_have_files_of_its_own(world: World) -> None:
    source = """
        from jackfield.sdk import Plugin
        from .words import WORDS
        class Wordy(Plugin):
            words = WORDS
    """
    world.write("wordy", source, words="WORDS = ('a', 'b')")
    plugins = await world.start()
    assert plugins["wordy"].instance.words == ("a", "b")  # type: ignore[union-attr]


async def test_an_imported_plugin_class_is_not_the_folders_own(world: World) -> None:
    world.write("mine", "from jackfield.plugins.echo import Echo\nclass Mine(Echo):\n    id = 'mine'\n")
    assert states(await world.start()) == {"mine": "active"}


async def test_an_installed_plugin_may_be_a_class_or_a_module(world: World) -> None:
    module = ModuleType("installed_module")
    module.__dict__["Other"] = type("Other", (Plugin,), {"__module__": "installed_module"})
    plugins = await world.start(sources=[Installed(twin=lambda: Twin, other=lambda: module)])
    assert states(plugins) == {"twin": "active", "other": "active"}
    assert plugins["twin"].version == "2.0"


@pytest.mark.parametrize(("loaded", "expected"), [(7, "neither a module nor a class"), (dict, "is not a subclass of")])
async def test_an_installed_plugin_that_is_none_is_failed(world: World, loaded: Any, expected: str) -> None:
    plugins = await world.start(sources=[Installed(odd=lambda: loaded)])
    assert expected in reason(plugins, "odd")


async def test_a_folder_wins_over_an_installed_package_and_says_so(world: World) -> None:
    place = world.write("twin", "from jackfield.sdk import Plugin\nclass Twin(Plugin): ...")
    plugins = await world.start(sources=[world.source(), Installed(twin=lambda: Twin)])
    assert plugins["twin"].source == "folder"
    told = reason(plugins, "twin@entry_point:twin:place")
    assert told == f"id 'twin' is taken by {place} (folder)"


async def test_a_folder_wins_over_a_built_in(world: World) -> None:
    world.write("echo", "from jackfield.sdk import Plugin\nclass Echo(Plugin): ...")
    plugins = await world.start(sources=[world.source(), BuiltinSource()])
    assert (plugins["echo"].source, plugins["openai"].state) == ("folder", "active")
    assert "is taken by" in reason(plugins, "echo@builtin:jackfield.plugins.echo")


async def test_the_first_of_several_folders_wins_and_all_others_are_listed(world: World, tmp_path: Path) -> None:
    folders = [tmp_path / name for name in "abc"]
    for folder in folders:
        World(folder).write("same")
    plugins = await world.start(sources=[World(folder).source() for folder in folders])
    assert plugins["same"].place == str(folders[0] / "same")
    assert sorted(states(plugins).values()) == ["active", "failed", "failed"]


async def test_a_broken_folder_does_not_take_the_place_of_one_that_runs(world: World, tmp_path: Path) -> None:
    World(tmp_path / "first").write("same")
    World(tmp_path / "second").write("same", "1 / 0")
    plugins = await world.start(sources=[World(tmp_path / name).source() for name in ("first", "second")])
    assert plugins["same"].state == "active"
    (other,) = [plugin for name, plugin in plugins.items() if name != "same"]
    assert "ZeroDivisionError" in str(other.reason)


async def test_two_folders_of_one_id_are_a_clash(world: World) -> None:
    for name in ("one", "two"):
        world.write(name, manifest='id = "same"')
    plugins = await world.start()
    assert plugins["same"].place.endswith("one")
    assert sorted(states(plugins).values()) == ["active", "failed"]


@pytest.mark.parametrize("manifest", ["", 'id = "off"'])
async def test_a_disabled_plugin_is_listed_and_its_code_not_run(world: World, manifest: str) -> None:
    world.write("off", "raise SystemExit", manifest=manifest)
    plugins = await world.start({"off": {"enabled": False}})
    assert states(plugins) == {"off": "disabled"}
    assert plugins["off"].instance is None
    assert world.made_routes == [([], frozenset({"off"}))]


async def test_one_that_is_disabled_by_an_id_only_its_class_knows_is_not_started(world: World) -> None:
    world.write("folder_name", "from jackfield.sdk import Plugin\nclass A(Plugin):\n    id = 'class_id'\n")
    assert states(await world.start({"class_id": {"enabled": False}})) == {"class_id": "disabled"}


async def test_enabled_is_the_default_and_can_be_said(world: World) -> None:
    world.write("on")
    assert states(await world.start({"on": {"enabled": True}})) == {"on": "active"}


async def test_each_plugin_that_runs_is_told_in_the_log(world: World) -> None:
    world.write("good")
    with capture_logs() as logs:
        await world.start()
    assert [log["event"] for log in logs] == ["Plugin loaded: good"]


async def test_the_operators_priority_deadline_and_policy_win_over_the_authors(world: World) -> None:
    source = """
        from jackfield.sdk import Plugin, hook
        class Tuned(Plugin):
            @hook("pre_flight", on_failure="open", priority=5, timeout_ms=50)
            async def a(self, exchange): ...
            @hook("ingress")
            async def b(self, exchange): ...
    """
    world.write("tuned", source)

    async def read(config: dict[str, Any]) -> list[tuple[int, float, bool]]:
        await world.start({"tuned": config})
        assert world.host is not None
        return [(hook.priority, hook.deadline_s, hook.closed) for hook in world.host.snapshot.table.hooks]

    assert await read({}) == [(5, 0.05, False), (100, 0.5, True)]
    assert await read({"priority": 1, "timeout_ms": 9}) == [(1, 0.009, False), (1, 0.009, True)]
    assert await read({"on_failure": "closed"}) == [(5, 0.05, True), (100, 0.5, True)]
    assert await read({"on_failure": "open"}) == [(5, 0.05, False), (100, 0.5, True)]
