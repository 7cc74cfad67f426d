"""Servers as a plugin mounts them, without a gateway."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from announcing import Silence
from jackfield.clock import SystemClock
from jackfield.hooks.guard import PluginStats
from jackfield.mcp.link import Patience
from jackfield.mcp.mounts import PluginMounts
from jackfield.mcp.servers import McpServers
from jackfield.sdk.caller import Caller
from jackfield.sdk.tools import ToolReply
from jackfield.services.allowance import Allowance
from jackfield.services.tool_gate import ToolGate
from jackfield.services.tool_table import ToolDirectory, ToolTable
from jackfield.settings import McpServer, Secret

SCRIPT = Path(__file__).parent / "scripted_server.py"
IMPATIENT = Patience(first_s=0.01, most_s=0.05, settled_s=60, refresh_s=30, rest_s=0.01)


def scripted(temper: str, *arguments: str, name: str = "far", **settings: Any) -> McpServer:
    """The command of a scripted server; its start needs nothing of this process's environment."""
    env = settings.pop("secret_env", {})
    args = ("-I", "-S", str(SCRIPT), temper, *arguments)
    server = McpServer(name=name, command=sys.executable, args=args, **settings)
    server.take_secrets((), tuple((key, Secret(value)) for key, value in env.items()))
    return server


class Mounting:
    """What a plugin `mcp` is given, and the way that its tools are called."""

    def __init__(self, *servers: McpServer, patience: Patience = IMPATIENT) -> None:
        approved = frozenset({"mcp:connect"})
        self.table = ToolTable("mcp", "MCP")
        self.stats = PluginStats()
        self.mcp = PluginMounts(Allowance.of("mcp", approved, SystemClock()), self.table, McpServers(servers, patience))
        self.gate = ToolGate(Silence(), lambda caller, tool: True, lambda plugin: self.stats)

    async def __aenter__(self) -> Mounting:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.mcp.aclose()

    async def call(self, tool: str, **arguments: Any) -> ToolReply:
        directory = ToolDirectory([self.table])
        return await self.gate.run(directory, f"plugin_mcp_{tool}", arguments, Caller(user="tester"))

    @property
    def only(self):
        (shown,) = self.mcp.mounted()
        return shown

    async def state(self) -> str:
        return str(self.only.state)
