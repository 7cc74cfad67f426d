"""How plugins end: put to rest, or unloaded."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

from jackfield.host import loader
from jackfield.host.plugin import LoadedPlugin, forget_generics
from jackfield.host.strays import end_strays
from jackfield.sdk.plugin import Plugin


async def put_to_rest(plugin: LoadedPlugin) -> None:
    """Disables one that is loaded, and keeps it loaded."""
    if plugin.state != "draining":
        plugin.move("draining")
    if plugin.instance is not None:
        await loader.disable(plugin.instance, plugin.id)
    plugin.move("disabled")


async def stop_all(plugins: Iterable[LoadedPlugin]) -> None:
    """Unloads what runs, last started first; but those in processes of their own side by side, since each may take its
    time. Before that nothing begins by itself any more in any of them."""
    ending = list(plugins)
    for plugin in ending:
        if plugin.grant is not None:
            plugin.grant.rest()
    apart: list[asyncio.Task[None]] = []
    try:
        for plugin in reversed(ending):
            if plugin.instance is None:
                continue
            if plugin.runtime == "inprocess":
                await _stop(plugin, plugin.instance)
                # Requests in between: what ends is in no hurry.
                await asyncio.sleep(0)
            else:
                apart.append(asyncio.create_task(_stop(plugin, plugin.instance), name=f"stop-{plugin.id}"))
    finally:
        if apart:
            await asyncio.wait(apart)
    forget_generics()


async def _stop(plugin: LoadedPlugin, instance: Plugin[Any]) -> None:
    rested = plugin.state == "disabled"
    if plugin.state != "draining":
        plugin.move("draining")
    await (loader.unload if rested else loader.stop)(instance, plugin.id)
    if plugin.grant is not None:
        await plugin.grant.aclose()
    await end_strays(instance, plugin.found, plugin.id)
    plugin.let_go()
    plugin.move("unloaded")
