"""Every known plugin, and what it sees."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter

from jackfield.errors import NotFound
from jackfield.hooks.table import BoundHook
from jackfield.host.host import Host
from jackfield.host.snapshot import LoadedPlugin
from jackfield.pipeline.coverage import coverage
from jackfield.server.admin.errors import ERRORS, FIND_ERRORS
from jackfield.server.admin.services import AdminServices, Caller
from jackfield.settings import conceal


def routes(services: AdminServices) -> APIRouter:
    router = APIRouter(tags=["plugins"])
    host = services.host

    @router.get("/api/v1/plugins", responses=ERRORS)
    async def plugins(who: Caller) -> dict[str, Any]:
        """Every known plugin, disabled and failed ones too."""
        known = [describe_plugin(host, plugin) for plugin in host.snapshot.plugins.values()]
        return {"plugins": known, "generation": host.snapshot.generation}

    @router.get("/api/v1/plugins/{name:path}", responses=FIND_ERRORS)
    async def plugin(name: str, who: Caller) -> dict[str, Any]:
        """One plugin, by id."""
        found = host.snapshot.plugins.get(name)
        if found is None:
            raise NotFound(f"There is no plugin {name[:100]!r}")
        return describe_plugin(host, found)

    @router.get("/api/v1/coverage", responses=ERRORS)
    async def covered(who: Caller) -> dict[str, Any]:
        """Which plugin sees which operation at which hook point, streamed and not."""
        return {"data": coverage(host.snapshot.table)}

    return router


def describe_plugin(host: Host, plugin: LoadedPlugin) -> dict[str, Any]:
    quarantined = plugin.instance is not None and plugin.guard.quarantined
    config = plugin.instance.config if plugin.instance is not None else None
    return {
        "id": plugin.id,
        "name": plugin.id,
        "version": plugin.version,
        "dialect": plugin.dialect,
        "runtime": "inprocess",
        "source": plugin.source,
        "state": "quarantined" if quarantined else plugin.state,
        "reason": plugin.guard.stats.last_error if quarantined else plugin.reason,
        "hooks": [_describe_hook(hook) for hook in host.snapshot.table.hooks if hook.plugin == plugin.id],
        "config": conceal(config.model_dump(mode="json")) if config is not None else None,
        "ui_schema": type(config).model_json_schema() if config is not None else None,
        "stats": plugin.guard.stats.report(),
        "generation": host.snapshot.generation,
    }


def _describe_hook(hook: BoundHook) -> dict[str, Any]:
    return {
        "hook": hook.name,
        "point": hook.point.name,
        "priority": hook.priority,
        "timeout_ms": hook.deadline_s * 1000,
        "on_failure": "closed" if hook.closed else "open",
        "operations": hook.spec.operations,
    }
