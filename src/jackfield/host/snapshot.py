"""An immutable, numbered world: what a request runs against from its first byte to its last."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from typing import Any

from jackfield.hooks.table import HookTable
from jackfield.host.formats import NO_FORMATS, Formats
from jackfield.host.plugin import LoadedPlugin
from jackfield.host.routes import Routes
from jackfield.sdk.routes import MiddlewareSpec
from jackfield.services.shared import SharedDirectory, SharedTable
from jackfield.services.tool_table import ToolDirectory


class Snapshot:
    """`tools` are those of the plugins that run, `services` what they give to one another. `pins` counts the requests
    that run against it: whoever takes it for a request adds one, and calls `unpin` when the request is settled."""

    __slots__ = (
        "_drained",
        "formats",
        "front",
        "generation",
        "middleware",
        "pins",
        "plugins",
        "routes",
        "serves_paths",
        "services",
        "table",
        "tools",
    )

    def __init__(
        self,
        *,
        generation: int,
        plugins: Mapping[str, LoadedPlugin],
        table: HookTable,
        routes: Routes,
        formats: Formats = NO_FORMATS,
    ) -> None:
        self.generation, self.plugins, self.table, self.routes = generation, plugins, table, routes
        self.formats = formats
        self.tools = ToolDirectory(plugin.grant.tools for plugin in plugins.values() if plugin.grant is not None)
        self.services = SharedDirectory(lambda: shared_by(plugins))
        self.serves_paths = any(plugin.paths.mounts for plugin in plugins.values())
        self.middleware = _middleware_of(plugins)
        # The gateway with that middleware around it, once somebody asked for it.
        self.front: Any = None
        self.pins = 0
        self._drained: asyncio.Event | None = None

    def unpin(self) -> None:
        self.pins -= 1
        if self._drained is not None and not self.pins:
            self._drained.set()

    async def drained(self) -> None:
        """Waits until the last request has left; for a snapshot that gets no new ones."""
        if self.pins:
            self._drained = asyncio.Event()
            await self._drained.wait()


def _middleware_of(plugins: Mapping[str, LoadedPlugin]) -> tuple[tuple[str, MiddlewareSpec], ...]:
    """The outermost first, each with its plugin."""
    found = [(plugin.id, spec) for plugin in plugins.values() for spec in plugin.middleware]
    return tuple(sorted(found, key=lambda pair: pair[1].layer))


def shared_by(plugins: Mapping[str, LoadedPlugin]) -> Iterator[SharedTable]:
    return (plugin.grant.shared for plugin in plugins.values() if plugin.grant is not None)
