"""A plugin that takes long to begin holds up neither the gateway nor another plugin, and is not passed by meanwhile."""

from __future__ import annotations

import asyncio

import pytest

from jackfield.errors import ConfigError
from jackfield.host.late import start_in_order
from jackfield.testing.waiting import until

from .late_plugins import OBSERVER, Reader, barred, now, wait_only_until, when, write
from .world import World, states

SLOW_LOAD = """
    import asyncio
    from pathlib import Path

    from jackfield.sdk import Plugin

    class Slow(Plugin):
        async def on_load(self):
            lives = Path("{lives}")
            if not lives.exists():
                lives.touch()
                await asyncio.Event().wait()
"""
MEETING = """
    import asyncio
    from pathlib import Path

    from jackfield.sdk import Plugin

    class {0}(Plugin):
        async def on_load(self):
            here = Path("{lives}") / self.id
            if not here.exists():
                here.touch()
                await asyncio.Event().wait()
            here.with_suffix(".again").touch()
            while not (here.parent / "{other}.again").exists():
                await asyncio.sleep(0.001)
"""


async def test_they_start_side_by_side_and_only_who_does_not_come_up_is_given_up() -> None:
    up: list[str] = []

    async def begin(name: str) -> None:
        if name == "slow":
            await asyncio.Event().wait()
        await asyncio.sleep(0)
        up.append(name)

    names = ("slow", "first", "own", "second")
    needs = dict.fromkeys(names, frozenset[str]()) | {"second": frozenset({"first"})}
    assert await start_in_order(names, needs, begin, lambda name: name != "own", 0.05) == ["slow"]
    assert sorted(up) == ["first", "own", "second"]


async def test_what_goes_wrong_with_the_start_itself_ends_all_of_it() -> None:
    ended = asyncio.Event()

    async def begin(name: str) -> None:
        if name == "broken":
            await asyncio.sleep(0)
            raise ZeroDivisionError
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    needs = {"slow": frozenset[str](), "broken": frozenset[str]()}
    with pytest.raises(ZeroDivisionError):
        await start_in_order(needs, needs, begin, lambda name: True, 0.05)
    assert ended.is_set()


async def test_the_others_serve_and_it_joins_when_it_is_there(world: World, reader: Reader) -> None:
    reader.hold("slow")
    write(world, ("slow",), OBSERVER)
    world.write("own")
    plugins = await world.start()
    assert states(plugins) == {"slow": "loading", "own": "active"}
    assert "it is starting" in str(plugins["slow"].reason)
    assert barred(world) == set()
    generation = world.running.snapshot.generation
    reader.held["slow"].set()
    joined = await when(world, "slow", "active")
    assert [hook.plugin for hook in world.running.snapshot.table.hooks if hook.plugin == "slow"] == ["slow"]
    # What was begun was not begun twice, and who served goes on as they were.
    assert reader.read_ == ["slow"]
    assert world.running.snapshot.plugins["own"] is plugins["own"]
    assert (joined.reason, world.running.snapshot.generation) == (None, generation)


async def test_one_that_does_not_come_up_is_failed_with_its_reason(world: World, reader: Reader) -> None:
    reader.hold("slow")
    reader.faults["slow"] = ConfigError("it said nothing of where it listens")
    write(world, ("slow",))
    await world.start()
    reader.held["slow"].set()
    failed = await when(world, "slow", "failed")
    assert "it said nothing of where it listens" in str(failed.reason)


