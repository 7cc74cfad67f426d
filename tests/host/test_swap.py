"""Changes on a running host: checked aside, switched at once, undone whole."""

from __future__ import annotations

import asyncio
import gc
import weakref
from pathlib import Path
from typing import Any

import pytest

from jackfield.errors import ConfigError, Conflict, JackfieldError, NotFound, Unprocessable
from jackfield.host.builder import Trouble
from jackfield.stores.audit import AuditLog
from jackfield.stores.generations import KEPT

from .world import World, states

VERSION = """
    from pathlib import Path
    from jackfield.sdk import Plugin, PluginConfig, hook

    class Config(PluginConfig):
        word: str = "none"

    class Versioned(Plugin[Config]):
        id = "{name}"
        version = "{version}"

        async def on_load(self): self.write("load")
        async def on_unload(self): self.write("unload")

        @hook("ingress")
        async def check(self, exchange): ...

        def write(self, what):
            with (Path(__file__).parents[2] / "diary").open("a") as diary:
                diary.write(f"{{what}} {{self.id}} {{self.version}}\\n")
"""


def write(world: World, name: str = "one", version: str = "1", **more: str) -> Path:
    return world.write(name, VERSION.format(name=name, version=version), **more)


def diary(world: World) -> list[str]:
    file = world.folder.parent / "diary"
    return file.read_text().splitlines() if file.exists() else []


def version(world: World, name: str = "one") -> str:
    return world.running.snapshot.plugins[name].version


async def refused(work: Any, kind: type[JackfieldError], match: str) -> None:
    with pytest.raises(kind, match=match):
        await work


async def test_a_changed_plugin_is_taken_in_and_the_old_one_unloaded(world: World) -> None:
    write(world)
    await world.start()
    write(world, version="2")
    changed = await world.running.reload(actor="me")
    assert (changed.changed, changed.generation, changed.plugins) == (True, 2, ("one",))
    assert version(world) == "2"
    await world.running.drained()
    assert diary(world) == ["load one 1", "load one 2", "unload one 1"]


async def test_what_has_not_changed_runs_on(world: World) -> None:
    write(world)
    write(world, "two")
    await world.start()
    before = world.running.snapshot.plugins["two"].instance
    write(world, version="2")
    await world.running.reload(actor="me")
    assert world.running.snapshot.plugins["two"].instance is before
    assert (await world.running.reload(actor="me")).changed is False


async def test_it_is_replaced_all_the_same_where_that_is_asked_for(world: World) -> None:
    write(world)
    write(world, "two")
    await world.start()
    changed = await world.running.reload(("two",), force=True, actor="me")
    assert changed.plugins == ("two",)
    assert (await world.running.reload(force=True, actor="me")).plugins == ("one", "two")
    await world.running.drained()
    assert diary(world).count("unload two 1") == 2


BROKEN = [
    ("def broken(:", "SyntaxError"),
    ("import absent_module_of_nobody", "ModuleNotFoundError"),
    ("import sys\nsys.exit(3)", "SystemExit: 3"),
    ("from jackfield.sdk import Plugin\nclass One(Plugin):\n    async def on_load(self): 1 / 0", "ZeroDivisionError"),
    (
        "from jackfield.sdk import Plugin, hook\nclass One(Plugin):\n"
        "    @hook('preflight')\n    async def x(self, e): ...",
        "unknown point 'preflight'",
    ),
]


@pytest.mark.parametrize(("source", "expected"), BROKEN, ids=[expected for _, expected in BROKEN])
async def test_a_version_that_does_not_start_is_refused_by_name_and_nothing_changes(
    world: World, source: str, expected: str
) -> None:
    write(world)
    write(world, "two")
    await world.start()
    before = world.running.snapshot
    world.write("one", source)
    write(world, "two", "2")
    with pytest.raises(JackfieldError, match=expected) as refusal:
        await world.running.reload(actor="me")
    assert refusal.value.plugin == "one"
    assert world.running.snapshot is before
    assert (version(world), version(world, "two")) == ("1", "1")
    assert [one.number for one in await world.running.history()] == [1]
    assert diary(world)[-2:] == ["load two 2", "unload two 2"]


