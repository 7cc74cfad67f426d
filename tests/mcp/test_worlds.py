"""Who may use which tools, and what becomes of them when the plugins change."""

from __future__ import annotations

import asyncio

import pytest
from mcp.shared.exceptions import MCPError

from jackfield.testing.waiting import until

VERSION = """
import asyncio

from jackfield.sdk import Plugin
from jackfield.sdk.tools import tool


class Shop(Plugin):
    id = "shop"
    permissions = ("tools:register",)

    @tool("What there is")
    async def stock(self) -> str:
        return "{word}"

    @tool("Takes a moment")
    async def slow(self) -> str:
        await asyncio.sleep(0.2)
        return "{word}"
{more}"""
MORE = """
    @tool("New")
    async def price(self) -> int:
        return 7
"""


async def make_key(gateway, app: str) -> str:
    made = await gateway.admin("/api/v1/credentials", "POST", {"app": app})
    return str(made.json["key"])


async def names(client) -> set[str]:
    return {tool.name for tool in (await client.list_tools(cache_mode="refresh")).tools}


async def test_two_keys_see_and_use_what_each_may(gateway, connect) -> None:
    restricted = await gateway.admin("/api/v1/tools/plugin_kit_add", "PUT", {"apps": ["kitchen"]})
    assert restricted.status == 200, restricted.body
    kitchen, hall = await make_key(gateway, "kitchen"), await make_key(gateway, "hall")
    async with connect(gateway, kitchen) as cook, connect(gateway, hall) as guest:
        assert "plugin_kit_add" in await names(cook)
        assert "plugin_kit_add" not in await names(guest)
        assert (await cook.call_tool("plugin_kit_add", {"a": 1, "b": 1})).structured_content == {"sum": 2}
        with pytest.raises(MCPError, match="Unknown tool: plugin_kit_add"):
            await guest.call_tool("plugin_kit_add", {"a": 1, "b": 1})


async def test_a_swap_while_clients_are_connected_changes_what_they_see(start_mcp, connect) -> None:
    gateway = await start_mcp({"shop": VERSION.format(word="old", more="")})
    async with connect(gateway) as client:
        assert await names(client) == {"plugin_shop_stock", "plugin_shop_slow"}
        slow = asyncio.create_task(client.call_tool("plugin_shop_slow"))
        await until(gateway.metrics, lambda found: found["jackfield_in_flight"] >= 1)
        file = gateway.folder / "plugins" / "shop" / "plugin.py"
        file.write_text(VERSION.format(word="new", more=MORE))
        swapped = await gateway.admin("/api/v1/plugins/hot-swap", "POST", {})
        assert swapped.status == 200, swapped.body
        assert await names(client) == {"plugin_shop_stock", "plugin_shop_slow", "plugin_shop_price"}
        assert (await client.call_tool("plugin_shop_stock")).content[0].text == '"new"'
        assert (await slow).content[0].text == '"old"'


async def test_a_disabled_plugin_offers_nothing(start_mcp, connect) -> None:
    gateway = await start_mcp({"shop": VERSION.format(word="old", more="")})
    async with connect(gateway) as client:
        toggled = await gateway.admin("/api/v1/plugins/toggle", "POST", {"name": "shop", "enabled": False})
        assert toggled.status == 200, toggled.body
        assert await names(client) == set()
        await gateway.admin("/api/v1/plugins/toggle", "POST", {"name": "shop", "enabled": True})
        assert "plugin_shop_stock" in await names(client)


async def test_without_a_required_plugin_no_tool_is_served(start_mcp) -> None:
    gateway = await start_mcp(environ={"JACKFIELD_PLUGINS__REQUIRED": '["guard"]'})
    message = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
    async with gateway.caller() as caller:
        called = await caller.call("POST", "/mcp", headers={"content-type": "application/json"}, body=message)
    assert (called.status, called.json["error"]["data"]["plugin"]) == (503, "guard")
