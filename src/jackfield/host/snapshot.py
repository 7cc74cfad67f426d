"""An immutable, numbered world: what a request runs against from its first byte to its last."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from jackfield.hooks.guard import PluginGuard
from jackfield.hooks.table import HookTable
from jackfield.host.routes import Routes
from jackfield.host.states import PluginState, step
from jackfield.sdk.plugin import Plugin
from jackfield.sources.base import Found


class LoadedPlugin:
    """One known plugin, failed and disabled ones too; `instance` is `None` unless it runs. `forget` lets go of its
    code."""

    __slots__ = (
        "dialect",
        "forget",
        "guard",
        "id",
        "instance",
        "place",
        "priority",
        "reason",
        "source",
        "state",
        "version",
    )

    def __init__(self, plugin_id: str, found: Found, dialect: str, guard: PluginGuard) -> None:
        self.id, self.source, self.dialect, self.place = plugin_id, found.source, dialect, found.place
        self.forget = found.forget
        self.guard = guard
        self.version = "0.0.0"
        self.priority = 100
        self.state: PluginState = "discovered"
        self.reason: str | None = None
        self.instance: Plugin[Any] | None = None

    def move(self, to: PluginState, reason: str | None = None) -> None:
        self.state = step(self.state, to, self.id)
        self.reason = reason


class Snapshot(msgspec.Struct, frozen=True, kw_only=True):
    generation: int
    plugins: Mapping[str, LoadedPlugin]
    table: HookTable
    routes: Routes