async def test_a_new_plugin_that_is_broken_refuses_the_change_unless_it_is_known_as_that(world: World) -> None:
    write(world)
    world.write("bad", "1 / 0")
    await world.start()
    write(world, version="2")
    await world.running.reload(actor="me")
    assert states(world.running.snapshot.plugins) == {"one": "active", "bad": "failed"}
    world.write("worse", "1 / 0")
    await refused(world.running.reload(actor="me"), Conflict, "ZeroDivisionError")


async def test_one_that_failed_is_tried_again(world: World) -> None:
    world.write("one", "1 / 0")
    await world.start()
    write(world)
    await world.running.reload(actor="me")
    assert states(world.running.snapshot.plugins) == {"one": "active"}


async def test_requests_keep_their_generation_until_they_are_done(world: World) -> None:
    write(world)
    await world.start()
    old = world.running.snapshot
    old.pins += 1
    write(world, version="2")
    await world.running.reload(actor="me")
    assert old.plugins["one"].state == "draining"
    assert world.running.draining == 1
    assert "unload one 1" not in diary(world)
    old.unpin()
    await world.running.drained()
    assert old.plugins["one"].state == "unloaded"
    assert diary(world)[-1] == "unload one 1"


async def test_a_plugin_of_two_generations_is_unloaded_when_the_last_of_them_is_drained(world: World) -> None:
    write(world)
    write(world, "two")
    await world.start()
    oldest = world.running.snapshot
    oldest.pins += 1
    write(world, "two", "2")
    await world.running.reload(actor="me")
    write(world, "one", "2")
    await world.running.reload(actor="me")
    while world.running.draining > 1:
        await asyncio.sleep(0)
    assert not [line for line in diary(world) if line.startswith("unload")]
    oldest.unpin()
    await world.running.drained()
    assert sorted(line for line in diary(world) if line.startswith("unload")) == ["unload one 1", "unload two 1"]


async def test_counters_are_kept_over_a_swap_and_restored_by_a_rollback(world: World) -> None:
    write(world)
    await world.start()
    world.running.snapshot.plugins["one"].guard.stats.add(1_000_000)
    write(world, version="2")
    await world.running.reload(actor="me")
    stats = world.running.snapshot.plugins["one"].guard.stats
    assert stats.report()["calls"] == 1
    stats.add(1_000_000)
    await world.running.rollback(actor="me")
    assert version(world) == "1"
    assert world.running.snapshot.plugins["one"].guard.stats.report()["calls"] == 1


async def test_quarantine_ends_with_the_version_that_brought_it(world: World) -> None:
    write(world)
    await world.start()
    guard = world.running.snapshot.plugins["one"].guard
    for _ in range(5):
        guard.failed("check", "broke", ValueError(), timeout=False)
    assert guard.quarantined
    write(world, version="2")
    await world.running.reload(actor="me")
    assert not world.running.snapshot.plugins["one"].guard.quarantined
    assert world.running.snapshot.plugins["one"].guard.stats.errors == 5


async def test_a_rollback_restores_code_and_holds_it_against_what_was_rolled_back(world: World) -> None:
    write(world)
    await world.start()
    write(world, version="2")
    await world.running.reload(actor="me")
    await world.running.rollback(actor="me")
    assert version(world) == "1"
    again = await world.running.reload(actor="me")
    assert (again.changed, version(world)) == (False, "1")
    assert "one stays at the version that was rolled back to" in again.notes[0]
    write(world, version="3")
    await world.running.reload(actor="me")
    assert version(world) == "3"


async def test_what_was_rolled_back_is_taken_again_by_name(world: World) -> None:
    write(world)
    await world.start()
    write(world, version="2")
    await world.running.reload(actor="me")
    await world.running.rollback(actor="me")
    await world.running.reload(("one",), actor="me")
    assert version(world) == "2"


