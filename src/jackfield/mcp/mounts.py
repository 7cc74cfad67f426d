"""The servers that one plugin has mounted, as tools in its table."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import structlog

from jackfield.mcp.link import ServerLink
from jackfield.mcp.remote import RemoteTool, describe, find_excess, short_names
from jackfield.mcp.servers import McpServers
from jackfield.sdk.mcp import MountedServer
from jackfield.sdk.tools import ToolContext, ToolHandler, ToolSpec
from jackfield.services.allowance import Allowance
from jackfield.services.grants import Grant
from jackfield.services.tool_table import ToolTable

CONNECT = "mcp:connect"

log = structlog.get_logger("jackfield.mcp")


def make_mounts(servers: McpServers, grant: Grant) -> PluginMounts:
    """The service `mcp` of one plugin."""
    mounts = PluginMounts(grant.allowance, grant.tools, servers)
    grant.parts.append(mounts)
    return mounts


class PluginMounts:
    """`Mcp` for one plugin, and the part of its services that keeps it for as long as the plugin lives."""

    def __init__(self, allowance: Allowance, table: ToolTable, servers: McpServers) -> None:
        self._allowance, self._table, self._servers = allowance, table, servers
        self._mounts: dict[str, _Mount] = {}
        self._listeners: list[Callable[[], None]] = []

    @property
    def servers(self) -> tuple[str, ...]:
        return self._servers.names

    async def mount(self, server: str, *, wait: bool = True) -> tuple[str, ...]:
        self._allowance.check(CONNECT)
        link = self._servers.find(server)
        mount = self._mounts.get(server)
        if mount is None:
            mount = self._mounts[server] = _Mount(link, self._table, self._tell)
            link.acquire(mount.refresh)
            mount.refresh()
        if wait:
            await link.reached()
        return mount.shown().tools

    async def unmount(self, server: str) -> None:
        mount = self._mounts.pop(server, None)
        if mount is not None:
            mount.withdraw()
            await mount.link.release(mount.refresh)

    def mounted(self) -> tuple[MountedServer, ...]:
        return tuple(mount.shown() for mount in self._mounts.values())

    def watch(self, listener: Callable[[], None]) -> None:
        self._listeners.append(listener)

    def open(self) -> None:
        """What was mounted before is kept: its tools are seen as soon as the plugin is."""

    def rest(self) -> None:
        """What is called still may end, and the plugin may serve again."""

    async def aclose(self) -> None:
        self._listeners.clear()
        for server in tuple(self._mounts):
            await self.unmount(server)

    def _tell(self) -> None:
        for listener in self._listeners:
            try:
                listener()
            except Exception:  # a boundary: a plugin's listener
                log.exception("mcp_listener_failed", plugin=self._allowance.plugin)


class _Mount:
    """One server's tools in the table of one plugin, which are what the server last said they are: those of one that
    is gone for a while stay, and answer that it is."""

    def __init__(self, link: ServerLink, table: ToolTable, changed: Callable[[], None]) -> None:
        self.link, self._table, self._changed = link, table, changed
        self._offered: dict[str, RemoteTool] = {}
        self._left_out: tuple[tuple[str, str], ...] = ()

    def shown(self) -> MountedServer:
        return MountedServer(
            name=self.link.server.name,
            state=self.link.state,
            tools=tuple(self._offered),
            left_out=self._left_out,
            problem=self.link.problem,
        )

    def refresh(self) -> None:
        tools = self.link.tools
        names = short_names(self._table.plugin, self.link.server.name, tools)
        wanted = {names[tool.name]: tool for tool in tools}
        for short in [short for short, tool in self._offered.items() if wanted.get(short) != tool]:
            self._table.unregister(short)
            del self._offered[short]
        left_out = [(tool.name, why) for short, tool in wanted.items() if (why := self._offer(short, tool))]
        if (told := tuple(left_out)) != self._left_out:
            self._left_out = told
            for name, why in left_out:
                log.warning("mcp_tool_left_out", server=self.link.server.name, tool=name[:100], reason=why)
        self._changed()

    def withdraw(self) -> None:
        for short in self._offered:
            self._table.unregister(short)
        self._offered.clear()

    def _offer(self, short: str, tool: RemoteTool) -> str | None:
        """Why it is not offered, if it is not."""
        if short in self._offered:
            return None
        if (excess := find_excess(tool.schema)) is not None:
            return excess
        server = self.link.server
        spec = ToolSpec(
            name=short, description=describe(server.name, tool), input_schema=tool.schema, timeout_s=server.timeout_s
        )
        try:
            self._table.register(spec, _forward(self.link, tool.name))
        except ValueError as error:
            return str(error)[:300]
        self._offered[short] = tool
        return None


def _forward(link: ServerLink, name: str) -> ToolHandler:
    async def handle(arguments: dict[str, Any], context: ToolContext) -> Any:
        return await link.call(name, arguments, context)

    return handle