async def test_one_that_hangs_as_it_is_loaded_is_not_waited_for_either(
    world: World, reader: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    lives = world.folder.parent / "lives"
    write(world, ("slow",), SLOW_LOAD.replace("{lives}", str(lives)))
    wait_only_until(monkeypatch, lives.exists)
    assert states(await world.start()) == {"slow": "loading"}
    await when(world, "slow", "active")


async def test_those_that_hang_as_they_are_loaded_are_loaded_again_side_by_side(
    world: World, reader: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    lives = world.folder.parent / "lives"
    lives.mkdir()
    for name, other in (("one", "two"), ("two", "one")):
        write(world, (name,), MEETING.replace("{lives}", str(lives)).replace("{other}", other))
    wait_only_until(monkeypatch, lambda: len(list(lives.iterdir())) == 2)
    assert states(await world.start()) == {"one": "loading", "two": "loading"}
    for name in ("one", "two"):
        await when(world, name, "active")


async def test_what_is_required_bars_requests_until_it_is_there(world: World, reader: Reader) -> None:
    reader.hold("guard")
    world.required = ("guard",)
    write(world, ("guard",))
    await world.start()
    assert barred(world) == {"plugin guard is required and does not run: it is loading"}
    reader.held["guard"].set()
    await when(world, "guard", "active")
    assert barred(world) == set()


async def test_what_had_a_closed_hook_when_it_ran_last_is_not_passed_by_at_the_next_start(
    world: World, reader: Reader
) -> None:
    write(world, ("guard",))
    write(world, ("observer",), OBSERVER)
    world.patience_s = 30
    assert set(states(await world.start()).values()) == {"active"}
    await world.running.stop()
    reader.hold("guard", "observer")
    world.patience_s = 0.05
    await world.start()
    assert now(world) == {"guard": "loading", "observer": "loading"}
    assert barred(world) == {"plugin guard is required and does not run: it is starting"}
    reader.faults["guard"] = ConfigError("broken")
    reader.held["guard"].set()
    # Now it is known that it will not come: that is for the operator, as with any that has failed.
    await when(world, "guard", "failed")
    assert barred(world) == set()


async def test_what_is_learned_of_one_that_came_late_is_remembered(world: World, reader: Reader) -> None:
    reader.hold("guard")
    write(world, ("guard",))
    await world.start()
    assert barred(world) == set()
    reader.held["guard"].set()
    await when(world, "guard", "active")
    await world.running.stop()
    reader.hold("guard")
    await world.start()
    assert barred(world) == {"plugin guard is required and does not run: it is starting"}
    reader.held["guard"].set()
    await when(world, "guard", "active")


async def test_the_operators_word_that_its_failures_refuse_counts_from_the_first_start(
    world: World, reader: Reader
) -> None:
    source = """
    from jackfield.sdk import Plugin, hook

    class Guard(Plugin):
        @hook("pre_flight", on_failure="open")
        async def look(self, exchange): ...
    """
    reader.hold("guard")
    write(world, ("guard",), source)
    await world.start({"guard": {"on_failure": "closed"}})
    assert barred(world) == {"plugin guard is required and does not run: it is starting"}
    reader.held["guard"].set()
    await when(world, "guard", "active")
    assert barred(world) == set()


async def test_who_needs_a_late_one_waits_for_it_and_comes_with_it(world: World, reader: Reader) -> None:
    reader.hold("slow")
    write(world, ("slow",))
    world.write("user", manifest='id = "user"\nrequires = { plugins = ["slow"] }\n')
    plugins = await world.start()
    assert states(plugins) == {"slow": "loading", "user": "loading"}
    assert "it waits for the plugin 'slow', which is starting" in str(plugins["user"].reason)
    reader.held["slow"].set()
    await when(world, "slow", "active")
    assert now(world) == {"slow": "active", "user": "active"}


async def test_a_change_meanwhile_neither_waits_for_it_nor_starts_it_twice(world: World, reader: Reader) -> None:
    reader.hold("slow")
    write(world, ("slow",), OBSERVER)
    world.write("own")
    await world.start()
    async with asyncio.timeout(5):
        await world.running.toggle("own", False, actor="test")
    assert now(world) == {"slow": "loading", "own": "disabled"}
    reader.held["slow"].set()
    await when(world, "slow", "active")
    assert (now(world)["own"], reader.read_) == ("disabled", ["slow"])


async def test_one_that_is_disabled_while_it_starts_stays_so(world: World, reader: Reader) -> None:
    reader.hold("slow")
    write(world, ("slow",), OBSERVER)
    await world.start()
    await world.running.toggle("slow", False, actor="test")
    reader.held["slow"].set()
    await until(lambda: asyncio.sleep(0, world.running._tasks), lambda tasks: not tasks, within=10)
    assert now(world) == {"slow": "disabled"}


async def test_whoever_asks_for_it_by_name_waits_for_what_was_begun(world: World, reader: Reader) -> None:
    reader.hold("slow")
    write(world, ("slow",), OBSERVER)
    await world.start()
    asking = asyncio.create_task(world.running.reload(["slow"], actor="test"))
    await asyncio.sleep(0)
    reader.held["slow"].set()
    async with asyncio.timeout(10):
        assert (await asking).changed or now(world) == {"slow": "active"}
    assert (now(world), reader.read_) == ({"slow": "active"}, ["slow"])


async def test_a_gateway_that_stops_meanwhile_leaves_nothing_behind(world: World, reader: Reader) -> None:
    reader.hold("slow")
    write(world, ("slow",))
    before = asyncio.all_tasks()
    await world.start()
    await world.running.stop()
    assert {task.get_name() for task in asyncio.all_tasks() - before} & {"read-plugin", "late-slow"} == set()
