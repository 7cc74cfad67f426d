"""Changing plugins of a running gateway: each change whole, or refused and nothing changed."""

from __future__ import annotations

from typing import Any

import pytest

from .admin import CHAT, refused
from .plugins import BROKEN, GREETER, PLUGINS, QUIET, StartGateway, done, generation, newer, put

LATE = QUIET.replace("Quiet", "Late")


async def test_the_guides_four_calls_as_they_are_printed(start_gateway: StartGateway) -> None:
    """`curl -d` says that it sends a form, and sends nothing where there is no `-d`."""
    gateway = await start_gateway(plugins={"my_plugin": QUIET})
    form = {"content-type": "application/x-www-form-urlencoded"}
    bodies = {
        "install": b'{"name": "my_plugin"}',
        "hot-swap": b"",
        "toggle": b'{"name": "my_plugin", "enabled": true}',
        "rollback": b"",
    }
    await done(gateway, "toggle", {"name": "my_plugin", "enabled": False})
    async with gateway.caller(gateway.admin_key) as caller:
        answers = {
            path: await caller.call("POST", f"{PLUGINS}/{path}", body=body, headers=form)
            for path, body in bodies.items()
        }
    assert {path: answer.status for path, answer in answers.items()} == dict.fromkeys(bodies, 200)
    told = {path: answer.json for path, answer in answers.items()}
    assert told["install"] | {"status": "installed", "name": "my_plugin", "changed": True} == told["install"]
    assert told["hot-swap"] | {"status": "success", "changed": False} == told["hot-swap"]
    assert told["toggle"] | {"name": "my_plugin", "enabled": True, "changed": False} == told["toggle"]
    assert told["rollback"]["status"] == "rolled_back"
    assert (await gateway.plugin("my_plugin"))["state"] == "disabled"


async def test_what_is_new_on_disk_is_taken_in_and_what_is_not_is_left_alone(start_gateway: StartGateway) -> None:
    gateway = await start_gateway(plugins={"greeter": GREETER, "quiet": QUIET})
    put(gateway, "greeter", newer(GREETER))
    put(gateway, "late", LATE)
    swapped = await done(gateway, "hot-swap")
    assert swapped["message"] == "Reloaded: greeter, late"
    assert (swapped["plugins"], swapped["changed"], swapped["generation"]) == (["greeter", "late"], True, 2)
    assert (await gateway.plugin("greeter"))["version"] == "2.1.2.3"
    assert await done(gateway, "hot-swap") == swapped | {
        "changed": False,
        "plugins": [],
        "message": "Nothing had changed",
    }


async def test_only_what_is_named_is_taken_in(start_gateway: StartGateway) -> None:
    gateway = await start_gateway(plugins={"greeter": GREETER, "quiet": QUIET})
    put(gateway, "greeter", newer(GREETER))
    put(gateway, "quiet", BROKEN)
    assert (await done(gateway, "hot-swap", {"names": ["greeter"]}))["plugins"] == ["greeter"]
    assert (await gateway.plugin("quiet"))["state"] == "active"


async def test_force_replaces_what_has_not_changed(start_gateway: StartGateway) -> None:
    gateway = await start_gateway(plugins={"greeter": GREETER, "quiet": QUIET})
    forced = await done(gateway, "hot-swap", {"names": ["quiet"], "force": True})
    assert (forced["plugins"], forced["changed"]) == (["quiet"], True)


async def test_a_swap_for_the_worse_is_rolled_back_and_told_as_refused(start_gateway: StartGateway) -> None:
    gateway = await start_gateway(plugins={"greeter": GREETER, "quiet": QUIET})
    before = await gateway.plugin("greeter")
    put(gateway, "greeter", BROKEN)
    put(gateway, "quiet", newer(QUIET))
    called = await gateway.admin(f"{PLUGINS}/hot-swap", "POST")
    assert "SyntaxError" in refused(called, 409, "conflict", changed=False, plugin="greeter")
    assert called.json["status"] == "rolled_back"
    assert await gateway.plugin("greeter") == before
    assert (await gateway.plugin("quiet"))["version"] == "1"


