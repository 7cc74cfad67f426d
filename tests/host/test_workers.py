"""What an operator asks one worker for reaches the others, also where nothing about a plugin has changed."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from .versions import write
from .world import World, states

DIARY = """
    from pathlib import Path

    from jackfield.sdk import Plugin

    class Kept(Plugin):
        async def on_load(self):
            with open({diary!r}, "a") as diary:
                diary.write("x")
            if {broken!r} and len(Path({diary!r}).read_text()) <= 2:
                raise OSError("down")
"""


@pytest.fixture
async def other(world: World) -> AsyncIterator[World]:
    """A second worker of the same gateway, not started yet."""
    other = World(world.folder)
    yield other
    await other.stop()


def keep_diary(world: World, *, broken: bool = False) -> Path:
    diary = world.folder.parent / "lives"
    world.write("kept", DIARY.format(diary=str(diary), broken=broken))
    return diary


async def both(world: World, other: World) -> None:
    await world.start()
    await other.start()


async def test_one_that_is_replaced_by_force_is_replaced_everywhere_and_no_other_is(world: World, other: World) -> None:
    diary = keep_diary(world)
    write(world)
    await both(world, other)
    before = other.running.snapshot.plugins
    await world.running.reload(["kept"], force=True, actor="me")
    await other.running.follow()
    after = other.running.snapshot.plugins
    assert (after["kept"] is before["kept"], after["one"] is before["one"]) == (False, True)
    assert diary.read_text() == "xxxx"
    await other.running.follow()
    assert diary.read_text() == "xxxx"


async def test_all_that_are_replaced_by_force_are_replaced_everywhere(world: World, other: World) -> None:
    diary = keep_diary(world)
    await both(world, other)
    await world.running.reload(force=True, actor="me")
    await other.running.follow()
    assert diary.read_text() == "xxxx"


async def test_one_that_has_failed_is_tried_again_everywhere(world: World, other: World) -> None:
    diary = keep_diary(world, broken=True)
    await both(world, other)
    assert states(world.running.snapshot.plugins) == states(other.running.snapshot.plugins) == {"kept": "failed"}
    await other.running.reload(["kept"], force=True, actor="me")
    await world.running.follow()
    assert states(world.running.snapshot.plugins) == states(other.running.snapshot.plugins) == {"kept": "active"}
    assert diary.read_text() == "xxxx"


async def test_disabled_and_enabled_between_two_looks_it_is_another_everywhere(world: World, other: World) -> None:
    diary = keep_diary(world)
    await both(world, other)
    for _ in range(2):
        told = len(diary.read_text())
        serving = other.running.snapshot.plugins["kept"]
        await world.running.toggle("kept", False, actor="me")
        await world.running.toggle("kept", True, actor="me")
        await other.running.follow()
        assert other.running.snapshot.plugins["kept"] is not serving
        assert len(diary.read_text()) > told


async def test_a_start_anew_is_nothing_to_go_back_to(world: World) -> None:
    keep_diary(world)
    write(world)
    await world.start()
    await world.running.configure("one", {"word": "x"}, actor="me")
    await world.running.reload(["kept"], force=True, actor="me")
    await world.running.rollback(actor="me")
    assert world.running.world.entry("one").config == {}


async def test_an_approval_that_one_worker_rolls_back_is_gone_in_all(world: World, other: World) -> None:
    world.approve = other.approve = "ask"
    write(world, manifest='id = "one"\npermissions = ["storage:write"]\n')
    await both(world, other)
    await world.running.approve("one", ["storage:write"], actor="me")
    await other.running.follow()
    await world.running.rollback(actor="me")
    await other.running.follow()
    assert states(other.running.snapshot.plugins) == {"one": "disabled"}
    assert other.running.snapshot.generation == world.running.snapshot.generation
