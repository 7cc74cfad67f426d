"""How plugins end: put to rest, or unloaded."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from jackfield.host import loader
from jackfield.host.plugin import LoadedPlugin, forget_generics
from jackfield.host.strays import end_strays


async def put_to_rest(plugin: LoadedPlugin) -> None:
    """Disables one that is loaded, and keeps it loaded."""
    if plugin.state != "draining":
        plugin.move("draining")
    if plugin.instance is not None:
        await loader.disable(plugin.instance, plugin.id)
    plugin.move("disabled")


async def stop_all(plugins: Iterable[LoadedPlugin]) -> None:
    """Unloads what runs, last started first. Before that nothing begins by itself any more in any of them."""
    ending = list(plugins)
    for plugin in ending:
        if plugin.grant is not None:
            plugin.grant.rest()
    for plugin in reversed(ending):
        if plugin.instance is not None:
            rested = plugin.state == "disabled"
            if plugin.state != "draining":
                plugin.move("draining")
            await (loader.unload if rested else loader.stop)(plugin.instance, plugin.id)
            if plugin.grant is not None:
                await plugin.grant.aclose()
            await end_strays(plugin.instance, plugin.found, plugin.id)
            plugin.let_go()
            plugin.move("unloaded")
            # Requests in between: what ends is in no hurry.
            await asyncio.sleep(0)
    forget_generics()
