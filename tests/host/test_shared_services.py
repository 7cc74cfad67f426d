"""Services between plugins, over their lives."""

from __future__ import annotations

from typing import Any

import pytest

from jackfield.errors import Conflict

from .versions import refused
from .world import World, states

BASE = """
    from jackfield.sdk import Plugin

    class Base(Plugin):
        async def on_load(self):
            self.services.shared.provide("words", {given!r})
"""
USER = """
    from jackfield.sdk import Plugin, hook

    class User(Plugin):
        seen = None

        async def on_load(self):
            self.seen = self.services.shared.find("words", str)
            self.services.shared.watch("words", self.take)

        def take(self, words):
            self.seen = words

        @hook("ingress")
        async def check(self, exchange): ...
"""
REQUIRES = 'id = "user"\n[requires]\nservices = ["words{0}"]'
HOPES = 'id = "auser"\n[optional]\nservices = ["words"]'


def base(world: World, given: str = "one", version: str = "", name: str = "base") -> None:
    source = BASE.replace("Base", name.capitalize()).format(given=given)
    world.write(name, source, manifest=f'id = "{name}"\nprovides = ["words{version}"]')


def instance(world: World, name: str) -> Any:
    return world.running.snapshot.plugins[name].instance


async def test_what_requires_a_service_finds_it_when_it_loads(world: World) -> None:
    world.write("auser", USER.replace("User", "Auser"), manifest=REQUIRES.format(" >=1").replace("user", "auser"))
    base(world, version=" 1.2")
    await world.start()
    assert instance(world, "auser").seen == "one"
    assert dict(world.running.snapshot.services) == {"words": "base"}


@pytest.mark.parametrize(
    ("wanted", "offered", "reason"),
    [
        (" >=2", " 1.2", "requires the service 'words >=2', which does not run: base provides words 1.2"),
        (" >=2", "", "requires the service 'words >=2', which does not run: base provides words"),
    ],
)
async def test_of_a_wrong_version_it_says_which_there_is(world: World, wanted: str, offered: str, reason: str) -> None:
    base(world, version=offered)
    world.write("user", USER, manifest=REQUIRES.format(wanted))
    plugins = await world.start()
    assert (plugins["user"].state, plugins["user"].reason) == ("failed", reason)
    assert not plugins["user"].hooks


async def test_what_is_missing_is_none_where_it_is_optional(world: World) -> None:
    world.write("auser", USER.replace("User", "Auser"), manifest=HOPES)
    await world.start()
    assert instance(world, "auser").seen is None


async def test_what_is_optional_starts_first_where_it_is_there(world: World) -> None:
    world.write("auser", USER.replace("User", "Auser"), manifest=HOPES)
    base(world)
    await world.start()
    assert instance(world, "auser").seen == "one"


async def test_who_declares_and_does_not_give_is_degraded_and_who_requires_it_fails(world: World) -> None:
    world.write("base", manifest='id = "base"\nprovides = ["words"]')
    world.write("user", USER, manifest=REQUIRES.format(""))
    plugins = await world.start()
    assert states(plugins) == {"base": "degraded", "user": "failed"}
    assert plugins["base"].reason == "it declares that it provides 'words', and does not"
    assert plugins["user"].reason == "requires the service 'words', which base declares and does not provide"


async def test_who_requires_a_service_is_replaced_with_it(world: World) -> None:
    base(world)
    world.write("user", USER, manifest=REQUIRES.format(""))
    await world.start()
    before = instance(world, "user")
    base(world, "two")
    await world.running.reload(actor="me")
    assert instance(world, "user") is not before
    assert instance(world, "user").seen == "two"


async def test_who_only_hopes_for_it_runs_on_and_is_told(world: World) -> None:
    world.write("auser", USER.replace("User", "Auser"), manifest=HOPES)
    base(world)
    await world.start()
    user = instance(world, "auser")
    base(world, "two")
    await world.running.reload(actor="me")
    await world.running.drained()
    assert (instance(world, "auser"), user.seen) == (user, "two")
    await world.running.toggle("base", False, actor="me")
    await world.running.drained()
    assert user.seen is None
    await world.running.toggle("base", True, actor="me")
    await world.running.drained()
    assert user.seen == "two"


async def test_a_refused_change_tells_nobody(world: World) -> None:
    world.write("auser", USER.replace("User", "Auser"), manifest=HOPES)
    base(world)
    world.write("broken")
    await world.start()
    user = instance(world, "auser")
    base(world, "two")
    world.write("broken", "1 / 0")
    await refused(world.running.reload(actor="me"), Conflict, "ZeroDivisionError")
    assert (user.seen, user.services.shared.find("words", str)) == ("one", "one")


async def test_of_two_that_give_it_the_other_is_there_when_one_goes(world: World) -> None:
    world.write("zuser", USER.replace("User", "Zuser"), manifest=HOPES.replace("auser", "zuser"))
    base(world, "one", name="first")
    base(world, "two", name="second")
    await world.start()
    user = instance(world, "zuser")
    assert user.seen == "one"
    await world.running.toggle("first", False, actor="me")
    await world.running.drained()
    assert user.seen == "two"
