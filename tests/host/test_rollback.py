"""Going back: the world before the last change, whole, also after a restart."""

from __future__ import annotations

from jackfield.errors import ConfigError, Conflict

from .versions import refused, version, write
from .world import World, states


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


async def test_counters_of_one_that_had_no_calls_yet_go_back_to_none(world: World) -> None:
    write(world)
    await world.start()
    await world.running.configure("one", {"word": "w"}, actor="me")
    world.running.snapshot.plugins["one"].guard.stats.add(1_000_000)
    await world.running.rollback(actor="me")
    assert world.running.snapshot.plugins["one"].guard.stats.report()["calls"] == 0


async def test_a_rollback_leaves_the_counters_of_those_that_it_does_not_touch(world: World) -> None:
    write(world)
    write(world, "two")
    await world.start()
    await world.running.configure("one", {"word": "w"}, actor="me")
    world.running.snapshot.plugins["two"].guard.stats.add(1_000_000)
    await world.running.rollback(actor="me")
    assert world.running.snapshot.plugins["two"].guard.stats.report()["calls"] == 1


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


async def test_a_copy_that_was_tampered_with_is_not_run(world: World) -> None:
    write(world)
    await world.start()
    write(world, version="2")
    await world.running.reload(actor="me")
    for file in (world.data / "code").rglob("plugin.py"):
        file.write_text(file.read_text() + "# not what was sealed\n")
    changed = "the kept copy of this version was changed"
    await refused(world.running.configure("one", {"word": "x"}, actor="me"), ConfigError, changed)
    await refused(world.running.rollback(actor="me"), ConfigError, changed)
    assert version(world) == "2"


async def test_what_was_rolled_back_stays_out_however_far_one_goes_back(world: World) -> None:
    write(world)
    await world.start()
    await world.running.configure("one", {"word": "w"}, actor="me")
    write(world, version="2")
    await world.running.reload(actor="me")
    await world.running.rollback(actor="me")
    await world.running.rollback(actor="me")
    assert (version(world), world.running.snapshot.plugins["one"].config) == ("1", {"word": "none"})
    await world.running.reload(actor="me")
    assert version(world) == "1"
    await world.stop()
    await world.start()
    assert version(world) == "1"


async def test_a_generation_that_changed_nothing_is_passed_over(world: World) -> None:
    write(world)
    await world.start()
    await world.running.configure("one", {"word": "w"}, actor="me")
    await world.running.reload(force=True, actor="me")
    await world.running.rollback(actor="me")
    assert world.running.snapshot.plugins["one"].config == {"word": "none"}


async def test_there_are_as_many_ways_back_as_changes(world: World) -> None:
    write(world)
    await world.start()
    for number in range(22):
        await world.running.configure("one", {"word": str(number)}, actor="me")
    for number in reversed(range(21)):
        await world.running.rollback(actor="me")
        assert world.running.snapshot.plugins["one"].config == {"word": str(number)}


async def test_a_rollback_takes_no_plugin_out_that_runs(world: World) -> None:
    gate = world.folder.parent / "service_is_up"
    source = f"""
        from pathlib import Path
        from jackfield.sdk import Plugin, PluginConfig
        class Config(PluginConfig):
            needs: bool = True
        class One(Plugin[Config]):
            async def on_load(self):
                if self.config.needs and not Path({str(gate)!r}).exists():
                    raise OSError("no service")
    """
    gate.touch()
    world.write("one", source)
    await world.start()
    await world.running.configure("one", {"needs": False}, actor="me")
    gate.unlink()
    await refused(world.running.rollback(actor="me"), Conflict, "no service")
    assert world.running.snapshot.plugins["one"].state == "active"


async def test_an_approval_is_rolled_back_and_so_is_what_was_before_it(world: World) -> None:
    world.approve = "ask"
    write(world, manifest='id = "one"\npermissions = ["storage:write"]\n')
    write(world, "two")
    await world.start()
    await world.running.configure("two", {"word": "w"}, actor="me")
    await world.running.approve("one", ["storage:write"], actor="me")
    undone = await world.running.rollback(actor="me")
    plugin = world.running.snapshot.plugins["one"]
    assert (plugin.state, plugin.approved, plugin.running) == ("disabled", (), False)
    assert undone.notes == ("one waits for approval of storage:write (Store up to 10 MB of its own, and delete it)",)
    await world.running.rollback(actor="me")
    assert world.running.snapshot.plugins["two"].config == {"word": "none"}


async def test_an_approval_of_what_is_required_is_not_rolled_back(world: World) -> None:
    world.approve, world.required = "ask", ("one",)
    write(world, manifest='id = "one"\npermissions = ["storage:write"]\n')
    await world.start()
    await world.running.approve("one", ["storage:write"], actor="me")
    await refused(world.running.rollback(actor="me"), Conflict, "required")
    assert world.running.snapshot.plugins["one"].state == "active"


async def test_a_config_that_was_wrong_while_its_plugin_was_disabled_bars_no_way_back(world: World) -> None:
    write(world, manifest='id = "one"\nenabled = false\n')
    await world.start()
    await world.running.configure("one", {"word": 7}, actor="me")
    await world.running.configure("one", {}, actor="me")
    await world.running.toggle("one", True, actor="me")
    for config in ({}, {"word": 7}, {}):
        await world.running.rollback(actor="me")
        plugin = world.running.snapshot.plugins["one"]
        assert (plugin.state, plugin.settings.own) == ("disabled", config)
    await refused(world.running.rollback(actor="me"), Conflict, "no earlier generation")
