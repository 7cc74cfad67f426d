"""Tools through the admin API: what there is, and who may use it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from jackfield.sdk.caller import Caller

from .objects import AdminOfObjects, admin_of_objects

PATH = "/api/v1/tools"
NAME = "plugin_weather_get_weather"
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}}
OPEN = {"enabled": True, "apps": None, "credentials": None}


pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[AdminOfObjects]:
    async with admin_of_objects(tmp_path_factory.mktemp("objects")) as running:
        yield running


@pytest_asyncio.fixture(loop_scope="module")
async def admin(running: AdminOfObjects) -> AdminOfObjects:
    await running.clear()
    running.host.offer("get_weather", description="Tells the weather.", input_schema=SCHEMA)
    return running


def allowed(admin: AdminOfObjects, **caller: Any) -> bool:
    tool = admin.host.snapshot.tools.find(NAME)
    return admin.access.allows(Caller(**caller), tool)


async def test_what_plugins_offer_now_is_listed(admin: AdminOfObjects) -> None:
    weather = {"name": NAME, "plugin": "weather", "description": "Tells the weather.", "input_schema": SCHEMA}
    assert (await admin.get(PATH)).json == {"data": [weather | {"revision": 0} | OPEN]}
    admin.host.offer("forecast")
    assert [tool["name"] for tool in (await admin.get(PATH)).json["data"]] == [NAME, "plugin_weather_forecast"]
    admin.host.table.clear()
    assert (await admin.get(PATH)).json == {"data": []}


async def test_one_is_restricted_and_it_counts_at_once(admin: AdminOfObjects) -> None:
    assert allowed(admin, app="shop", credential="key_1")
    restricted = await admin.put(f"{PATH}/{NAME}", {"apps": ["shop"], "credentials": ["key_1"]})
    assert restricted.json["apps"] == ["shop"]
    assert (await admin.get(f"{PATH}/{NAME}")).json == restricted.json == (await admin.get(PATH)).json["data"][0]
    assert allowed(admin, app="shop", credential="key_1")
    assert not allowed(admin, app="shop", credential="key_2")
    assert not allowed(admin, app="other", credential="key_1")
    assert not allowed(admin)
    await admin.put(f"{PATH}/{NAME}", {"enabled": False})
    assert not allowed(admin, app="shop", credential="key_1")
    assert (await admin.put(f"{PATH}/{NAME}", {})).json.items() >= OPEN.items()
    assert allowed(admin)


async def test_a_change_is_on_record(admin: AdminOfObjects) -> None:
    await admin.put(f"{PATH}/{NAME}", {"enabled": False})
    (entry,) = await admin.audit.list(kind="tool")
    assert (entry.actor, entry.action, entry.object_id) == (admin.actor, "create", NAME)


async def test_what_is_set_stays_while_the_plugin_is_gone(admin: AdminOfObjects) -> None:
    await admin.put(f"{PATH}/{NAME}", {"enabled": False})
    admin.host.table.clear()
    shown = (await admin.get(f"{PATH}/{NAME}")).json
    assert (shown["plugin"], shown["input_schema"], shown["enabled"]) == (None, None, False)
    assert (await admin.put(f"{PATH}/{NAME}", {"apps": []})).status == 200
    assert (await admin.get(PATH)).json == {"data": []}


@pytest.mark.parametrize("name", ["plugin_weather_gone", "get_weather", "plugin_weather_get_weather_"])
async def test_what_nobody_offers_is_not_there(admin: AdminOfObjects, name: str) -> None:
    (await admin.put(f"{PATH}/{name}", {"enabled": False})).refused(404, "not_found")
    assert (await admin.get(f"{PATH}/{name}")).status == 404
    assert await admin.audit.list(kind="tool") == []


async def test_revisions_are_those_of_the_restriction(admin: AdminOfObjects) -> None:
    unset = (await admin.get(f"{PATH}/{NAME}")).headers["etag"]
    assert unset == '"0"'
    first = await admin.put(f"{PATH}/{NAME}", {"enabled": False}, unset)
    assert first.status == 200
    (await admin.put(f"{PATH}/{NAME}", {}, unset)).refused(409, "conflict")
    assert (await admin.put(f"{PATH}/{NAME}", {}, first.headers["etag"])).status == 200


async def test_of_several_who_have_seen_the_same_one_wins(admin: AdminOfObjects) -> None:
    answers = await asyncio.gather(*(admin.put(f"{PATH}/{NAME}", {"apps": [f"a{n}"]}, '"0"') for n in range(5)))
    assert sorted(answer.status for answer in answers) == [200, 409, 409, 409, 409]


WRONG = [
    ({"enabled": None}, "enabled"),
    ({"enabled": "no"}, "enabled"),
    ({"apps": "shop"}, "apps"),
    ({"apps": [""]}, "apps.0"),
    ({"credentials": [1]}, "credentials.0"),
    ({"credentials": ["x"] * 1001}, "credentials"),
    ({"tools": []}, "tools"),
]


@pytest.mark.parametrize(("body", "param"), WRONG)
async def test_a_wrong_field_is_named(admin: AdminOfObjects, body: Any, param: str) -> None:
    (await admin.put(f"{PATH}/{NAME}", body)).refused(422, "unprocessable", param)
    assert (await admin.get(f"{PATH}/{NAME}")).json["revision"] == 0


async def test_half_characters_of_a_plugin_harm_nobody(admin: AdminOfObjects) -> None:
    admin.host.offer("odd", description="half \ud800")
    assert (await admin.get(PATH)).status == 200


async def test_an_apps_own_tools_are_the_ones_it_lists(admin: AdminOfObjects) -> None:
    await admin.post("/api/v1/apps", {"id": "shop", "name": "Shop", "tools": ["plugin_maps_*"], "tool_loop": True})
    assert not allowed(admin, app="shop")
    assert allowed(admin, app="other")
    assert admin.access.loops(Caller(app="shop"))
    await admin.put("/api/v1/apps/shop", {"name": "Shop", "tools": ["plugin_weather_*"]})
    assert allowed(admin, app="shop")
    assert not admin.access.loops(Caller(app="shop"))
    await admin.delete("/api/v1/apps/shop")
    assert allowed(admin, app="shop")
