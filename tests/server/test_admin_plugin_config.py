"""Reading and changing a plugin's config through the admin API."""

from __future__ import annotations

from typing import Any

import pytest

from .admin import CHAT, refused
from .plugins import GREETER, PLUGINS, StartGateway, done, generation, put_config

PATH = f"{PLUGINS}/greeter/config"
STOP = CHAT | {"messages": [{"role": "user", "content": "stop"}]}


async def test_a_config_is_told_with_what_was_set_and_its_form(start_gateway: StartGateway) -> None:
    gateway = await start_gateway(plugins={"greeter": GREETER})
    told = (await gateway.admin(PATH)).json
    assert told["config"] == {"greeting": "hello", "api_key": "***", "salt": "**********"}
    assert (told["id"], told["state"], told["overlay"], told["generation"]) == ("greeter", "active", {}, 1)
    assert set(told["ui_schema"]["properties"]) == set(told["config"])


async def test_a_change_is_in_effect_at_once_and_after_a_restart(start_gateway: StartGateway) -> None:
    gateway = await start_gateway(plugins={"greeter": GREETER})
    changed = await put_config(gateway, "greeter", {"greeting": "moin", "api_key": "new", "priority": 3})
    assert changed.status == 200
    told = changed.json
    assert (told["changed"], told["plugins"], told["generation"]) == (True, ["greeter"], 2)
    assert told["config"] == {"greeting": "moin", "api_key": "***", "salt": "**********"}
    assert told["overlay"] == {"greeting": "moin", "api_key": "***", "priority": 3}
    assert b"new" not in changed.body
    async with gateway.caller() as caller:
        assert (await caller.post("/v1/chat/completions", STOP)).json["error"]["message"] == "moin"
    assert {hook["priority"] for hook in (await gateway.plugin("greeter"))["hooks"]} == {3}


async def test_what_is_left_out_is_as_it_was_before(start_gateway: StartGateway) -> None:
    gateway = await start_gateway(
        plugins={"greeter": GREETER}, environ={"JACKFIELD_PLUGINS__CONFIG__GREETER__GREETING": "hej"}
    )
    await put_config(gateway, "greeter", {"greeting": "moin", "salt": "sea"})
    told = (await put_config(gateway, "greeter", {"salt": "**********"})).json
    assert (told["config"]["greeting"], set(told["overlay"])) == ("hej", {"salt"})


async def test_sending_back_what_was_told_changes_nothing(start_gateway: StartGateway) -> None:
    gateway = await start_gateway(plugins={"greeter": GREETER})
    await put_config(gateway, "greeter", {"greeting": "moin", "api_key": "new"})
    told = (await gateway.admin(PATH)).json
    again = (await put_config(gateway, "greeter", {"config": told["config"]})).json
    assert (again["changed"], again["generation"]) == (False, 2)
    assert (await put_config(gateway, "greeter", told["overlay"])).json["changed"] is False


async def test_a_disabled_plugin_keeps_its_secrets_to_itself(start_gateway: StartGateway) -> None:
    gateway = await start_gateway(plugins={"greeter": GREETER})
    await put_config(gateway, "greeter", {"salt": "sea", "enabled": False})
    told = await gateway.admin(PATH)
    shown = {"greeting": "hello", "api_key": "***", "salt": "**********"}
    assert (told.json["state"], told.json["config"]) == ("disabled", shown)
    assert (await put_config(gateway, "greeter", told.json["overlay"])).json["changed"] is False
    again = await start_gateway(
        plugins={"greeter": GREETER}, **{"plugins.config.greeter": {"enabled": False, "salt": "sea"}}
    )
    told = await again.admin(PATH)
    assert (told.json["state"], told.json["config"]) == ("disabled", {"salt": "***"}), "its code has not run"


async def test_a_disabled_plugin_is_configured_by_the_form_that_it_had_when_it_ran(start_gateway: StartGateway) -> None:
    gateway = await start_gateway(plugins={"greeter": GREETER})
    wrong = {"greeting": ["no", "text"], "enabled": False}
    param = "plugins.config.greeter.greeting"
    refused(await put_config(gateway, "greeter", wrong), 422, "invalid_config", param, changed=False, plugin="greeter")
    assert (await gateway.plugin("greeter"))["state"] == "active"
    await put_config(gateway, "greeter", {"enabled": False})
    refused(await put_config(gateway, "greeter", wrong), 422, "invalid_config", param, changed=False, plugin="greeter")
    told = (await put_config(gateway, "greeter", {"greeting": "moin"})).json
    assert (told["config"]["greeting"], set(told["ui_schema"]["properties"])) == ("moin", set(told["config"]))
    assert (await done(gateway, "toggle", {"name": "greeter", "enabled": True}))["changed"] is True
    async with gateway.caller() as caller:
        assert (await caller.post("/v1/chat/completions", STOP)).json["error"]["message"] == "moin"


