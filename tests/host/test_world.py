"""What is kept of the plugin world: immutable, comparable, and rolled back whole."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jackfield.host.world import NOTHING, Code, Entry, Hold, World, decode, digests_of, encode, roll_back

digests = st.sampled_from(["d1", "d2", "d3"])
codes = st.builds(Code, digests, st.just("native"), st.just("n"), st.just("/p/n"), st.just("/p"))
holds = st.builds(Hold, st.just("/p/n"), st.none() | digests)
entries = st.builds(
    Entry,
    code=st.none() | codes,
    enabled=st.none() | st.booleans(),
    config=st.dictionaries(st.sampled_from("xy"), st.integers() | st.text(max_size=2), max_size=2),
    approved=st.none() | st.just(("storage:read",)),
    installed=st.booleans(),
    hold=st.none() | holds,
)
worlds = st.builds(World, st.dictionaries(st.sampled_from("abc"), entries, max_size=3))


def code(digest: str) -> Code:
    return Code(digest, "native", "n", "/p/n", "/p")


@given(worlds)
def test_a_world_is_the_same_after_it_was_written_down(world: World) -> None:
    assert decode(json.loads(json.dumps(encode(world)))) == world


@given(worlds, worlds)
def test_what_changed_is_what_differs(one: World, other: World) -> None:
    names = {*one.entries, *other.entries}
    assert set(one.changed_from(other)) == {name for name in names if one.entry(name) != other.entry(name)}
    assert one.changed_from(other) == other.changed_from(one)


@given(worlds, entries)
def test_a_world_is_never_changed_in_place(world: World, entry: Entry) -> None:
    before = encode(world)
    changed = world.with_entry("a", config=entry.config)
    assert encode(world) == before
    assert changed.entry("a").config == entry.config


@given(worlds, st.dictionaries(st.sampled_from("abcd"), codes, max_size=3))
def test_entries_that_say_nothing_are_left_out(world: World, running: dict[str, Code]) -> None:
    told = world.with_code(running)
    assert NOTHING not in told.entries.values()
    assert {name: entry.code for name, entry in told.entries.items() if entry.code} == running


@given(worlds, worlds)
def test_a_rollback_restores_all_but_holds(now: World, target: World) -> None:
    rolled = roll_back(now, target)
    for name in {*now.entries, *target.entries}:
        wanted, got = target.entry(name), rolled.entry(name)
        assert (got.code, got.enabled, got.config) == (wanted.code, wanted.enabled, wanted.config)
        assert (got.approved, got.installed) == (wanted.approved, wanted.installed)


@pytest.mark.parametrize(
    ("former", "wanted", "expected"),
    [
        (Entry(code=code("new")), Entry(code=code("old")), Hold("/p/n", "new")),
        (Entry(), Entry(code=code("old")), Hold("/p/n", None)),
        (Entry(code=code("new")), Entry(), Hold("/p/n", "new")),
        (Entry(code=code("one")), Entry(code=code("one")), None),
        (Entry(code=code("new"), installed=True), Entry(), None),
        (Entry(code=code("old"), hold=Hold("/p/n", "x")), Entry(code=code("older")), Hold("/p/n", "x")),
    ],
)
def test_what_a_rollback_holds_back(former: Entry, wanted: Entry, expected: Hold | None) -> None:
    assert roll_back(World({"n": former}), World({"n": wanted})).entry("n").hold == expected


def test_the_audit_mark_tells_entries_apart_and_is_no_secret() -> None:
    world = World({"n": Entry(config={"key": "secret"}), "m": Entry(config={"key": "other"})})
    marks = [world.mark("n"), world.mark("m"), world.mark("absent")]
    assert len(set(marks)) == 3
    assert marks[2] is None
    assert "secret" not in str(marks)


def test_the_code_of_all_generations_is_in_use() -> None:
    bodies = [encode(World({"n": Entry(code=code(digest))})) for digest in ("d1", "d2")]
    assert digests_of(bodies) == {"d1", "d2"}
