"""What plugins have scheduled."""

from __future__ import annotations

from typing import Any

import msgspec
from fastapi import APIRouter

from jackfield.server.admin.catching_up import CAUGHT_UP
from jackfield.server.admin.errors import ERRORS
from jackfield.server.admin.services import Caller, Services
from jackfield.services.scheduler import PluginScheduler
from jackfield.telemetry.text import escape_all_halves

router = APIRouter(tags=["plugins"], dependencies=[CAUGHT_UP])


@router.get("/api/v1/tasks", responses=ERRORS)
async def list_tasks(who: Caller, services: Services) -> dict[str, Any]:
    """Every task that a plugin has scheduled: when it ran last and will run next, how often it ran, and what went
    wrong the last time."""
    told = []
    for plugin in services.host.snapshot.plugins.values():
        for part in plugin.grant.parts if plugin.grant is not None else ():
            if isinstance(part, PluginScheduler):
                told += [{"plugin": plugin.id} | msgspec.to_builtins(task) for task in await part.planned()]
    return {"data": escape_all_halves(told)}
