"""Permissions of plugins: asked, approved, and what is between the two."""

from __future__ import annotations

from typing import Any

import pytest

from jackfield.sdk.permissions import PERMISSIONS
from jackfield.testing.gateway import RunningGateway

from .admin import refused
from .plugins import PLUGINS, QUIET, StartGateway, done, put

PATH = f"{PLUGINS}/keeper/permissions"
KEEPER = 'id = "keeper"\nname = "The Keeper"\npermissions = ["storage:read", "storage:write"]\n'


async def start(start_gateway: StartGateway) -> RunningGateway:
    """With a plugin that waits for its permissions."""
    gateway = await start_gateway(plugins={"quiet": QUIET}, environ={"JACKFIELD_PLUGINS__APPROVE": "ask"})
    put(gateway, "keeper", QUIET, jackfield_toml=KEEPER)
    await done(gateway, "hot-swap")
    return gateway


async def test_what_is_asked_for_is_told_in_sentences(start_gateway: StartGateway) -> None:
    gateway = await start(start_gateway)
    told = (await gateway.admin(PATH)).json
    asked = [{"name": name, "sentence": PERMISSIONS[name]} for name in ("storage:read", "storage:write")]
    assert (told["id"], told["name"], told["state"]) == ("keeper", "The Keeper", "disabled")
    assert "storage:read" in told["reason"]
    wanted = {"asked": asked, "approved": [], "difference": ["storage:read", "storage:write"]}
    assert {key: told[key] for key in wanted} == wanted == (await gateway.plugin("keeper"))["permissions"]


async def test_a_plugin_starts_once_all_is_approved(
    start_gateway: StartGateway,
) -> None:
    gateway = await start(start_gateway)
    some = await done(gateway, "keeper/permissions", {"approve": ["storage:read"]})
    assert (some["state"], some["approved"], some["difference"]) == ("disabled", ["storage:read"], ["storage:write"])
    every = await done(gateway, "The%20Keeper/permissions", {"approve": ["storage:write", "storage:read"]})
    assert (every["state"], sorted(every["approved"]), every["difference"]) == ("active", sorted(every["approved"]), [])
    assert every["changed"] is True
    again = await done(gateway, "keeper/permissions", {"approve": every["approved"]})
    assert (again["changed"], again["generation"]) == (False, every["generation"])


async def test_a_plugin_that_runs_keeps_what_it_asks_for_until_it_is_disabled(start_gateway: StartGateway) -> None:
    gateway = await start(start_gateway)
    await done(gateway, "keeper/permissions", {"approve": ["storage:read", "storage:write"]})
    called = await gateway.admin(PATH, "POST", {"approve": ["storage:read"]})
    told = refused(called, 409, "conflict", changed=False, plugin="keeper")
    assert "storage:write" in told
    await done(gateway, "toggle", {"name": "keeper", "enabled": False})
    taken = await done(gateway, "keeper/permissions", {"approve": []})
    assert (taken["approved"], taken["state"]) == ([], "disabled")


async def test_what_the_file_approves_is_not_taken_away_here(start_gateway: StartGateway) -> None:
    """It would be approved all the same, so it is not said that it was revoked."""
    settings = {"plugins.config.keeper": {"approve": ["storage:read"]}}
    gateway = await start_gateway(plugins={"quiet": QUIET}, **settings)
    put(gateway, "keeper", QUIET, jackfield_toml=KEEPER)
    await done(gateway, "hot-swap")
    before = (await gateway.admin(PATH)).json
    assert before["approved"] == ["storage:read"]
    for approve in ([], ["storage:write"]):
        called = await gateway.admin(PATH, "POST", {"approve": approve})
        told = refused(called, 409, "conflict", "approve", changed=False, plugin="keeper")
        assert "plugins.config.keeper.approve approves 'storage:read'" in told
    assert (await gateway.admin(PATH)).json == before
    every = await done(gateway, "keeper/permissions", {"approve": ["storage:read", "storage:write"]})
    assert every["state"] == "active"
    await done(gateway, "toggle", {"name": "keeper", "enabled": False})
    assert (await done(gateway, "keeper/permissions", {"approve": ["storage:read"]}))["approved"] == ["storage:read"]


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({}, "approve"),
        ({"approve": "storage:read"}, "approve"),
        ({"approve": [5]}, "approve.0"),
        ({"approve": ["storge:read"]}, "approve"),
        ({"approve": ["tools:execute"]}, "approve"),
        ({"aprove": []}, "approve"),
    ],
)
async def test_a_wrong_approval_is_refused(start_gateway: StartGateway, body: dict[str, Any], param: str) -> None:
    gateway = await start(start_gateway)
    before = (await gateway.admin(PATH)).json
    refused(await gateway.admin(PATH, "POST", body), 422, "unprocessable", param, changed=False)
    assert (await gateway.admin(PATH)).json == before
