"""Changes of what runs: plugins taken in, taken out, switched, reloaded and rolled back.

Each is checked aside and switched to at once, or refused; a refusal has changed nothing.
"""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from fastapi import APIRouter
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field

from jackfield.errors import ConfigError, Conflict, JackfieldError
from jackfield.host.installer import Wanted
from jackfield.host.installing import Wish
from jackfield.host.stage import Changed
from jackfield.server.admin.catching_up import CAUGHT_UP
from jackfield.server.admin.errors import CHANGE_ERRORS, ERRORS, MISSING, NAME_ERRORS, REFUSED, answer_error
from jackfield.server.admin.offers import describe_offer
from jackfield.server.admin.plugin_description import describe_change
from jackfield.server.admin.plugin_permissions import Permissions
from jackfield.server.admin.plugins import LONGEST_NAME, PluginName
from jackfield.server.admin.services import Caller, Services
from jackfield.stores.generations import Generation
from jackfield.telemetry.text import escape_all_halves, escape_halves

Name = Annotated[str, Field(min_length=1, max_length=LONGEST_NAME)]


class Closed(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class Nothing(Closed):
    """An empty object, or no body at all."""


class Named(Closed):
    """`name` is that of a plugin on disk, or in a catalogue; `version` one in a catalogue, and `no_cooldown` takes it
    although it was published only just. `source` is a folder or an archive on the gateway's machine, or the URL of an
    archive. `sha256` is what it must have, `runtime` where its code is to run: isolated, if nothing is said.
    `allow_downgrade` takes a version that is not newer than the installed one, `new_signer` one that somebody else has
    signed."""

    name: Name | None = None
    version: Annotated[str, Field(min_length=1, max_length=200)] | None = None
    source: Name | None = None
    sha256: Annotated[str, Field(pattern=r"^[0-9A-Fa-f]{64}$")] | None = None
    runtime: str | None = None
    allow_downgrade: bool = False
    new_signer: bool = False
    no_cooldown: bool = False

    def wanted(self) -> Wanted:
        return Wanted(
            source=self.source,
            name=self.name,
            version=self.version,
            sha256=self.sha256,
            no_cooldown=self.no_cooldown,
        )

    def wish(self) -> Wish:
        return Wish(runtime=self.runtime, allow_downgrade=self.allow_downgrade, new_signer=self.new_signer)


class Installation(Named):
    """`approve` are permissions to approve with it."""

    approve: Permissions = []


class Reloading(Closed):
    """Without `names` every plugin. `force` replaces those too that have not changed."""

    names: Annotated[list[Name], Field(max_length=1000)] = []
    force: bool = False


class Toggling(Closed):
    name: Name
    enabled: bool


router = APIRouter(tags=["plugins"], dependencies=[CAUGHT_UP])


@router.post("/api/v1/plugins/install", responses=CHANGE_ERRORS | MISSING)
async def install_plugin(wanted: Installation, who: Caller, services: Services) -> dict[str, Any]:
    """Takes a plugin into service: one on disk or in a catalogue by its name, a copy of a folder, or an archive.
    What it asks for and was not approved leaves it disabled, until that is."""
    wish = msgspec.structs.replace(wanted.wish(), approve=tuple(wanted.approve))
    changed = await services.installer.install(wanted.wanted(), wish, actor=who.id)
    return {"status": "installed", "name": wanted.name or wanted.source} | describe_change(changed)


@router.post("/api/v1/plugins/inspect", responses=CHANGE_ERRORS | MISSING)
async def inspect_plugin(wanted: Named, who: Caller, services: Services) -> dict[str, Any]:
    """What an installation would take: who signed it, what it asks for, and what is another than in the version
    that is installed. Nothing of it is run, and nothing changes."""
    return describe_offer(await services.installer.inspect(wanted.wanted(), wanted.wish()))


@router.post("/api/v1/plugins/hot-swap", response_model=None, responses=CHANGE_ERRORS | MISSING)
async def swap_plugins(
    who: Caller, services: Services, wanted: Reloading | None = None
) -> dict[str, Any] | JSONResponse:
    """Takes in what is on disk now, without losing a request. Where a plugin is worse than before nothing changes,
    and the answer is 409 with `"status": "rolled_back"`."""
    wanted = wanted or Reloading()
    try:
        changed = await services.host.reload(wanted.names, force=wanted.force, actor=who.id)
    except (ConfigError, Conflict) as refusal:
        return _tell_refusal(refusal)
    return {"status": "success", "message": _tell_swap(changed)} | describe_change(changed)


@router.post("/api/v1/plugins/toggle", responses=CHANGE_ERRORS | MISSING)
async def toggle_plugin(wanted: Toggling, who: Caller, services: Services) -> dict[str, Any]:
    """Enables or disables a plugin."""
    changed = await services.host.toggle(wanted.name, wanted.enabled, actor=who.id)
    return {"name": wanted.name, "enabled": wanted.enabled} | describe_change(changed)


@router.post("/api/v1/plugins/rollback", responses=CHANGE_ERRORS)
async def roll_back_plugins(who: Caller, services: Services, wanted: Nothing | None = None) -> dict[str, Any]:
    """Restores what was before the last change: code, config, what was enabled and approved, and the counters."""
    return {"status": "rolled_back"} | describe_change(await services.host.rollback(actor=who.id))


@router.delete("/api/v1/plugins/{name:path}", responses=NAME_ERRORS | REFUSED)
async def uninstall_plugin(name: PluginName, who: Caller, services: Services) -> dict[str, Any]:
    """Takes a plugin out of service. The folder that the operator put it in stays as it is."""
    changed = await services.host.uninstall(name, actor=who.id)
    return {"status": "uninstalled", "name": name} | describe_change(changed)


@router.get("/api/v1/generations", responses=ERRORS)
async def generations(who: Caller, services: Services) -> dict[str, Any]:
    """What the plugins were changed by, newest first, and what a rollback of each goes back to."""
    told = [describe_generation(generation) for generation in await services.host.history()]
    return {"data": told, "generation": services.host.snapshot.generation}


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


def _tell_swap(changed: Changed) -> str:
    return f"Reloaded: {', '.join(map(escape_halves, changed.plugins))}" if changed.changed else "Nothing had changed"


def _tell_refusal(refusal: JackfieldError) -> JSONResponse:
    """The request was in order; what is on disk is not."""
    return answer_error("POST", refusal, status=Conflict.status, told={"status": "rolled_back"})
