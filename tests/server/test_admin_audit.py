"""Who changed what, through the admin API."""

from __future__ import annotations

import shutil
from pathlib import Path
from textwrap import dedent

import pytest

from jackfield.testing.gateway import RunningGateway

from .admin import refused
from .plugins import GREETER, QUIET, StartGateway, done, newer, put, put_config

PATH = "/api/v1/audit"


async def test_every_change_is_told_with_who_and_what(start_gateway: StartGateway) -> None:
    gateway = await start_gateway(plugins={"quiet": QUIET})
    made = (await gateway.admin("/api/v1/credentials", "POST", {"name": "ops", "role": "admin"})).json
    async with gateway.caller(made["key"]) as caller:
        toggled = await caller.post("/api/v1/plugins/toggle", {"name": "quiet", "enabled": False})
    assert toggled.status == 200
    newest, before = (await gateway.admin(f"{PATH}?limit=2")).json["data"]
    told = ("kind", "object_id", "action", "actor")
    assert [newest[key] for key in told] == ["plugin", "quiet", "disable", made["id"]]
    assert [before[key] for key in told] == ["credential", made["id"], "create", "key_environment_admin"]
    assert newest["before_digest"] != newest["after_digest"]
    assert newest["at"] >= before["at"] > 0


async def changes_of(gateway: RunningGateway, plugin: str) -> list[str]:
    """What the newest entry says; the list of generations says the same."""
    entry = (await gateway.admin(f"{PATH}?kind=plugin&object_id={plugin}&limit=1")).json["data"][0]
    newest = (await gateway.admin("/api/v1/generations")).json["data"][0]
    assert newest["changes"][plugin] == entry["changes"]
    return list(entry["changes"])


async def test_it_is_told_what_is_another_than_before(start_gateway: StartGateway) -> None:
    gateway = await start_gateway(plugins={"quiet": QUIET})
    assert await changes_of(gateway, "quiet") == ["added, version 1"]
    await done(gateway, "toggle", {"name": "quiet", "enabled": False})
    assert await changes_of(gateway, "quiet") == ["disabled"]
    await done(gateway, "toggle", {"name": "quiet", "enabled": True})
    assert await changes_of(gateway, "quiet") == ["enabled"]
    put(gateway, "quiet", newer(QUIET))
    await done(gateway, "hot-swap")
    assert await changes_of(gateway, "quiet") == ["version 1 -> 2.1"]
    put(gateway, "quiet", newer(QUIET) + "\n    LATER = 1\n")
    await done(gateway, "hot-swap")
    assert await changes_of(gateway, "quiet") == ["other code, version 2.1"]
    await done(gateway, "rollback")
    assert await changes_of(gateway, "quiet") == ["other code, version 2.1", "held back against what is on disk"]
    await done(gateway, "hot-swap", {"names": ["quiet"], "force": True})
    assert await changes_of(gateway, "quiet") == ["other code, version 2.1", "no longer held back"]
    await done(gateway, "hot-swap", {"names": ["quiet"], "force": True})
    assert await changes_of(gateway, "quiet") == ["started anew"]


@pytest.mark.parametrize("enabled", [True, False])
async def test_a_folder_that_is_gone_is_told(start_gateway: StartGateway, enabled: bool) -> None:
    gateway = await start_gateway(plugins={"quiet": QUIET}, **{"plugins.config.quiet": {"enabled": enabled}})
    shutil.rmtree(gateway.folder / "plugins" / "quiet")
    await done(gateway, "hot-swap")
    assert await changes_of(gateway, "quiet") == ["removed"]


async def test_an_installed_folder_is_told(start_gateway: StartGateway, tmp_path: Path) -> None:
    gateway = await start_gateway()
    place = tmp_path / "elsewhere" / "guest"
    place.mkdir(parents=True)
    place.joinpath("plugin.py").write_text(dedent(QUIET))
    place.joinpath("jackfield.toml").write_text('id = "guest"\nversion = "1"\n')
    await done(gateway, "install", {"source": str(place), "runtime": "inprocess"})
    assert await changes_of(gateway, "guest") == ["added, version 1", "installed as a copy"]


