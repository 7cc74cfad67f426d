"""Every known plugin, how it does, and what it sees."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator
from typing import Annotated, Any
from urllib.parse import unquote

from fastapi import APIRouter, Path, Query
from pydantic import AfterValidator

from jackfield.host.plugin import LoadedPlugin
from jackfield.pipeline.coverage import coverage
from jackfield.server.admin.catching_up import caught_up
from jackfield.server.admin.errors import ERRORS, NAME_ERRORS
from jackfield.server.admin.plugin_description import describe_plugin
from jackfield.server.admin.services import AdminServices, Caller
from jackfield.telemetry.text import escape_halves

LONGEST_NAME = 5000
BELOW = "/api/v1/plugins/"

# Still encoded when the route is found, so that a slash in a name is told from one behind it.
PluginName = Annotated[
    str, Path(max_length=LONGEST_NAME, description="Id, display name or module name"), AfterValidator(unquote)
]
OnePlugin = Annotated[str | None, Query(max_length=LONGEST_NAME, description="Only the plugin that is called this")]


def routes(services: AdminServices) -> APIRouter:
    router = APIRouter(tags=["plugins"], dependencies=[caught_up(services.host)])
    host = services.host

    @router.get("/api/v1/plugins", responses=NAME_ERRORS)
    async def plugins(who: Caller, name: OnePlugin = None) -> dict[str, Any]:
        """Every known plugin, disabled and failed ones too, and which generation each worker serves (`workers`)."""
        snapshot = host.snapshot
        known = snapshot.plugins.values() if name is None else (host.find(name),)
        told = [describe_plugin(plugin, snapshot.generation) for plugin in known]
        return {"plugins": told, "generation": snapshot.generation, "workers": await services.generations()}

    @router.get("/api/v1/plugins/stats", responses=ERRORS)
    async def plugin_stats(who: Caller) -> dict[str, Any]:
        """The statistics of each plugin in this worker, by its name; by its id where another bears the same name."""
        return dict(_stats_by_name(host.snapshot.plugins.values()))

    @router.get("/api/v1/coverage", responses=ERRORS)
    async def covered(who: Caller) -> dict[str, Any]:
        """Which plugin sees which operation at which hook point, streamed and not."""
        return {"data": coverage(host.snapshot.table)}

    return router


def _stats_by_name(plugins: Collection[LoadedPlugin]) -> Iterator[tuple[str, dict[str, Any]]]:
    borne = Counter(plugin.name for plugin in plugins)
    for plugin in plugins:
        unique = borne[plugin.name] == 1
        yield plugin.name if unique else escape_halves(plugin.id), plugin.guard.stats.report()


def one(services: AdminServices) -> APIRouter:
    """Comes after all other paths below it: any name would fit."""
    router = APIRouter(tags=["plugins"], dependencies=[caught_up(services.host)])
    host = services.host

    @router.get("/api/v1/plugins/{name:path}", responses=NAME_ERRORS)
    async def plugin(name: PluginName, who: Caller) -> dict[str, Any]:
        """One plugin, by id, display name or module name."""
        return describe_plugin(host.find(name), host.snapshot.generation)

    return router
