"""Who may use which tool, as the operator has set it."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from jackfield.control.access import APP, BODIES, TOOL, ToolAccess
from jackfield.control.directory import Directory
from jackfield.control.objects import ControlObjects
from jackfield.sdk.caller import Caller
from jackfield.stores.database import Database
from jackfield.stores.objects import StoredObject

from .conftest import SECRET, SetClock

WEATHER, NOTES = "plugin_weather_get_weather", "plugin_my-notes_add"
ALICE = Caller(user="shop/alice", app="shop", credential="key_1")
NOBODY = Caller()


class Tool(msgspec.Struct):
    name: str


def stored(kind: str, name: str, body: Any, *, deleted: bool = False) -> StoredObject:
    return StoredObject(kind, name, "default", 1, body, 0.0, 0.0, deleted)


def access(*objects: StoredObject) -> ToolAccess:
    made = ToolAccess()
    for each in objects:
        made.take(each)
    return made


def app(**body: Any) -> StoredObject:
    return stored(APP, "shop", {"name": "Shop", **body})


def tool(**body: Any) -> StoredObject:
    return stored(TOOL, WEATHER, body)


@pytest.mark.parametrize("caller", [ALICE, NOBODY, Caller(app="unknown")])
def test_where_nothing_is_set_all_is_allowed_and_nothing_runs_unasked(caller: Caller) -> None:
    open_to_all = access()
    assert open_to_all.allows(caller, Tool(WEATHER))
    assert not open_to_all.loops(caller)


@pytest.mark.parametrize(
    ("body", "caller", "allowed"),
    [
        ({}, ALICE, True),
        ({"enabled": False}, ALICE, False),
        ({"enabled": False, "apps": ["shop"]}, ALICE, False),
        ({"apps": ["shop", "other"]}, ALICE, True),
        ({"apps": ["other"]}, ALICE, False),
        ({"apps": []}, ALICE, False),
        ({"apps": ["shop"]}, NOBODY, False),
        ({"apps": ["sho*"]}, ALICE, False),
        ({"credentials": ["key_1"]}, ALICE, True),
        ({"credentials": ["key_2"]}, ALICE, False),
        ({"credentials": []}, ALICE, False),
        ({"credentials": ["key_1"]}, NOBODY, False),
        ({"apps": ["shop"], "credentials": ["key_1"]}, ALICE, True),
        ({"apps": ["shop"], "credentials": ["key_2"]}, ALICE, False),
        ({"apps": ["other"], "credentials": ["key_1"]}, ALICE, False),
        ({"apps": None, "credentials": None}, NOBODY, True),
    ],
)
def test_a_tool_is_for_those_on_each_of_its_lists(body: dict[str, Any], caller: Caller, allowed: bool) -> None:
    restricted = access(tool(**body))
    assert restricted.allows(caller, Tool(WEATHER)) is allowed
    assert restricted.allows(caller, Tool(NOTES))


@pytest.mark.parametrize(
    ("tools", "has"),
    [
        (None, {WEATHER, NOTES}),
        ([], set()),
        ([WEATHER], {WEATHER}),
        (["plugin_weather_*"], {WEATHER}),
        (["*"], {WEATHER, NOTES}),
        (["plugin_my-notes_*", WEATHER], {WEATHER, NOTES}),
        (["PLUGIN_WEATHER_*"], set()),
        (["weather"], set()),
        (["plugin_weather_get_weather_more"], set()),
        (["plugin_weather_get_weathe"], set()),
        (["plugin_weather_get_weathe?"], {WEATHER}),
        ([".*", "plugin_weather_get_weather\n"], set()),
        (["plugin_[a-z]*_get_weather"], {WEATHER}),
        (["[", "[!", "a|b", "("], set()),
    ],
)
def test_an_app_has_the_tools_that_it_lists(tools: list[str] | None, has: set[str]) -> None:
    limited = access(app(tools=tools))
    assert {name for name in (WEATHER, NOTES) if limited.allows(ALICE, Tool(name))} == has
    assert all(limited.allows(other, Tool(name)) for name in (WEATHER, NOTES) for other in (NOBODY, Caller(app="else")))


def test_both_have_to_agree() -> None:
    assert not access(app(tools=["*"]), tool(enabled=False)).allows(ALICE, Tool(WEATHER))
    assert not access(app(tools=[]), tool(apps=["shop"])).allows(ALICE, Tool(WEATHER))
    assert access(app(tools=["*"]), tool(apps=["shop"])).allows(ALICE, Tool(WEATHER))


def test_tools_run_unasked_for_the_apps_that_want_it() -> None:
    wanting = access(app(tool_loop=True))
    assert wanting.loops(ALICE)
    assert not wanting.loops(NOBODY)
    assert not wanting.loops(Caller(app="other"))


def test_what_was_deleted_restricts_nobody() -> None:
    former = access(app(tools=[], tool_loop=True), tool(enabled=False))
    former.take(stored(APP, "shop", None, deleted=True))
    former.take(stored(TOOL, WEATHER, None, deleted=True))
    former.take(stored(TOOL, "plugin_never_seen", None, deleted=True))
    assert former.allows(ALICE, Tool(WEATHER))
    assert not former.loops(ALICE)


@pytest.mark.parametrize("body", [None, {}, {"name": "Shop", "future": 1}, {"name": "Shop", "tools": "all"}])
def test_an_app_that_is_not_understood_has_no_tools(body: Any) -> None:
    closed = access(stored(APP, "shop", body))
    assert not closed.allows(ALICE, Tool(WEATHER))
    assert not closed.loops(ALICE)
    assert closed.allows(NOBODY, Tool(WEATHER))


@pytest.mark.parametrize("body", [None, {"future": 1}, {"apps": "shop"}])
def test_a_tool_that_is_not_understood_is_nobodys(body: Any) -> None:
    closed = access(stored(TOOL, WEATHER, body))
    assert not closed.allows(ALICE, Tool(WEATHER))
    assert closed.allows(ALICE, Tool(NOTES))


async def test_it_follows_the_store_through_the_directory(database: Database, clock: SetClock) -> None:
    objects, following = ControlObjects(database, clock, BODIES), ToolAccess()
    directory = Directory(database, SECRET, clock, followers=(following,))
    await objects.put(TOOL, WEATHER, {"enabled": False}, actor="test")
    await objects.put(APP, "shop", {"name": "Shop", "tool_loop": True}, actor="test")
    await directory.refresh()
    assert not following.allows(ALICE, Tool(WEATHER))
    assert following.loops(ALICE)
    await objects.put(TOOL, WEATHER, {"enabled": True}, actor="test")
    await objects.delete(APP, "shop", actor="test")
    await directory.refresh()
    assert following.allows(ALICE, Tool(WEATHER))
    assert not following.loops(ALICE)
