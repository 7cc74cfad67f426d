"""What the admin API tells of one plugin."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

import msgspec

from jackfield.hooks.table import BoundHook
from jackfield.host.masking import masked_config
from jackfield.host.plugin import LoadedPlugin
from jackfield.host.stage import Changed
from jackfield.sdk.hooks import PointName
from jackfield.sdk.permissions import PERMISSIONS
from jackfield.server.admin.masked_config import masked_form
from jackfield.settings import PluginConfig, conceal
from jackfield.sources.base import Stated
from jackfield.telemetry.text import describe_error, escape_all_halves

# The five rings of the ring guide, by the points that stand for them here.
RINGS: Mapping[PointName, str] = {
    "ingress": "ingress",
    "pre_flight": "pre_flight",
    "routing": "routing",
    "response_head": "post_flight",
    "response_chunk": "post_flight",
    "response_body": "post_flight",
    "background": "background",
}
T = TypeVar("T")


def describe_plugin(plugin: LoadedPlugin, generation: int) -> dict[str, Any]:
    state, reason = state_of(plugin)
    told = {
        "id": plugin.id,
        "name": plugin.name,
        "aliases": tuple(dict.fromkeys((*plugin.aliases, *plugin.found.aliases))),
        "version": plugin.version,
        "author": plugin.author,
        "description": plugin.description,
        "dialect": plugin.dialect,
        "runtime": plugin.runtime,
        "source": plugin.source,
        "place": plugin.place,
        "digest": plugin.digest,
        "enabled": is_enabled(plugin),
        "state": state,
        "reason": reason,
        "permissions": describe_permissions(plugin),
        "provides": plugin.manifest.provides if plugin.manifest is not None else (),
        "services": tuple(plugin.grant.shared) if plugin.grant is not None else (),
        "priority": plugin.settings.priority if plugin.settings.priority is not None else plugin.priority,
        "hooks": [_describe_hook(hook) for hook in own_hooks(plugin)],
        **_ring_fields(plugin),
        "config": masked_config(plugin),
        "ui_schema": masked_form(plugin),
        "process": describe_process(plugin),
        "stats": plugin.guard.stats.report(),
        "generation": generation,
    }
    described: dict[str, Any] = escape_all_halves(told)
    return described


def describe_change(changed: Changed) -> dict[str, Any]:
    """`plugins` are those that are others than before; `notes` are for the operator."""
    told: dict[str, Any] = escape_all_halves(msgspec.to_builtins(changed))
    return told | {"notes": [conceal(note) for note in told["notes"]]}


def state_of(plugin: LoadedPlugin) -> tuple[str, str | None]:
    """With its reason. Quarantine comes and goes with the guard, between two changes of the plugin's own state."""
    if plugin.running and plugin.guard.quarantined:
        return "quarantined", plugin.guard.stats.last_error
    return plugin.state, plugin.reason


def describe_process(plugin: LoadedPlugin) -> dict[str, Any] | None:
    """`None` where it has none of its own. A boundary: what is wrong with a plugin keeps nobody from seeing it."""
    if plugin.instance is None:
        return None
    try:
        told: dict[str, Any] = conceal(dict(plugin.instance.diagnose()))
    except Exception as error:  # noqa: BLE001 - the boundary of the docstring
        return {"state": f"it cannot be told: {describe_error(error)}"}
    return told or None


def is_enabled(plugin: LoadedPlugin) -> bool:
    """What the operator decided, or else the manifest: one that failed, or waits for an approval, may be enabled."""
    if plugin.settings.enabled is not None:
        return plugin.settings.enabled
    return plugin.manifest is None or plugin.manifest.enabled


def describe_permissions(plugin: LoadedPlugin) -> dict[str, Any]:
    """`difference` is what it asks for and was not approved."""
    return {
        "asked": [{"name": name, "sentence": PERMISSIONS[name]} for name in plugin.asked],
        "approved": plugin.approved,
        "difference": [name for name in plugin.asked if name not in plugin.approved],
    }


def _describe_hook(hook: BoundHook) -> dict[str, Any]:
    return {
        "hook": hook.name,
        "point": hook.point.name,
        "priority": hook.priority,
        "timeout_ms": hook.deadline_s * 1000,
        "on_failure": policy_of(hook),
        "operations": hook.spec.operations,
    }


def policy_of(hook: BoundHook) -> str:
    return "closed" if hook.closed else "open"


def _ring_fields(plugin: LoadedPlugin) -> dict[str, Any]:
    """The fields that the ring guide has for a whole plugin: `None` where its hooks differ, or are not known."""
    hooks, stated = own_hooks(plugin), plugin.found.hook()
    fields = {
        "hook": _same(RINGS.get(hook.point.name) for hook in hooks),
        "type": "python" if plugin.runtime == "inprocess" else plugin.runtime,
        "timeout_ms": _same(hook.deadline_s * 1000 for hook in hooks),
        "fail_policy": _same(policy_of(hook) for hook in hooks),
    }
    return fields if hooks or stated is None else fields | _stated_fields(stated, plugin.settings)


def own_hooks(plugin: LoadedPlugin) -> list[BoundHook]:
    """Without those that its dialect has bound beside the one of its author."""
    return [hook for hook in plugin.hooks if not hook.spec.inner]


def _stated_fields(hook: Stated, settings: PluginConfig) -> dict[str, Any]:
    """As they will be once it runs: the operator's word over the author's."""
    return {
        "hook": RINGS.get(hook.point),
        "timeout_ms": float(settings.timeout_ms or hook.timeout_ms),
        "fail_policy": settings.on_failure or hook.on_failure,
    }


def _same(values: Iterable[T]) -> T | None:
    """The one value that all have."""
    found = set(values)
    return found.pop() if len(found) == 1 else None
