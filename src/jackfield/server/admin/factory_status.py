"""The plugins in the form of the factory guide's status page."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter

from jackfield.host.plugin import LoadedPlugin
from jackfield.host.resolve import Node, resolve
from jackfield.host.snapshot import Snapshot
from jackfield.sdk.manifest import Manifest, Needs
from jackfield.sdk.providers import PROVIDERS
from jackfield.server.admin.catching_up import CAUGHT_UP
from jackfield.server.admin.errors import ERRORS
from jackfield.server.admin.plugin_description import state_of
from jackfield.server.admin.services import Caller, Services
from jackfield.server.gateway import FACTORY_STATUS
from jackfield.telemetry.text import escape_all_halves

PATH = "/api/plugins/status"

router = APIRouter(tags=["plugins"], dependencies=[CAUGHT_UP])


@router.get(PATH, responses=ERRORS)
async def plugins_status(who: Caller, services: Services) -> dict[str, Any]:
    """The order in which the running plugins start, which of them provides which service, and each plugin."""
    return describe_status(services.host.snapshot)


@router.get(FACTORY_STATUS, responses=ERRORS)
async def plugins_status_at_root(who: Caller, services: Services) -> dict[str, Any]:
    """The same as `/api/plugins/status`."""
    return describe_status(services.host.snapshot)


def describe_status(snapshot: Snapshot) -> dict[str, Any]:
    running = [plugin for plugin in snapshot.plugins.values() if plugin.running]
    told = {
        "initialization_order": resolve(map(_node, running)).order,
        "services": dict(snapshot.services),
        "plugins": [_describe(plugin) for plugin in snapshot.plugins.values()],
    }
    status: dict[str, Any] = escape_all_halves(told)
    return status


def _describe(plugin: LoadedPlugin) -> dict[str, Any]:
    manifest = _manifest(plugin)
    state, reason = state_of(plugin)
    return {
        "name": plugin.id,
        "version": plugin.version,
        "type": kind_of(plugin),
        "provides": manifest.provides,
        "requires": _names(manifest.requires),
        "optional_requires": _names(manifest.optional),
        "initialized": plugin.running,
        "state": state,
        "reason": reason,
    }


def kind_of(plugin: LoadedPlugin) -> str:
    """In the guide's words; `system` for what does not run, since only its code could tell more."""
    stated = getattr(plugin.instance, "factory_type", None)
    if stated is not None:
        return str(stated)
    if isinstance(plugin.instance, PROVIDERS):
        return "provider"
    if any(hook.point.name == "auth" for hook in plugin.hooks):
        return "auth_provider"
    return "system"


def _names(needs: Needs) -> tuple[str, ...]:
    return (*needs.services, *needs.plugins)


def _node(plugin: LoadedPlugin) -> Node:
    manifest = _manifest(plugin)
    return Node(plugin.id, requires=manifest.requires, optional=manifest.optional, provides=manifest.provides)


def _manifest(plugin: LoadedPlugin) -> Manifest:
    """An empty one where it could not be read."""
    return plugin.manifest or Manifest(id="unknown")
