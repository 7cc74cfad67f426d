"""Changes of what runs: plugins taken in, taken out, switched, reloaded and rolled back.

Each is checked aside and switched to at once, or refused; a refusal has changed nothing.
"""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field

from jackfield.errors import ConfigError, Conflict, JackfieldError, Unprocessable
from jackfield.host.host import Host
from jackfield.host.stage import Changed
from jackfield.server.admin.catching_up import caught_up
from jackfield.server.admin.errors import CHANGE_ERRORS, ERRORS, MISSING, NAME_ERRORS, REFUSED, answer_error
from jackfield.server.admin.plugin_description import describe_change
from jackfield.server.admin.plugin_permissions import Permissions
from jackfield.server.admin.plugins import LONGEST_NAME, PluginName
from jackfield.server.admin.services import AdminServices, Caller
from jackfield.stores.generations import Generation
from jackfield.telemetry.text import escape_all_halves, escape_halves

INPROCESS = "inprocess"
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")

Name = Annotated[str, Field(min_length=1, max_length=LONGEST_NAME)]


class Closed(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class Nothing(Closed):
    """An empty object, or no body at all."""


class Installation(Closed):
    """`name` is that of a plugin on disk. `source` is a folder on the gateway's machine; `sha256` is what its contents
    must have. `approve` are permissions to approve with it."""

    name: Name | None = None
    source: Name | None = None
    sha256: Annotated[str, Field(pattern=r"^[0-9A-Fa-f]{64}$")] | None = None
    approve: Permissions = []
    runtime: str | None = None


class Reloading(Closed):
    """Without `names` every plugin. `force` replaces those too that have not changed."""

    names: Annotated[list[Name], Field(max_length=1000)] = []
    force: bool = False


class Toggling(Closed):
    name: Name
    enabled: bool


def routes(services: AdminServices) -> APIRouter:
    router = APIRouter(tags=["plugins"], dependencies=[caught_up(services.host)])
    host = services.host

    @router.post("/api/v1/plugins/install", responses=CHANGE_ERRORS | MISSING)
    async def install_plugin(wanted: Installation, who: Caller) -> dict[str, Any]:
        """Takes a plugin into service: one on disk by its name, or a copy of a folder."""
        changed = await _install(host, wanted, who.id)
        return {"status": "installed", "name": wanted.name or wanted.source} | describe_change(changed)

    @router.post("/api/v1/plugins/hot-swap", response_model=None, responses=CHANGE_ERRORS | MISSING)
    async def swap_plugins(who: Caller, wanted: Reloading | None = None) -> dict[str, Any] | JSONResponse:
        """Takes in what is on disk now, without losing a request. Where a plugin is worse than before nothing changes,
        and the answer is 409 with `"status": "rolled_back"`."""
        wanted = wanted or Reloading()
        try:
            changed = await host.reload(wanted.names, force=wanted.force, actor=who.id)
        except (ConfigError, Conflict) as refusal:
            return _tell_refusal(refusal)
        return {"status": "success", "message": _tell_swap(changed)} | describe_change(changed)

    @router.post("/api/v1/plugins/toggle", responses=CHANGE_ERRORS | MISSING)
    async def toggle_plugin(wanted: Toggling, who: Caller) -> dict[str, Any]:
        """Enables or disables a plugin."""
        changed = await host.toggle(wanted.name, wanted.enabled, actor=who.id)
        return {"name": wanted.name, "enabled": wanted.enabled} | describe_change(changed)

    @router.post("/api/v1/plugins/rollback", responses=CHANGE_ERRORS)
    async def roll_back_plugins(who: Caller, wanted: Nothing | None = None) -> dict[str, Any]:
        """Restores what was before the last change: code, config, what was enabled and approved, and the counters."""
        return {"status": "rolled_back"} | describe_change(await host.rollback(actor=who.id))

    @router.delete("/api/v1/plugins/{name:path}", responses=NAME_ERRORS | REFUSED)
    async def uninstall_plugin(name: PluginName, who: Caller) -> dict[str, Any]:
        """Takes a plugin out of service. The folder that the operator put it in stays as it is."""
        changed = await host.uninstall(name, actor=who.id)
        return {"status": "uninstalled", "name": name} | describe_change(changed)

    @router.get("/api/v1/generations", responses=ERRORS)
    async def generations(who: Caller) -> dict[str, Any]:
        """What the plugins were changed by, newest first, and what a rollback of each goes back to."""
        told = [describe_generation(generation) for generation in await host.history()]
        return {"data": told, "generation": host.snapshot.generation}

    return router


def describe_generation(generation: Generation) -> dict[str, Any]:
    return {
        "number": generation.number,
        "at": generation.at,
        "actor": generation.actor,
        "action": generation.action,
        "plugins": escape_all_halves(generation.plugins),
        "changes": escape_all_halves(generation.changes),
        "goes_back_to": generation.goes_back_to,
    }


async def _install(host: Host, wanted: Installation, actor: str) -> Changed:
    if (wanted.name is None) == (wanted.source is None):
        raise Unprocessable("give either name or source", param="name" if wanted.name is None else "source")
    if wanted.name is not None:
        return await host.install(_on_disk(wanted), approve=wanted.approve, actor=actor)
    folder = await asyncio.to_thread(_folder_of, wanted)
    return await host.install_folder(folder, sha256=wanted.sha256, approve=wanted.approve, actor=actor)


def _on_disk(wanted: Installation) -> str:
    for field in ("sha256", "runtime"):
        if getattr(wanted, field) is not None:
            raise Unprocessable(f"{field}: goes with source, not with name", param=field)
    assert wanted.name is not None
    return wanted.name


def _folder_of(wanted: Installation) -> Path:
    """Raises `Unprocessable` where it is none, or where nobody has said that its code is trusted."""
    source = wanted.source or ""
    if _URL.match(source):
        raise Unprocessable("source: is a URL; plugins are installed from folders on this machine", param="source")
    if "\0" in source or not Path(source).is_dir():
        raise Unprocessable(f"source: there is no folder {source[:200]!r} on the gateway's machine", param="source")
    if wanted.runtime is None:
        reason = "its code would run inside the gateway and may do all that the gateway may"
        raise Unprocessable(f'runtime: {reason}; say "{INPROCESS}" if you trust it', param="runtime")
    if wanted.runtime != INPROCESS:
        told = f"runtime: there is no runtime {wanted.runtime[:100]!r} in this version, only {INPROCESS!r}"
        raise Unprocessable(told, param="runtime")
    return Path(source).absolute()


def _tell_swap(changed: Changed) -> str:
    return f"Reloaded: {', '.join(map(escape_halves, changed.plugins))}" if changed.changed else "Nothing had changed"


def _tell_refusal(refusal: JackfieldError) -> JSONResponse:
    """The request was in order; what is on disk is not."""
    return answer_error("POST", refusal, status=Conflict.status, told={"status": "rolled_back"})
