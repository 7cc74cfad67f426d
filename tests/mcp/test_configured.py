"""Configured servers, through a whole gateway."""

from __future__ import annotations

import sys

import pytest
from mounting import SCRIPT

from jackfield.testing.waiting import until


def server(temper: str, name: str = "far", **settings):
    args = ["-I", "-S", str(SCRIPT), temper]
    return {"name": name, "command": sys.executable, "args": args, **settings}


@pytest.fixture(autouse=True)
def short_graces(monkeypatch) -> None:
    monkeypatch.setattr("jackfield.mcp.stdio.GRACE_S", 0.2)


async def state(gateway) -> str:
    return (await gateway.plugin("mcp"))["state"]


async def offered(client) -> set[str]:
    return {tool.name for tool in (await client.list_tools(cache_mode="refresh")).tools}


async def test_without_configured_servers_nothing_is_loaded(start_mcp) -> None:
    gateway = await start_mcp({})
    assert await state(gateway) == "active"


async def test_tools_of_configured_servers_are_those_of_the_plugin_mcp(start_mcp, connect) -> None:
    servers = [server("good", tools=["add"], env={"TOKEN": {"env": "FAR_TOKEN"}})]
    gateway = await start_mcp({}, mcp={"servers": servers}, environ={"FAR_TOKEN": "a-far-token"})
    async with connect(gateway) as client:
        await until(lambda: offered(client), lambda names: names == {"plugin_mcp_far_add"})
        added = await client.call_tool("plugin_mcp_far_add", {"a": 1, "b": 2})
        assert added.structured_content == {"sum": 3}
        await gateway.admin("/api/v1/plugins/hot-swap", "POST", {"name": "mcp"})
        assert await offered(client) == {"plugin_mcp_far_add"}


async def test_a_dead_server_degrades_the_plugin_and_delays_nobody(start_mcp, connect, capfd) -> None:
    servers = [
        server("exit", env={"TOKEN": {"env": "FAR_TOKEN"}}),
        server("nothing", "mute"),
        server("good", "near", tools=["add"]),
    ]
    gateway = await start_mcp({}, mcp={"servers": servers}, environ={"FAR_TOKEN": "a-far-token"})
    await until(lambda: state(gateway), lambda found: found == "degraded")
    reason = (await gateway.plugin("mcp"))["reason"]
    assert "far: the connection to the MCP server is closed; its last words: no token, no service: ***" in reason
    async with connect(gateway) as client:
        await until(lambda: offered(client), lambda names: names == {"plugin_mcp_near_add"})
    printed = "".join(capfd.readouterr())
    assert "a-far-token" not in printed
