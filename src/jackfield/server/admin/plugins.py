"""Every known plugin, how it does, and what it sees."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator
from typing import Annotated, Any
from urllib.parse import unquote

import msgspec
from fastapi import APIRouter, Path, Query
from pydantic import AfterValidator

from jackfield.host.plugin import LoadedPlugin
from jackfield.pipeline.coverage import coverage
from jackfield.server.admin.catching_up import CAUGHT_UP
from jackfield.server.admin.errors import ERRORS, NAME_ERRORS
from jackfield.server.admin.plugin_description import describe_plugin
from jackfield.server.admin.services import AdminServices, Caller, Services
from jackfield.telemetry.text import escape_halves

LONGEST_NAME = 5000
BELOW = "/api/v1/plugins/"

# Still encoded when the route is found, so that a slash in a name is told from one behind it.
PluginName = Annotated[
    str, Path(max_length=LONGEST_NAME, description="Id, display name or module name"), AfterValidator(unquote)
]
OnePlugin = Annotated[str | None, Query(max_length=LONGEST_NAME, description="Only the plugin that is called this")]

router = APIRouter(tags=["plugins"], dependencies=[CAUGHT_UP])
# Comes after all other paths below it: any name would fit.
by_name = APIRouter(tags=["plugins"], dependencies=[CAUGHT_UP])


@router.get("/api/v1/plugins", responses=NAME_ERRORS)
async def plugins(who: Caller, services: Services, name: OnePlugin = None) -> dict[str, Any]:
    """Every known plugin, disabled and failed ones too, and which generation each worker serves (`workers`)."""
    snapshot = services.host.snapshot
    known = snapshot.plugins.values() if name is None else (services.host.find(name),)
    told = [describe(services, plugin) for plugin in known]
    return {"plugins": told, "generation": snapshot.generation, "workers": await services.generations()}


@router.get("/api/v1/plugins/stats", responses=ERRORS)
async def plugin_stats(who: Caller, services: Services) -> dict[str, Any]:
    """The statistics of each plugin in this worker, by its name; by its id where another bears the same name."""
    return dict(_stats_by_name(services.host.snapshot.plugins.values()))


@router.get("/api/v1/coverage", responses=ERRORS)
async def covered(who: Caller, services: Services) -> dict[str, Any]:
    """Which plugin sees which operation at which hook point, streamed and not."""
    return {"data": coverage(services.host.snapshot.table)}


def describe(services: AdminServices, plugin: LoadedPlugin) -> dict[str, Any]:
    """`origin` is the archive that it was installed from, `revoked` why that version must not be started anew."""
    origin = services.host.origin(plugin.id)
    revoked = services.installer.shelf.reason_to_withdraw(origin) if origin is not None else None
    told = describe_plugin(plugin, services.host.snapshot.generation)
    return told | {"origin": msgspec.to_builtins(origin), "revoked": revoked}


def _stats_by_name(plugins: Collection[LoadedPlugin]) -> Iterator[tuple[str, dict[str, Any]]]:
    borne = Counter(plugin.name for plugin in plugins)
    for plugin in plugins:
        unique = borne[plugin.name] == 1
        yield plugin.name if unique else escape_halves(plugin.id), plugin.guard.stats.report()


@by_name.get("/api/v1/plugins/{name:path}", responses=NAME_ERRORS)
async def plugin(name: PluginName, who: Caller, services: Services) -> dict[str, Any]:
    """One plugin, by id, display name or module name."""
    return describe(services, services.host.find(name))
