"""What a plugin asks to be allowed, and what it was allowed."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from jackfield.host.host import Host
from jackfield.server.admin.catching_up import CAUGHT_UP
from jackfield.server.admin.errors import CHANGE_ERRORS, MISSING, NAME_ERRORS
from jackfield.server.admin.plugin_description import describe_change, describe_permissions, state_of
from jackfield.server.admin.plugins import PluginName
from jackfield.server.admin.services import Caller, Services
from jackfield.telemetry.text import escape_all_halves

Permissions = Annotated[list[str], Field(max_length=100)]


class Approval(BaseModel):
    """Every permission that the plugin shall have: what is left out is taken away."""

    model_config = ConfigDict(extra="forbid", strict=True)

    approve: Permissions


router = APIRouter(tags=["plugins"], dependencies=[CAUGHT_UP])


@router.get("/api/v1/plugins/{name:path}/permissions", responses=NAME_ERRORS)
async def plugin_permissions(name: PluginName, who: Caller, services: Services) -> dict[str, Any]:
    """What a plugin asks for, what was approved, and the difference."""
    return _show(services.host, name)


@router.post("/api/v1/plugins/{name:path}/permissions", responses=CHANGE_ERRORS | MISSING)
async def approve_permissions(name: PluginName, given: Approval, who: Caller, services: Services) -> dict[str, Any]:
    """Sets what a plugin may do. One that waited for it starts; one that runs keeps all that it asks for."""
    host = services.host
    plugin = host.find(name)
    changed = await host.approve(plugin.id, given.approve, actor=who.id)
    told = _show(host, plugin.id)
    return describe_change(changed) | told


def _show(host: Host, name: str) -> dict[str, Any]:
    plugin = host.find(name)
    state, reason = state_of(plugin)
    told = {"id": plugin.id, "name": plugin.name, "state": state, "reason": reason}
    shown: dict[str, Any] = escape_all_halves(told | describe_permissions(plugin))
    return shown | {"generation": host.snapshot.generation}
