"""MCP servers, mounted as tools of a plugin."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, Protocol

import msgspec


class MountedServer(msgspec.Struct, frozen=True, kw_only=True):
    """`tools` are the short names that its tools have here. `left_out` tells of tools that are not offered, by the
    server's own name, and why; `problem` why the server cannot be reached now."""

    name: str
    state: Literal["connecting", "ready", "failed"]
    tools: tuple[str, ...] = ()
    left_out: tuple[tuple[str, str], ...] = ()
    problem: str | None = None


class Mcp(Protocol):
    """The MCP servers that the operator configured in `[[mcp.servers]]`. Needs `mcp:connect`, and nothing else."""

    @property
    def servers(self) -> tuple[str, ...]:
        """Their names."""

    async def mount(self, server: str, *, wait: bool = True) -> tuple[str, ...]:
        """Offers the server's tools as tools of this plugin, named `{server}_{tool}`, and follows what the server makes
        of them. The short names of those that are offered by now.

        With `wait` it returns when the server was reached, or could not be; without, at once. A server that cannot be
        reached is tried again and again while it is mounted, and `mounted` tells why. Raises `ValueError` for a server
        that is not configured.
        """

    async def unmount(self, server: str) -> None:
        """Its tools are gone. One that is not mounted is no error."""

    def mounted(self) -> tuple[MountedServer, ...]: ...

    def watch(self, listener: Callable[[], None]) -> None:
        """Calls it whenever `mounted` tells something new. It must not wait."""
