"""Mounts every MCP server that the operator has configured, and says of those that it cannot reach."""

from __future__ import annotations

from jackfield.sdk import Health, Plugin
from jackfield.sdk.mcp import MountedServer


class Mcp(Plugin):
    id = "mcp"
    description = "Offers the tools of the MCP servers in [[mcp.servers]]"
    permissions = ("mcp:connect",)

    async def on_load(self) -> None:
        self.services.mcp.watch(self._report)

    async def on_enable(self) -> None:
        """Waits for none: a server that hangs must keep nobody waiting."""
        for server in self.services.mcp.servers:
            await self.services.mcp.mount(server, wait=False)

    async def on_disable(self) -> None:
        for server in self.services.mcp.servers:
            await self.services.mcp.unmount(server)

    async def health(self) -> Health:
        problems = [told for server in self.services.mcp.mounted() if (told := _problem(server))]
        return Health(not problems, "; ".join(problems))

    def _report(self) -> None:
        problems = [told for server in self.services.mcp.mounted() if (told := _problem(server))]
        self.report(not problems, "; ".join(problems))


def _problem(server: MountedServer) -> str | None:
    if server.state == "failed":
        return f"{server.name}: {server.problem}"
    if server.left_out:
        name, why = server.left_out[0]
        return f"{server.name}: {len(server.left_out)} tools are left out, such as {name[:100]}: {why}"
    return None
