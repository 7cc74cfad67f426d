"""All configured servers. Nothing is opened, and nothing loaded, before one is mounted."""

from __future__ import annotations

from collections.abc import Iterable

from jackfield.mcp.link import Patience, ServerLink
from jackfield.settings import FromVariable, McpServer, sounds_secret
from jackfield.telemetry.masking import mask


class McpServers:
    """By name."""

    def __init__(self, servers: Iterable[McpServer], patience: Patience | None = None) -> None:
        patience = patience or Patience()
        self._links = {server.name: ServerLink(server, patience) for server in servers}
        for link in self._links.values():
            _mask_secrets(link.server)

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self._links)

    def find(self, name: str) -> ServerLink:
        """Raises `ValueError`."""
        if name not in self._links:
            known = ", ".join(self._links) or "none"
            raise ValueError(f"there is no MCP server {name[:100]!r}; configured are: {known}")
        return self._links[name]


def _mask_secrets(server: McpServer) -> None:
    """Whatever the server says, its secrets stay out of the logs."""
    for stated, values in ((server.headers, server.header_values), (server.env, server.env_values)):
        for name, value in values:
            if isinstance(stated.get(name), FromVariable) or sounds_secret(name):
                mask(value)