async def test_a_rollback_goes_further_back_each_time_and_ends(world: World) -> None:
    for number in ("1", "2", "3"):
        write(world, version=number)
        if number == "1":
            await world.start()
        else:
            await world.running.reload(actor="me")
    await world.running.rollback(actor="me")
    assert version(world) == "2"
    await world.running.rollback(actor="me")
    assert version(world) == "1"
    await refused(world.running.rollback(actor="me"), Conflict, "no earlier generation")
    assert [one.number for one in await world.running.history()] == [5, 4, 3, 2, 1]


async def test_a_rollback_outlives_a_restart_and_can_be_made_after_one(world: World) -> None:
    write(world)
    await world.start()
    write(world, version="2")
    await world.running.reload(actor="me")
    write(world, version="3")
    await world.running.reload(actor="me")
    await world.running.rollback(actor="me")
    await world.stop()
    await world.start()
    assert version(world) == "2"
    await world.running.rollback(actor="me")
    assert version(world) == "1"


async def test_a_rollback_takes_out_what_was_added_and_brings_back_what_was_removed(world: World) -> None:
    write(world)
    await world.start()
    write(world, "two")
    for file in (world.folder / "one").iterdir():
        file.unlink()
    (world.folder / "one").rmdir()
    await world.running.reload(actor="me")
    assert states(world.running.snapshot.plugins) == {"two": "active"}
    await world.running.rollback(actor="me")
    assert states(world.running.snapshot.plugins) == {"one": "active"}
    await world.stop()
    await world.start()
    assert states(world.running.snapshot.plugins) == {"one": "active"}


async def test_a_start_takes_in_what_changed_while_it_was_down_as_a_generation(world: World) -> None:
    write(world)
    await world.start()
    await world.stop()
    write(world, version="2")
    await world.start()
    assert (version(world), world.running.snapshot.generation) == ("2", 2)
    await world.running.rollback(actor="me")
    assert version(world) == "1"


async def test_a_start_with_nothing_new_goes_on_with_its_generation(world: World) -> None:
    write(world)
    await world.start()
    await world.stop()
    await world.start()
    assert world.running.snapshot.generation == 1


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
    await world.running.install_folder(place, actor="me")
    for file in place.iterdir():
        file.unlink()
    await world.stop()
    await world.start()
    assert states(world.running.snapshot.plugins) == {"one": "active"}
    await world.running.uninstall("one", actor="me")
    assert states(world.running.snapshot.plugins) == {}
    await world.running.rollback(actor="me")
    assert states(world.running.snapshot.plugins) == {"one": "active"}


ASKING = 'id = "one"\npermissions = {permissions}'


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


async def test_a_closed_hook_that_fails_when_it_is_tried_refuses_the_change(world: World) -> None:
    write(world)
    await world.start()
    world.troubles["one"] = [Trouble("check", "KeyError: 'x'", True)]
    write(world, version="2")
    await refused(world.running.reload(actor="me"), Conflict, "hook check failed when it was tried: KeyError: 'x'")
    world.troubles["one"] = [Trouble("check", "KeyError: 'x'", False)]
    await world.running.reload(actor="me")
    plugin = world.running.snapshot.plugins["one"]
    assert (plugin.state, plugin.reason) == ("degraded", "check failed when it was tried: KeyError: 'x'")


async def test_dependents_are_replaced_with_what_they_need(world: World) -> None:
    write(world, "base", manifest='id = "base"\nprovides = ["words"]')
    write(world, "user", manifest='id = "user"\n[requires]\nservices = ["words"]')
    write(world, "other")
    await world.start()
    write(world, "base", "2", manifest='id = "base"\nprovides = ["words"]')
    changed = await world.running.reload(actor="me")
    assert changed.plugins == ("base", "user")


async def test_disabling_what_another_needs_is_refused(world: World) -> None:
    write(world, "base", manifest='id = "base"')
    write(world, "user", manifest='id = "user"\n[requires]\nplugins = ["base"]')
    await world.start()
    await refused(world.running.toggle("base", False, actor="me"), Conflict, "requires the plugin 'base'")
    assert set(states(world.running.snapshot.plugins).values()) == {"active"}


