"""While what refuses is not there yet, nothing passes it by: however it came to start late, and by whatever name."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from jackfield.testing.waiting import until

from .late_plugins import Reader, barred, now, wait_only_until, when, write
from .world import World, states

STARTS = {"plugin guard is required and does not run: it is starting"}
NAMED = """
    from jackfield.sdk import Plugin, hook

    class Guard(Plugin):
        id = "guard"

        @hook("pre_flight", on_failure="{}")
        async def look(self, exchange): ...
"""
SLOW_LOAD = """
    import asyncio
    from pathlib import Path

    from jackfield.sdk import Plugin, hook

    class Guard(Plugin):
        @hook("pre_flight", on_failure="closed")
        async def look(self, exchange): ...

        async def on_load(self):
            Path("{lives}.begun").touch()
            while not Path("{lives}").exists():
                await asyncio.sleep(0.001)
"""
MIDDLEWARE = """
    from jackfield.sdk import Plugin
    from jackfield.sdk.routes import MiddlewareSpec

    class Door:
        def __init__(self, app):
            self.app = app

        async def __call__(self, scope, receive, send):
            await self.app(scope, receive, send)

    class Guard(Plugin):
        middleware = (MiddlewareSpec(kind=Door),)
"""
NEEDS = 'id = "guard"\nrequires = { plugins = ["slow"] }\n'


async def start_again(world: World, reader: Reader, *held: str, **configs: Any) -> None:
    await world.running.stop()
    reader.hold(*held)
    await world.start(configs)


async def test_what_has_told_its_hooks_is_not_passed_by_at_its_first_start_either(
    world: World, reader: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    lives = world.folder.parent / "lives"
    write(world, ("guard",), SLOW_LOAD.format(lives=lives))
    wait_only_until(monkeypatch, lives.with_suffix(".begun").exists)
    assert states(await world.start()) == {"guard": "loading"}
    assert barred(world) == STARTS
    # Nor while others are changed, or it begins once more.
    world.write("own")
    await world.running.reload(["own"], actor="test")
    assert barred(world) == STARTS
    lives.touch()
    await when(world, "guard", "active")
    assert barred(world) == set()


async def test_one_in_process_that_waits_for_a_late_one_is_not_passed_by(world: World, reader: Reader) -> None:
    write(world, ("slow",))
    world.write("guard", manifest=NEEDS)
    world.patience_s = 30
    assert set(states(await world.start()).values()) == {"active"}
    world.patience_s = 0.05
    await start_again(world, reader, "slow")
    assert now(world) == {"slow": "loading", "guard": "loading"}
    assert barred(world) & STARTS


async def test_one_whose_middleware_may_keep_something_out_is_not_passed_by(world: World, reader: Reader) -> None:
    write(world, ("slow",))
    world.write("guard", MIDDLEWARE, manifest=NEEDS)
    world.patience_s = 30
    assert set(states(await world.start()).values()) == {"active"}
    world.patience_s = 0.05
    await start_again(world, reader, "slow")
    assert now(world)["guard"] == "loading"
    assert world.running.world.entry("guard").guards


async def test_one_that_the_operator_has_moved_to_a_process_of_its_own_is_not_passed_by(
    world: World, reader: Reader
) -> None:
    world.write("guard")
    assert states(await world.start()) == {"guard": "active"}
    await start_again(world, reader, "guard", guard={"runtime": "isolated"})
    assert now(world) == {"guard": "loading"}
    assert barred(world) == STARTS
    reader.held["guard"].set()
    await when(world, "guard", "active")
    assert barred(world) == set()


async def test_one_whose_code_tells_its_id_is_not_passed_by_while_nobody_knows_it(world: World, reader: Reader) -> None:
    config = {"runtime": "isolated"}
    world.write("door", NAMED.format("closed"))
    world.patience_s = 30
    assert states(await world.start({"door": config})) == {"guard": "active"}
    world.patience_s = 0.05
    for _ in range(2):
        await start_again(world, reader, "door", door=config)
        assert now(world) == {"door": "loading"}
        assert barred(world) == STARTS
    reader.held["door"].set()
    await when_listed(world, "guard")
    assert barred(world) == set()


async def test_what_the_operator_said_of_an_id_that_only_its_code_tells_counts_from_the_first_start(
    world: World, reader: Reader
) -> None:
    world.write("door", NAMED.format("open"))
    reader.hold("door")
    await world.start({"door": {"runtime": "isolated"}, "guard": {"on_failure": "closed"}})
    assert now(world) == {"door": "loading"}
    assert barred(world) == STARTS


async def when_listed(world: World, name: str) -> None:
    await until(lambda: asyncio.sleep(0, now(world)), lambda found: name in found, within=10)
