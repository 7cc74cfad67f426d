"""By which names plugins are found, whatever is in the name."""

from __future__ import annotations

import pytest

from .admin import refused
from .plugins import PLUGINS, QUIET, StartGateway, done, put

AWKWARD = ["A/B Model Router", "x/config", "a/permissions", "stats", "config", "100 % ?#&", "Über ☃", "a//b", "..", "."]


def quoted(name: str) -> str:
    return "".join(f"%{byte:02X}" for byte in name.encode())


async def test_a_plugin_is_found_by_id_display_name_and_module_name(start_gateway: StartGateway) -> None:
    gateway = await start_gateway(plugins={"quiet": QUIET})
    put(gateway, "my_folder", QUIET, jackfield_toml='id = "my-id"\nname = "My Plugin"\n')
    await done(gateway, "hot-swap")
    for name in ("my-id", "My%20Plugin"):
        assert (await gateway.plugin(name))["id"] == "my-id"


@pytest.mark.parametrize("name", AWKWARD)
async def test_a_display_name_may_hold_anything(start_gateway: StartGateway, name: str) -> None:
    gateway = await start_gateway(plugins={"quiet": QUIET})
    put(gateway, "awkward", QUIET, jackfield_toml=f"id = 'awkward'\nname = '{name}'\n")
    await done(gateway, "hot-swap")
    assert (await gateway.plugin(quoted(name)))["id"] == "awkward"
    listed = (await gateway.admin(f"{PLUGINS}?name={quoted(name)}")).json["plugins"]
    assert [plugin["id"] for plugin in listed] == ["awkward"]
    for below in ("config", "permissions"):
        assert (await gateway.admin(f"{PLUGINS}/{quoted(name)}/{below}")).json["id"] == "awkward"
    toggled = await done(gateway, "toggle", {"name": name, "enabled": False})
    assert (toggled["name"], toggled["plugins"]) == (name, ["awkward"])
    assert (await gateway.admin(f"{PLUGINS}/{quoted(name)}", "DELETE")).json["name"] == name


async def test_a_slash_need_not_be_encoded_where_it_is_not_mistaken(start_gateway: StartGateway) -> None:
    gateway = await start_gateway(plugins={"quiet": QUIET})
    put(gateway, "router", QUIET, jackfield_toml='id = "router"\nname = "A/B"\n')
    await done(gateway, "hot-swap")
    assert (await gateway.plugin("A/B"))["id"] == "router"
    assert (await gateway.admin(f"{PLUGINS}/A/B/config")).json["id"] == "router"


@pytest.mark.parametrize("plugin", ["stats", "install", "config", "hot-swap", "toggle", "rollback", "permissions"])
async def test_a_plugin_may_be_called_as_a_path_is(start_gateway: StartGateway, plugin: str) -> None:
    gateway = await start_gateway(plugins={"quiet": QUIET})
    put(gateway, plugin, QUIET, jackfield_toml=f'id = "{plugin}"\n')
    await done(gateway, "hot-swap")
    assert (await gateway.plugin(quoted(plugin)))["id"] == plugin
    assert (await gateway.admin(f"{PLUGINS}/{plugin}/config")).json["id"] == plugin
    if plugin != "stats":
        assert (await gateway.plugin(plugin))["id"] == plugin
    assert (await gateway.admin(f"{PLUGINS}/{plugin}", "DELETE")).json["name"] == plugin


@pytest.mark.parametrize("path", ["/{}", "/{}/config", "/{}/permissions", "?name={}"])
async def test_an_unknown_plugin_is_not_found_and_close_ones_are_named(start_gateway: StartGateway, path: str) -> None:
    gateway = await start_gateway()
    told = refused(await gateway.admin(PLUGINS + path.format("ecko")), 404, "not_found")
    assert "ecko" in told
    assert "'echo'" in told


@pytest.mark.parametrize("path", ["/{}", "/{}/config", "/{}/permissions", "?name={}"])
async def test_a_name_longer_than_any_is_refused(start_gateway: StartGateway, path: str) -> None:
    gateway = await start_gateway()
    refused(await gateway.admin(PLUGINS + path.format("x" * 6000)), 422, "unprocessable", "name")