async def test_a_wrong_config_on_disk_refuses_a_swap_as_a_conflict_too(start_gateway: StartGateway) -> None:
    gateway = await start_gateway(plugins={"quiet": QUIET})
    put(gateway, "quiet", QUIET, jackfield_toml='id = "quiet"\nprioritty = 5\n')
    called = await gateway.admin(f"{PLUGINS}/hot-swap", "POST")
    assert "prioritty" in refused(called, 409, called.json["error"]["code"], changed=False, plugin="quiet")
    assert called.json["status"] == "rolled_back"


async def test_a_plugin_is_switched_off_and_on_while_requests_go_on(start_gateway: StartGateway) -> None:
    gateway = await start_gateway(plugins={"greeter": GREETER})
    stop = CHAT | {"messages": [{"role": "user", "content": "stop"}]}
    async with gateway.caller() as caller:
        for number, enabled in enumerate((False, True), 2):
            toggled = await done(gateway, "toggle", {"name": "greeter", "enabled": enabled})
            wanted = {"name": "greeter", "enabled": enabled, "generation": number, "changed": True}
            assert toggled | wanted == toggled
            assert (await caller.post("/v1/chat/completions", stop)).status == (429 if enabled else 200)
            assert (await gateway.plugin("greeter"))["enabled"] is enabled


async def test_what_cannot_run_is_not_enabled(start_gateway: StartGateway) -> None:
    gateway = await start_gateway(plugins={"broken": BROKEN})
    called = await gateway.admin(f"{PLUGINS}/toggle", "POST", {"name": "broken", "enabled": True})
    assert "SyntaxError" in refused(called, 409, "conflict", changed=False, plugin="broken")


async def test_a_plugin_on_disk_is_installed_by_name(start_gateway: StartGateway) -> None:
    gateway = await start_gateway(plugins={"quiet": QUIET})
    put(gateway, "late", LATE)
    installed = await done(gateway, "install", {"name": "late"})
    assert installed | {"status": "installed", "name": "late", "changed": True, "plugins": ["late"]} == installed
    assert (await gateway.plugin("late"))["state"] == "active"
    put(gateway, "later", BROKEN)
    called = await gateway.admin(f"{PLUGINS}/install", "POST", {"name": "later"})
    assert refused(called, 409, "conflict", changed=False, plugin="later")
    refused(await gateway.admin(f"{PLUGINS}/later"), 404, "not_found")


async def test_a_copy_of_a_folder_is_installed_and_uninstalled(start_gateway: StartGateway) -> None:
    gateway = await start_gateway(plugins={"quiet": QUIET})
    put(gateway, "../elsewhere/guest", QUIET, jackfield_toml='id = "guest"\npermissions = ["storage:read"]\n')
    source = str(gateway.folder / "elsewhere" / "guest")
    body = {"source": source, "runtime": "inprocess", "approve": ["storage:read"]}
    installed = await done(gateway, "install", body)
    assert (installed["name"], installed["plugins"]) == (source, ["guest"])
    told = await gateway.plugin("guest")
    assert (told["state"], told["permissions"]["approved"]) == ("active", ["storage:read"])
    called = await gateway.admin(f"{PLUGINS}/install", "POST", body | {"sha256": "0" * 64})
    assert told["digest"] in refused(called, 422, "unprocessable", "sha256", changed=False)
    assert (await done(gateway, "install", body | {"sha256": told["digest"].upper()}))["changed"] is False
    uninstalled = await gateway.admin(f"{PLUGINS}/guest", "DELETE")
    assert uninstalled.json | {"status": "uninstalled", "name": "guest", "changed": True} == uninstalled.json
    refused(await gateway.admin(f"{PLUGINS}/guest"), 404, "not_found")


