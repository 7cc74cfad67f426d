"""What plugins give to one another."""

from __future__ import annotations

import asyncio
from typing import Any, Protocol, runtime_checkable

import pytest

from jackfield.services.shared import SharedDirectory, SharedTable, declared_names


class Prices:
    def price(self) -> float:
        return 1.0


@runtime_checkable
class Pricing(Protocol):
    def price(self) -> float: ...


class Silent(Protocol):
    def hush(self) -> None: ...


class World:
    def __init__(self) -> None:
        self.tables: list[SharedTable] = []
        self.directory = SharedDirectory(lambda: self.tables)

    def plugin(self, name: str, *provides: str) -> SharedTable:
        table = SharedTable(name, declared_names(provides))
        self.tables.append(table)
        table.join(self.directory)
        return table


@pytest.fixture
def world() -> World:
    return World()


async def test_who_asks_finds_what_was_given(world: World) -> None:
    base, user = world.plugin("base", "pricing 2.1"), world.plugin("user")
    prices = Prices()
    assert user.find("pricing", Prices) is None
    base.provide("pricing", prices)
    assert user.find("pricing", Prices) is prices
    assert user.find("pricing", Pricing) is prices  # type: ignore[type-abstract]
    assert dict(world.directory) == {"pricing": "base"}
    base.withdraw("pricing")
    base.withdraw("pricing")
    assert user.find("pricing", Prices) is None


async def test_another_type_is_named_with_its_plugin(world: World) -> None:
    base, user = world.plugin("base", "pricing"), world.plugin("user")
    base.provide("pricing", object())
    with pytest.raises(TypeError, match="plugin base gives 'pricing' as object, not Prices"):
        user.find("pricing", Prices)
    with pytest.raises(TypeError, match="not Pricing"):
        user.find("pricing", Pricing)  # type: ignore[type-abstract]
    # One that cannot be told by looking is taken at its word.
    assert user.find("pricing", Silent) is not None  # type: ignore[type-abstract]


async def test_what_was_not_declared_is_refused(world: World) -> None:
    base = world.plugin("base", "pricing")
    with pytest.raises(ValueError, match="plugin base does not declare that it provides 'prices'"):
        base.provide("prices", Prices())
    with pytest.raises(ValueError, match="gave None as 'pricing'"):
        base.provide("pricing", None)
    assert base.missing == ("pricing",)
    base.provide("pricing", Prices())
    assert base.missing == ()
    free = SharedTable("free", None)
    free.provide("anything", 1)
    assert (free.find("anything", int), free.missing) == (1, ())


async def test_of_two_the_first_has_it(world: World) -> None:
    first, second = world.plugin("first", "words"), world.plugin("second", "words")
    second.provide("words", ["second"])
    first.provide("words", ["first"])
    assert second.find("words", list) == ["first"]
    first.clear()
    assert second.find("words", list) == ["second"]


async def test_who_watches_is_told_of_each_change_once(world: World) -> None:
    base, user = world.plugin("base", "words"), world.plugin("user")
    heard: list[Any] = []
    base.provide("words", "one")
    user.watch("words", heard.append)
    base.provide("words", "one")
    base.provide("words", "two")
    base.clear()
    await asyncio.sleep(0)
    assert heard == ["two", None]


async def test_who_is_gone_is_not_told(world: World) -> None:
    base, user = world.plugin("base", "words"), world.plugin("user")
    heard: list[Any] = []
    user.watch("words", heard.append)
    user.clear()
    base.provide("words", "one")
    await asyncio.sleep(0)
    assert heard == []


async def test_a_watcher_that_raises_keeps_nobody_from_being_told(world: World) -> None:
    base, user = world.plugin("base", "words"), world.plugin("user")
    heard: list[Any] = []
    user.watch("words", lambda service: 1 / 0)
    user.watch("words", heard.append)
    base.provide("words", "one")
    await asyncio.sleep(0)
    assert heard == ["one"]


async def test_in_another_world_others_are_there(world: World) -> None:
    user = world.plugin("user")
    heard: list[Any] = []
    user.watch("words", heard.append)
    other = World()
    other.plugin("base", "words").provide("words", "new")
    user.join(other.directory)
    await asyncio.sleep(0)
    assert (heard, user.find("words", str)) == (["new"], "new")
