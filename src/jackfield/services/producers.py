"""The events of the gateway's own life, as `sdk.events.EVENTS` describes them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from pydantic import BaseModel

from jackfield.services.base import Announcer


class Known(Protocol):
    """A plugin of a world."""

    @property
    def id(self) -> str: ...
    @property
    def running(self) -> bool: ...
    @property
    def manifest(self) -> BaseModel | None: ...


def announce_switch(announcer: Announcer, former: Mapping[str, Known], current: Mapping[str, Known]) -> None:
    """Between two worlds, once those that are new in `current` are open and before the others are let go. A plugin that
    was replaced is unloaded and loaded; a new one hears of itself."""
    for plugin in former.values():
        if plugin.running and current.get(plugin.id) is not plugin:
            announcer.announce("plugin:unloaded", {"pluginId": plugin.id})
    if announcer.is_wanted("plugin:loaded"):
        for plugin in current.values():
            if plugin.running and former.get(plugin.id) is not plugin:
                announcer.announce("plugin:loaded", {"pluginId": plugin.id, "manifest": _manifest(plugin)})


def announce_startup(announcer: Announcer, version: str) -> None:
    announcer.announce("system:startup", {"version": version})


def announce_shutdown(announcer: Announcer, version: str) -> None:
    announcer.announce("system:shutdown", {"version": version})


def _manifest(plugin: Known) -> dict[str, Any]:
    return {} if plugin.manifest is None else plugin.manifest.model_dump(mode="json")
