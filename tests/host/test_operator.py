"""The operator's word: what is enabled, configured, installed and approved."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from jackfield.errors import ConfigError, Conflict, NotFound, Unprocessable
from jackfield.host.installing import Wish
from jackfield.sources.builtin import BuiltinSource

from .versions import VERSION, refused, write
from .world import World, states

ASKING = 'id = "one"\npermissions = {permissions}'


async def test_toggle_disables_enables_and_survives_a_restart(world: World) -> None:
    write(world)
    await world.start()
    await world.running.toggle("one", False, actor="me")
    assert states(world.running.snapshot.plugins) == {"one": "disabled"}
    assert world.running.snapshot.table.hooks == ()
    assert (await world.running.toggle("one", False, actor="me")).changed is False
    await world.stop()
    await world.start()
    assert states(world.running.snapshot.plugins) == {"one": "disabled"}
    await world.running.toggle("one", True, actor="me")
    assert states(world.running.snapshot.plugins) == {"one": "active"}


async def test_enabling_what_does_not_start_is_refused(world: World) -> None:
    world.write("one", "1 / 0", manifest='id = "one"\nenabled = false')
    await world.start()
    assert states(world.running.snapshot.plugins) == {"one": "disabled"}
    await refused(world.running.toggle("one", True, actor="me"), Conflict, "ZeroDivisionError")
    assert states(world.running.snapshot.plugins) == {"one": "disabled"}


async def test_a_plugin_is_found_by_id_name_and_folder(world: World) -> None:
    write(world, manifest='id = "one"\nname = "The One"')
    await world.start()
    assert {world.running.find(name).id for name in ("one", "The One")} == {"one"}
    with pytest.raises(NotFound, match="did you mean 'one'"):
        world.running.find("onee")


async def test_config_goes_over_the_file_and_is_persisted(world: World) -> None:
    write(world)
    await world.start({"one": {"word": "file", "priority": 7}})
    changed = await world.running.configure("one", {"word": "operator"}, actor="me")
    plugin = world.running.snapshot.plugins["one"]
    assert (changed.generation, plugin.config, plugin.overlay) == (2, {"word": "operator"}, {"word": "operator"})
    assert plugin.hooks[0].priority == 7
    await world.stop()
    await world.start({"one": {"word": "file", "priority": 7}})
    assert world.running.snapshot.plugins["one"].config == {"word": "operator"}


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({"word": 7}, "plugins.config.one.word: Input should be a valid string"),
        ({"wrd": "x"}, "plugins.config.one.wrd: Extra inputs are not permitted"),
        ({"priority": "high"}, "plugins.config.one.priority: Input should be a valid integer"),
    ],
)
async def test_a_config_that_is_wrong_is_refused_with_its_field(
    world: World, config: dict[str, Any], expected: str
) -> None:
    write(world)
    await world.start()
    await refused(world.running.configure("one", config, actor="me"), ConfigError, expected)
    assert world.running.snapshot.plugins["one"].config == {"word": "none"}


async def test_a_config_that_cannot_be_checked_yet_is_taken_and_that_is_told(world: World) -> None:
    write(world, manifest='id = "one"\nenabled = false\n')
    await world.start()
    changed = await world.running.configure("one", {"word": 7}, actor="me")
    assert changed.notes == ("one is disabled: its config is checked when it is enabled",)
    await refused(world.running.toggle("one", True, actor="me"), ConfigError, "plugins.config.one.word")
    await world.running.configure("one", {"word": "w"}, actor="me")
    assert (await world.running.toggle("one", True, actor="me")).notes == ()


async def test_a_config_on_another_generation_than_was_seen_is_refused(world: World) -> None:
    write(world)
    await world.start()
    await refused(world.running.configure("one", {}, actor="me", expected=7), Conflict, "generation 1 serves, not 7")


async def test_install_takes_what_is_on_disk_into_service(world: World) -> None:
    await world.start()
    write(world, manifest='id = "one"\nenabled = false\nname = "The One"')
    await refused(world.running.install("two", actor="me"), NotFound, "no plugin 'two'")
    await world.running.install("The One", actor="me")
    assert states(world.running.snapshot.plugins) == {"one": "active"}
    await world.running.uninstall("one", actor="me")
    assert states(world.running.snapshot.plugins) == {"one": "disabled"}


async def test_an_installed_folder_is_copied_and_survives_its_source(world: World, tmp_path: Path) -> None:
    await world.start()
    place = World(tmp_path / "elsewhere").write("one", VERSION.format(name="one", version="1"), manifest='id = "one"')
    await refused(
        world.running.install_folder(place, sha256="0" * 64, actor="me"), Unprocessable, "have the SHA-256 [0-9a-f]{64}"
    )
    await world.running.install_folder(place, wish=Wish(runtime="inprocess"), actor="me")
    for file in place.iterdir():
        file.unlink()
    await world.stop()
    await world.start()
    assert states(world.running.snapshot.plugins) == {"one": "active"}
    await world.running.uninstall("one", actor="me")
    assert states(world.running.snapshot.plugins) == {}
    await world.running.rollback(actor="me")
    assert states(world.running.snapshot.plugins) == {"one": "active"}


async def test_permissions_wait_for_approval_where_the_operator_wants_to_be_asked(world: World) -> None:
    world.approve = "ask"
    write(world, manifest=ASKING.format(permissions='["storage:write"]'))
    await world.start()
    plugin = world.running.snapshot.plugins["one"]
    assert plugin.state == "disabled"
    assert plugin.reason == "waits for approval of storage:write (Store up to 10 MB of its own, and delete it)"
    await refused(world.running.toggle("one", True, actor="me"), Conflict, "waits for approval of storage:write")
    await refused(world.running.approve("one", ["storage:raed"], actor="me"), Unprocessable, "did you mean")
    await refused(world.running.approve("one", ["storage:read"], actor="me"), Unprocessable, "does not ask for")
    await world.running.approve("one", ["storage:write"], actor="me")
    assert world.running.snapshot.plugins["one"].state == "active"
    assert world.granted["one"] == {"storage:write"}


async def test_a_new_version_that_asks_for_more_is_refused_until_that_is_approved(world: World) -> None:
    world.approve = "ask"
    write(world, manifest=ASKING.format(permissions='["storage:write"]'))
    await world.start({"one": {"approve": ["storage:write"]}})
    write(world, version="2", manifest=ASKING.format(permissions='["storage:write", "http:outbound"]'))
    await refused(world.running.reload(actor="me"), Conflict, "asks for more than was approved: http:outbound")
    assert world.running.snapshot.plugins["one"].state == "active"
    await world.running.install("one", approve=["http:outbound"], actor="me")
    assert world.granted["one"] == {"storage:write", "http:outbound"}


async def test_what_an_operator_put_in_a_folder_is_approved(world: World) -> None:
    write(world, manifest=ASKING.format(permissions='["storage:write"]'))
    await world.start()
    assert world.granted["one"] == {"storage:write"}


async def test_disabling_what_another_needs_is_refused(world: World) -> None:
    write(world, "base", manifest='id = "base"')
    write(world, "user", manifest='id = "user"\n[requires]\nplugins = ["base"]')
    await world.start()
    await refused(world.running.toggle("base", False, actor="me"), Conflict, "requires the plugin 'base'")
    assert set(states(world.running.snapshot.plugins).values()) == {"active"}


async def test_what_the_version_on_disk_asks_for_is_approved_before_it_is_taken_in(world: World) -> None:
    world.approve = "ask"
    write(world)
    await world.start()
    write(world, version="2", manifest=ASKING.format(permissions='["storage:write"]'))
    await refused(world.running.reload(actor="me"), Conflict, "asks for more than was approved: storage:write")
    await world.running.approve("one", ["storage:write"], actor="me")
    await world.running.reload(actor="me")
    assert world.granted["one"] == {"storage:write"}


async def test_one_that_waits_for_approval_can_be_disabled(world: World) -> None:
    world.approve = "ask"
    write(world, manifest=ASKING.format(permissions='["storage:write"]'))
    await world.start()
    await world.running.toggle("one", False, actor="me")
    await world.running.approve("one", ["storage:write"], actor="me")
    plugin = world.running.snapshot.plugins["one"]
    assert (plugin.state, plugin.reason) == ("disabled", None)


async def test_a_folder_takes_the_place_of_a_built_in_while_the_gateway_runs(world: World) -> None:
    await world.start(sources=[world.source(), BuiltinSource()])
    world.write("echo", "from jackfield.sdk import Plugin\nclass Echo(Plugin): ...")
    await world.running.reload(actor="me")
    assert world.running.snapshot.plugins["echo"].source == "folder"


async def test_of_a_duplicate_only_the_files_can_be_changed(world: World) -> None:
    write(world, manifest='id = "one"')
    write(world, "two", manifest='id = "one"')
    await world.start()
    (spare,) = [name for name in world.running.snapshot.plugins if name != "one"]
    for change in (world.running.toggle(spare, False, actor="me"), world.running.configure(spare, {}, actor="me")):
        await refused(change, Conflict, "id 'one' is taken by")