@pytest.mark.parametrize(
    ("body", "param", "told"),
    [
        ({}, "name", "name or source"),
        ({"name": "quiet", "source": "/"}, "source", "name or source"),
        ({"name": "quiet", "sha256": "0" * 64}, "sha256", "source"),
        ({"name": "quiet", "runtime": "inprocess"}, "runtime", "source"),
        ({"name": ""}, "name", "name"),
        ({"name": 5}, "name", "name"),
        ({"nmae": "quiet"}, "nmae", "nmae"),
        ({"source": "http://example.com/guest.jackfield"}, "source", "only https"),
        ({"source": "git+ssh://example.com/plugin"}, "source", "only https"),
        ({"source": "https://127.0.0.1/guest.jackfield"}, "source", "loopback"),
        ({"source": "/no/such/folder"}, "source", "/no/such/folder"),
        ({"source": "\0"}, "source", "no folder"),
        ({"name": "quiet", "no_cooldown": 1}, "no_cooldown", "bool"),
        ({"source": "/", "runtime": "inprocess", "sha256": "abc"}, "sha256", "sha256"),
        ({"source": "/", "runtime": "inprocess", "approve": "all"}, "approve", "approve"),
    ],
)
async def test_a_wrong_installation_names_its_field(
    start_gateway: StartGateway, body: dict[str, Any], param: str, told: str
) -> None:
    gateway = await start_gateway(plugins={"quiet": QUIET})
    called = await gateway.admin(f"{PLUGINS}/install", "POST", body)
    assert told in refused(called, 422, "unprocessable", param, changed=False)
    assert await generation(gateway) == 1


@pytest.mark.parametrize(
    ("path", "body", "param"),
    [
        ("hot-swap", {"names": "quiet"}, "names"),
        ("hot-swap", {"names": [""]}, "names.0"),
        ("hot-swap", {"force": 1}, "force"),
        ("hot-swap", {"forced": True}, "forced"),
        ("toggle", {}, "name"),
        ("toggle", {"name": "quiet"}, "enabled"),
        ("toggle", {"name": "quiet", "enabled": "yes"}, "enabled"),
        ("rollback", {"to": 3}, "to"),
    ],
)
async def test_a_wrong_field_is_named(start_gateway: StartGateway, path: str, body: dict[str, Any], param: str) -> None:
    gateway = await start_gateway(plugins={"quiet": QUIET})
    called = await gateway.admin(f"{PLUGINS}/{path}", "POST", body)
    assert param in refused(called, 422, "unprocessable", param, changed=False)
    assert "status" not in called.json


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("hot-swap", {"names": ["ecko"]}),
        ("toggle", {"name": "ecko", "enabled": False}),
        ("install", {"name": "ecko"}),
    ],
)
async def test_a_plugin_that_is_not_there_cannot_be_changed(
    start_gateway: StartGateway, path: str, body: dict[str, Any]
) -> None:
    gateway = await start_gateway(plugins={"quiet": QUIET})
    called = await gateway.admin(f"{PLUGINS}/{path}", "POST", body)
    assert "ecko" in refused(called, 404, "not_found", changed=False)
    refused(await gateway.admin(f"{PLUGINS}/ecko", "DELETE"), 404, "not_found", changed=False)


async def test_what_comes_with_the_gateway_stays(start_gateway: StartGateway) -> None:
    gateway = await start_gateway()
    called = await gateway.admin(f"{PLUGINS}/echo", "DELETE")
    assert "disable" in refused(called, 409, "conflict", changed=False, plugin="echo")


async def test_a_rollback_goes_back_step_by_step_until_there_is_nothing_before(start_gateway: StartGateway) -> None:
    gateway = await start_gateway(plugins={"quiet": QUIET})
    for version in ("2", "3"):
        put(gateway, "quiet", QUIET.replace('"1"', f'"{version}"'))
        await done(gateway, "hot-swap")
    for version, number in (("2", 4), ("1", 5)):
        rolled = await done(gateway, "rollback")
        assert rolled | {"status": "rolled_back", "generation": number} == rolled
        assert (await gateway.plugin("quiet"))["version"] == version
    called = await gateway.admin(f"{PLUGINS}/rollback", "POST", {})
    assert "earlier" in refused(called, 409, "conflict", changed=False)


async def test_the_history_tells_who_did_what_and_where_a_rollback_leads(start_gateway: StartGateway) -> None:
    gateway = await start_gateway(plugins={"quiet": QUIET})
    await done(gateway, "toggle", {"name": "quiet", "enabled": False})
    await done(gateway, "rollback")
    told = (await gateway.admin("/api/v1/generations")).json
    assert told["generation"] == 3
    assert [(one["number"], one["action"], one["goes_back_to"]) for one in told["data"]] == [
        *((3, "rollback to 1", None), (2, "disable", 1), (1, "start", None))
    ]
    assert [one["actor"] for one in told["data"]] == ["key_environment_admin"] * 2 + ["gateway"]
    assert told["data"][1]["plugins"] == ["quiet"]
    assert told["data"][0]["at"] >= told["data"][1]["at"] > 0
