"""Changes on a running host: checked aside, switched at once."""

from __future__ import annotations

import asyncio
import gc
import weakref
from pathlib import Path

import pytest

from jackfield.errors import ConfigError, Conflict, JackfieldError
from jackfield.host.builder import Trouble
from jackfield.stores.audit import AuditLog
from jackfield.stores.generations import KEPT

from .versions import diary, refused, version, write
from .world import World, states

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


async def test_one_that_still_fails_when_it_is_reloaded_by_name_is_told(world: World) -> None:
    """That nothing has changed would hide why. With the others it is passed over, as long as it is no worse."""
    world.write("bad", "1 / 0")
    write(world)
    await world.start()
    write(world, version="2")
    await refused(world.running.reload(["one", "bad"], actor="me"), Conflict, "ZeroDivisionError")
    await refused(world.running.reload(["bad"], actor="me"), Conflict, "ZeroDivisionError")
    assert (await world.running.reload(actor="me")).plugins == ("one",)
    await world.running.toggle("bad", enabled=False, actor="me")
    assert not (await world.running.reload(["bad"], actor="me")).changed


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
    write(world, "base")
    write(world, "user", manifest='id = "user"\n[requires]\nplugins = ["base"]')
    write(world, "other")
    await world.start()
    write(world, "base", "2")
    changed = await world.running.reload(actor="me")
    assert changed.plugins == ("base", "user")


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


async def test_plugins_that_come_together_are_taken_in_whichever_needs_the_other(world: World) -> None:
    await world.start()
    write(world, "one", manifest='id = "one"\n[requires]\nplugins = ["two"]\n')
    write(world, "two", manifest='id = "two"\n[requires]\nplugins = ["three"]\n')
    write(world, "three")
    results = await world.running.reload_changed(actor="watcher")
    assert [isinstance(result, JackfieldError) for result in results] == [False, False, False]
    assert states(world.running.snapshot.plugins) == {"one": "active", "two": "active", "three": "active"}


INTERRUPTS = {
    "at import": "raise KeyboardInterrupt",
    "in on_load": (
        "from jackfield.sdk import Plugin\nclass Two(Plugin):\n    async def on_load(self): raise KeyboardInterrupt"
    ),
}


@pytest.mark.parametrize("source", INTERRUPTS.values(), ids=INTERRUPTS)
async def test_an_interrupt_of_its_own_making_is_the_plugins_own(world: World, source: str) -> None:
    write(world)
    await world.start()
    world.write("two", source)
    await refused(world.running.reload(actor="me"), Conflict, "KeyboardInterrupt")
    await world.stop()
    await world.start()
    assert states(world.running.snapshot.plugins)["one"] == "active"


async def test_a_plugin_that_cancels_the_change_is_told_as_that(world: World) -> None:
    write(world)
    await world.start()
    source = """
        import asyncio
        from jackfield.sdk import Plugin
        class Two(Plugin):
            async def on_load(self):
                asyncio.current_task().cancel()
                await asyncio.sleep(1)
    """
    world.write("two", source)
    await refused(world.running.reload(actor="me"), Conflict, "cancel")


async def test_one_that_failed_is_not_tried_again_by_a_change_of_another(world: World) -> None:
    write(world)
    tried = world.folder.parent / "tried"
    source = f"""
        from jackfield.sdk import Plugin
        class Bad(Plugin):
            async def on_load(self):
                with open({str(tried)!r}, "a") as diary:
                    diary.write("x")
                raise OSError("down")
    """
    world.write("bad", source)
    await world.start()
    await world.running.configure("one", {"word": "x"}, actor="me")
    assert tried.read_text() == "x"
    await world.running.reload(actor="me")
    assert tried.read_text() == "xx"


async def test_a_refused_change_leaves_no_copies(world: World) -> None:
    write(world)
    await world.start()
    before = sorted((world.data / "code").iterdir())
    write(world, version="2")
    world.write("bad", "1 / 0")
    await refused(world.running.reload(actor="me"), Conflict, "ZeroDivisionError")
    assert sorted((world.data / "code").iterdir()) == before


async def test_a_worker_that_cannot_serve_what_another_has_made_stays_where_it_is(world: World) -> None:
    write(world)
    await world.start()
    other = World(world.folder)
    await other.start()
    await world.running.configure("one", {"word": "x"}, actor="me")
    await other.running.follow()
    assert other.running.snapshot.generation == 2
    once = world.folder.parent / "taken"
    write(world, "two")
    source = f"open({str(once)!r}, 'x').close()"
    world.write("two", f"from jackfield.sdk import Plugin\nclass Two(Plugin):\n    async def on_load(self): {source}")
    await world.running.reload(actor="me")
    await refused(other.running.follow(), Conflict, "FileExistsError")
    assert (world.running.snapshot.generation, other.running.snapshot.generation) == (3, 2)
    await other.stop()