async def test_every_change_is_in_the_audit_log_with_who_and_what(world: World) -> None:
    write(world)
    await world.start()
    await world.running.toggle("one", False, actor="key_7")
    await world.running.rollback(actor="key_8")
    assert world.database is not None
    log = [(entry.actor, entry.action, entry.object_id) for entry in await AuditLog(world.database).list(kind="plugin")]
    assert log == [("key_8", "rollback to 1", "one"), ("key_7", "disable", "one"), ("gateway", "start", "one")]


async def test_a_refused_change_leaves_no_trace(world: World) -> None:
    write(world)
    await world.start()
    assert world.database is not None
    before = await AuditLog(world.database).list()
    await refused(world.running.configure("one", {"word": 7}, actor="me"), ConfigError, "word")
    assert await AuditLog(world.database).list() == before
    assert len(await world.running.history()) == 1


async def test_changes_wait_for_each_other(world: World) -> None:
    write(world)
    await world.start()
    words = [f"word-{number}" for number in range(5)]
    changes = await asyncio.gather(*(world.running.configure("one", {"word": word}, actor="me") for word in words))
    assert [change.generation for change in changes] == [2, 3, 4, 5, 6]
    assert world.running.snapshot.plugins["one"].config == {"word": "word-4"}


async def test_a_change_is_carried_through_though_its_client_has_left(world: World) -> None:
    write(world)
    await world.start()
    asking = asyncio.create_task(world.running.configure("one", {"word": "late"}, actor="me"))
    await asyncio.sleep(0)
    asking.cancel()
    await asyncio.wait([asking])
    await world.running.configure("one", {"word": "later"}, actor="me")
    assert [one.action for one in await world.running.history()] == ["configure", "configure", "start"]


async def test_old_generations_are_forgotten_and_code_is_freed(world: World) -> None:
    write(world)
    await world.start()
    kind = weakref.ref(type(world.running.snapshot.plugins["one"].instance))
    for number in range(KEPT + 3):
        await world.running.configure("one", {"word": str(number)}, actor="me")
    await world.running.drained()
    assert len(await world.running.history()) == KEPT
    write(world, version="2")
    await world.running.reload(actor="me")
    await world.running.drained()
    gc.collect()
    assert kind() is None


async def test_a_copy_that_was_tampered_with_is_not_run(world: World) -> None:
    write(world)
    await world.start()
    write(world, version="2")
    await world.running.reload(actor="me")
    for file in (world.data / "code").rglob("plugin.py"):
        file.write_text(file.read_text().replace('version = "1"', 'version = "7"'))
    await world.running.rollback(actor="me")
    plugin = world.running.snapshot.plugins["one"]
    assert plugin.state == "failed"
    assert "the kept copy of this version was changed" in str(plugin.reason)


async def test_a_manifest_of_ten_megabytes_is_refused(world: World) -> None:
    write(world)
    await world.start()
    write(world, "two", manifest='id = "two"\n#' + "x" * 10_000_000)
    await refused(world.running.reload(actor="me"), ConfigError, "is longer than 256 KB")
    assert states(world.running.snapshot.plugins) == {"one": "active"}


async def test_a_link_out_of_the_folder_is_refused(world: World, tmp_path: Path) -> None:
    write(world)
    await world.start()
    tmp_path.joinpath("secret.py").write_text("TOLD = 1")
    write(world, "two").joinpath("words.py").symlink_to(tmp_path / "secret.py")
    await refused(world.running.reload(actor="me"), ConfigError, "leads out of the plugin's folder")


async def test_each_changed_plugin_is_taken_in_by_itself_when_the_folder_is_watched(world: World) -> None:
    for name in ("one", "two"):
        write(world, name)
    await world.start()
    write(world, "two", "2")
    world.write("one", "1 / 0")
    results = await world.running.reload_changed(actor="watcher")
    assert [isinstance(result, JackfieldError) for result in results] == [True, False]
    assert (version(world), version(world, "two")) == ("1", "2")