async def test_a_validator_that_breaks_is_no_fault_of_the_gateways(start_gateway: StartGateway) -> None:
    picky = """
        from pydantic import field_validator

        from jackfield.sdk import Plugin, PluginConfig

        class PickyConfig(PluginConfig):
            word: str = "fine"

            @field_validator("word")
            @classmethod
            def check(cls, value):
                return {"fine": value, "good": value}[value]

        class Picky(Plugin[PickyConfig]):
            pass
    """
    gateway = await start_gateway(plugins={"picky": picky})
    await done(gateway, "toggle", {"name": "picky", "enabled": False})
    assert (await put_config(gateway, "picky", {"word": "good"})).status == 200
    told = refused(await put_config(gateway, "picky", {"word": "bad"}), 409, "conflict", changed=False, plugin="picky")
    assert "KeyError" in told


@pytest.mark.parametrize("wrapped", [False, True])
@pytest.mark.parametrize(
    ("config", "param"), [({"greting": "x"}, "greting"), ({"greeting": 5}, "greeting"), ({"salt": None}, "salt")]
)
async def test_a_wrong_field_is_named_and_nothing_is_changed(
    start_gateway: StartGateway, config: dict[str, Any], param: str, wrapped: bool
) -> None:
    gateway = await start_gateway(plugins={"greeter": GREETER})
    before = await gateway.plugin("greeter")
    called = await put_config(gateway, "greeter", {"config": config} if wrapped else config)
    field = f"plugins.config.greeter.{param}"
    assert param in refused(called, 422, "invalid_config", field, changed=False, plugin="greeter")
    assert await gateway.plugin("greeter") == before


async def test_a_mask_for_what_was_never_there_is_refused(start_gateway: StartGateway) -> None:
    gateway = await start_gateway(plugins={"greeter": GREETER})
    called = await put_config(gateway, "greeter", {"other_password": "***"})
    refused(called, 422, "unprocessable", "other_password", changed=False)


async def test_permissions_are_not_approved_by_config(start_gateway: StartGateway) -> None:
    gateway = await start_gateway(plugins={"greeter": GREETER})
    called = await put_config(gateway, "greeter", {"approve": ["storage:read"]})
    assert "permissions" in refused(called, 422, "unprocessable", "approve", changed=False)


@pytest.mark.parametrize("shape", ["{}", '"{}"', 'W/"{}"', " {} "])
async def test_a_change_may_depend_on_the_generation_that_was_seen(start_gateway: StartGateway, shape: str) -> None:
    gateway = await start_gateway(plugins={"greeter": GREETER})
    first = await gateway.admin(PATH)
    assert first.headers["etag"] == f'"{await generation(gateway)}"'
    seen = shape.format(1)
    changed = await put_config(gateway, "greeter", {"greeting": "one"}, seen)
    assert (changed.status, changed.headers["etag"]) == (200, '"2"')
    late = await put_config(gateway, "greeter", {"greeting": "two"}, seen)
    assert "2" in refused(late, 409, "conflict", changed=False)
    assert (await gateway.admin(PATH)).json["config"]["greeting"] == "one"
    assert (await put_config(gateway, "greeter", {"greeting": "two"}, "*")).status == 200


@pytest.mark.parametrize("if_match", ["abc", '"1', "-1", "1.5", '""', "1, 2", "9" * 40])
async def test_a_generation_that_is_no_number_is_malformed(start_gateway: StartGateway, if_match: str) -> None:
    gateway = await start_gateway(plugins={"greeter": GREETER})
    called = await put_config(gateway, "greeter", {"greeting": "x"}, if_match)
    refused(called, 400, "invalid_request_error", "If-Match", changed=False)


async def test_a_field_called_config_is_a_field(start_gateway: StartGateway) -> None:
    nested = """
        from jackfield.sdk import Plugin, PluginConfig

        class NestedConfig(PluginConfig):
            config: dict[str, int] = {}
            other: int = 0

        class Nested(Plugin[NestedConfig]):
            pass
    """
    gateway = await start_gateway(plugins={"nested": nested})
    told = (await put_config(gateway, "nested", {"config": {"other": 1}})).json
    assert told["config"] == {"config": {"other": 1}, "other": 0}
