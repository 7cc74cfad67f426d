"""Tasks that a plugin has left running: they would go on where it is gone, and keep its code in memory."""

from __future__ import annotations

import asyncio
from typing import Any

import structlog

from jackfield.dialects.modules import PLUGIN_MODULES
from jackfield.sources.base import Found

END_S = 1.0

log = structlog.get_logger("jackfield.host")


async def end_strays(plugin: object, found: Found, plugin_id: str) -> None:
    """Those whose coroutines are of the plugin's own code; of code that others use too, the methods of its own objects:
    whose the others are nobody can tell."""
    package, used = _package_of(type(plugin)), found.modules()
    objects = {id(plugin), *map(id, vars(plugin).values())} if used.shared else set()

    def is_stray(task: asyncio.Task[Any]) -> bool:
        frame = getattr(task.get_coro(), "cr_frame", None)
        if frame is None:
            return False
        module = str(frame.f_globals.get("__name__"))
        if module.partition(".")[0] == package or module in used.own:
            return True
        return module in used.shared and id(frame.f_locals.get("self")) in objects

    strays = {task for task in asyncio.all_tasks() - {asyncio.current_task()} if is_stray(task)}
    if not strays:
        return
    for stray in strays:
        stray.cancel()
    _, pending = await asyncio.wait(strays, timeout=END_S)
    names = sorted(task.get_name() for task in strays)
    log.warning("plugin_left_tasks", plugin=plugin_id, tasks=names, still_running=len(pending))


def _package_of(kind: type) -> str | None:
    """The package that is this plugin's alone; `None` where its class is of code that stays."""
    return kind.__module__.partition(".")[0] if PLUGIN_MODULES.owns(kind.__module__) else None