async def test_config_is_told_by_field_and_secrets_are_not(start_gateway: StartGateway) -> None:
    """Neither those that their name tells nor those that only their type tells, and none at all while nobody knows."""
    gateway = await start_gateway(plugins={"greeter": GREETER})
    secrets = {"api_key": "first-secret", "salt": "second-secret"}
    await put_config(gateway, "greeter", {"greeting": "moin", "priority": 3, **secrets})
    wanted = ["config.api_key: set", 'config.greeting: set to "moin"', "config.priority: set to 3", "config.salt: set"]
    assert await changes_of(gateway, "greeter") == wanted
    await put_config(gateway, "greeter", {"greeting": "x" * 300, "api_key": "other-secret", "salt": "third-secret"})
    told = await changes_of(gateway, "greeter")
    assert told[0] == "config.api_key: changed"
    assert told[1] == f'config.greeting: "moin" -> "{"x" * 199}…'
    assert told[2:] == ["config.priority: no longer set", "config.salt: changed"]
    await put_config(gateway, "greeter", {"enabled": False, "salt": "fourth-secret"})
    assert "config.salt: changed" in await changes_of(gateway, "greeter")
    await put_config(gateway, "greeter", {"salt": "fifth-secret", "greeting": "hi"})
    await done(gateway, "rollback")
    for path in (PATH, "/api/v1/generations"):
        assert b"-secret" not in (await gateway.admin(path)).body


async def test_permissions_are_told(start_gateway: StartGateway) -> None:
    gateway = await start_gateway(plugins={"quiet": QUIET}, environ={"JACKFIELD_PLUGINS__APPROVE": "ask"})
    put(gateway, "keeper", QUIET, jackfield_toml='id = "keeper"\npermissions = ["storage:read", "storage:write"]\n')
    await done(gateway, "hot-swap")
    assert await changes_of(gateway, "keeper") == ["added, version 0.0.0", "disabled"]
    await done(gateway, "keeper/permissions", {"approve": ["storage:write", "storage:read"]})
    told = await changes_of(gateway, "keeper")
    assert "permissions added: storage:read, storage:write" in told
    assert "enabled" in told
    await done(gateway, "toggle", {"name": "keeper", "enabled": False})
    await done(gateway, "keeper/permissions", {"approve": ["storage:read"]})
    assert await changes_of(gateway, "keeper") == ["permissions removed: storage:write"]


async def test_a_refused_change_leaves_no_trace(start_gateway: StartGateway) -> None:
    gateway = await start_gateway(plugins={"broken": "1 +"})
    before = (await gateway.admin(PATH)).json
    called = await gateway.admin("/api/v1/plugins/toggle", "POST", {"name": "broken", "enabled": True})
    assert called.status == 409
    assert (await gateway.admin(PATH)).json == before


async def test_entries_are_filtered_and_paged(start_gateway: StartGateway) -> None:
    gateway = await start_gateway(plugins={"quiet": QUIET})
    for enabled in (False, True, False):
        await done(gateway, "toggle", {"name": "quiet", "enabled": enabled})
    first = (await gateway.admin(f"{PATH}?kind=plugin&object_id=quiet&limit=2")).json
    second = (await gateway.admin(f"{PATH}?kind=plugin&object_id=quiet&limit=2&cursor={first['next']}")).json
    assert [one["action"] for one in first["data"] + second["data"]] == ["disable", "enable", "disable", "start"]
    assert (await gateway.admin(f"{PATH}?kind=nothing")).json == {"data": [], "next": None}


@pytest.mark.parametrize(
    ("query", "param"),
    [("limit=0", "limit"), ("limit=1001", "limit"), ("cursor=x", "cursor"), (f"kind={'x' * 6000}", "kind")],
)
async def test_a_wrong_parameter_is_named(start_gateway: StartGateway, query: str, param: str) -> None:
    gateway = await start_gateway()
    refused(await gateway.admin(f"{PATH}?{query}"), 422, "unprocessable", param)
