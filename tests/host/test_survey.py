"""Seeing plugins without running them, and what is held or installed beside what the disk has."""

from __future__ import annotations

from pathlib import Path

import pytest

from jackfield.dialects.native import NativeDialect
from jackfield.errors import ManifestError
from jackfield.host.sealed import SealedCode
from jackfield.host.survey import Surveyor
from jackfield.host.world import Entry, Hold

from .versions import write
from .world import World, states


@pytest.fixture
def surveyor(world: World) -> Surveyor:
    return Surveyor([world.source()], {"native": NativeDialect()}, SealedCode(world.data / "code"))


def test_nothing_is_run_by_looking(world: World, surveyor: Surveyor) -> None:
    world.write("bad", "raise SystemExit", manifest='id = "named"')
    (seen,) = surveyor.look()
    assert (seen.stated_id, seen.problem, seen.found.place) == ("named", None, str(world.folder / "bad"))


def test_what_is_seen_is_the_copy_and_stays_when_the_disk_changes(world: World, surveyor: Surveyor) -> None:
    place = write(world)
    (seen,) = surveyor.look()
    place.joinpath("plugin.py").unlink()
    assert seen.code is not None
    assert surveyor.unseal(seen.code).digest == seen.digest


def test_a_wrong_one_harms_no_other(world: World, surveyor: Surveyor) -> None:
    write(world)
    world.write("bad", manifest="id = 7")
    assert {seen.found.name: seen.problem is None for seen in surveyor.look()} == {"one": True, "bad": False}


def test_a_hold_keeps_the_former_code_until_the_disk_has_something_else(world: World, surveyor: Surveyor) -> None:
    write(world)
    (old,) = surveyor.look()
    write(world, version="2")
    (new,) = surveyor.look()
    entries = {"one": Entry(code=old.code, hold=Hold(new.found.place, new.digest))}
    held = surveyor.settle([new], entries, ())
    assert ([one.digest for one in held.sightings], held.held) == ([old.digest], {"one"})
    assert surveyor.settle([new], entries, ("one",)).lifted == {"one"}
    write(world, version="3")
    newer = surveyor.settle(surveyor.look(), entries, ())
    assert (newer.held, newer.lifted) == (set(), {"one"})


def test_a_kept_copy_that_is_gone_is_a_problem_of_its_plugin(world: World, surveyor: Surveyor) -> None:
    write(world)
    (seen,) = surveyor.look()
    assert seen.code is not None
    entry = Entry(code=seen.code, installed=True)
    SealedCode(world.data / "code").place(seen.code.digest).rename(world.data / "away")
    (kept,) = surveyor.settle([], {"one": entry}, ()).sightings
    assert "the kept copy of this version is gone" in str(kept.problem)


@pytest.mark.parametrize(("make", "expected"), [((), "holds 0 plugins"), (("a", "b"), "holds 2 plugins")])
def test_a_folder_to_install_is_one_plugin(
    surveyor: Surveyor, tmp_path: Path, make: tuple[str, ...], expected: str
) -> None:
    folder = tmp_path / "given"
    folder.mkdir()
    for name in make:
        World(folder).write(name)
    with pytest.raises(ManifestError, match=expected):
        surveyor.see_folder(folder)


LAZY = """
    from jackfield.sdk import Plugin, PluginConfig
    class Config(PluginConfig):
        word: str = "none"
    class Lazy(Plugin[Config]):
        id = "lazy"
        def late(self):
            from .words import WORD
            return WORD
"""


async def test_each_start_has_modules_of_its_own_that_stay_as_long_as_it_runs(world: World) -> None:
    """Also where the code is the same as in the generation before, and that is unloaded, or was refused."""
    world.write("lazy", LAZY, words="WORD = 'late'")
    await world.start()
    first = world.running.snapshot.plugins["lazy"].instance
    await world.running.configure("lazy", {"word": "x"}, actor="me")
    await world.running.drained()
    second = world.running.snapshot.plugins["lazy"].instance
    with pytest.raises(Exception, match="word"):
        await world.running.configure("lazy", {"word": 7}, actor="me")
    assert type(second) is not type(first)
    assert second.late() == "late"  # type: ignore[union-attr]
    assert states(world.running.snapshot.plugins) == {"lazy": "active"}
