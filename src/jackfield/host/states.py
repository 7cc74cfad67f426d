"""The states of a plugin's life and the ways between them. Nothing else changes a state."""

from __future__ import annotations

from typing import Literal

from jackfield.errors import Conflict

PluginState = Literal[
    "discovered", "loading", "active", "degraded", "disabled", "failed", "quarantined", "draining", "unloaded"
]

_NEXT: dict[PluginState, frozenset[PluginState]] = {
    "discovered": frozenset({"loading", "disabled", "failed"}),
    "loading": frozenset({"active", "degraded", "failed", "disabled"}),
    "active": frozenset({"degraded", "quarantined", "draining"}),
    "degraded": frozenset({"active", "quarantined", "draining"}),
    "quarantined": frozenset({"active", "degraded", "draining"}),
    "disabled": frozenset({"loading", "draining", "unloaded"}),
    "failed": frozenset({"loading", "disabled", "unloaded"}),
    "draining": frozenset({"disabled", "unloaded"}),
    "unloaded": frozenset(),
}


def step(now: PluginState, to: PluginState, plugin: str) -> PluginState:
    """The new state. Raises `Conflict` where there is no such way."""
    if to not in _NEXT[now]:
        raise Conflict(f"plugin {plugin} is {now}: it cannot become {to}", plugin=plugin)
    return to
