"""Tasks that a plugin has left running: they would go on where it is gone, and keep its code in memory."""

from __future__ import annotations

import asyncio
from typing import Any

import structlog

from jackfield.dialects.modules import PLUGIN_MODULES

END_S = 1.0

log = structlog.get_logger("jackfield.host")


async def end_strays(plugin: object, plugin_id: str) -> None:
    """Those whose coroutines are of the plugin's own code; of code that others may use too nobody can tell."""
    module = type(plugin).__module__
    if not PLUGIN_MODULES.owns(module):
        return
    root = module.partition(".")[0]
    strays = {task for task in asyncio.all_tasks() if _root_of(task) == root} - {asyncio.current_task()}
    if not strays:
        return
    for stray in strays:
        stray.cancel()
    _, pending = await asyncio.wait(strays, timeout=END_S)
    names = sorted(task.get_name() for task in strays)
    log.warning("plugin_left_tasks", plugin=plugin_id, tasks=names, still_running=len(pending))


def _root_of(task: asyncio.Task[Any]) -> str | None:
    frame = getattr(task.get_coro(), "cr_frame", None)
    return str(frame.f_globals.get("__name__")).partition(".")[0] if frame is not None else None
