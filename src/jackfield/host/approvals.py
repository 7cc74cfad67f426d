"""What the operator approves: checked against what there is, and against what was settled elsewhere."""

from __future__ import annotations

from collections.abc import Iterable

from jackfield.errors import Conflict, Unprocessable
from jackfield.host.plugin import LoadedPlugin
from jackfield.host.world import World
from jackfield.sdk.permissions import check_permission


def approving(world: World, plugin_id: str, approve: Iterable[str]) -> World:
    """With these approved as well. Raises `Unprocessable`."""
    approve = tuple(approve)
    for permission in approve:
        check_known(permission)
    if not approve:
        return world
    return world.with_entry(plugin_id, approved=tuple(sorted({*(world.entry(plugin_id).approved or ()), *approve})))


def refuse_overridden(plugin: LoadedPlugin, permissions: Iterable[str]) -> None:
    """What its config approves by name stays approved whatever is said here."""
    word = plugin.settings.approve
    kept = [name for name in plugin.asked if name in word and name not in permissions] if word else []
    if kept and isinstance(word, tuple):
        told = f"plugins.config.{plugin.id}.approve approves {' and '.join(map(repr, kept))}: take it out there"
        raise Conflict(told, plugin=plugin.id, param="approve")


def check_known(permission: str) -> None:
    try:
        check_permission(permission)
    except ValueError as error:
        raise Unprocessable(str(error), param="approve") from error
