"""From permissions to services: what was approved builds what a plugin is handed."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from jackfield.clock import Clock
from jackfield.sdk.permissions import PERMISSIONS, check_permission
from jackfield.sdk.services import NEEDED, Services
from jackfield.services.kv import STORAGE, PluginStorage
from jackfield.services.limits import OperationLimit
from jackfield.stores.kv import KeyValueStore


class ServiceFactory:
    """A plugin's operations are counted for as long as the factory lives: to reload does not start a new minute."""

    def __init__(self, store: KeyValueStore, clock: Clock) -> None:
        self._store, self._clock = store, clock
        self._limits: dict[str, OperationLimit] = {}

    def build(self, plugin: str, approved: frozenset[str]) -> Services:
        """Raises `ValueError` where there is no such permission."""
        approved = frozenset(map(check_permission, approved))
        limit = self._limits.setdefault(plugin, OperationLimit(plugin, self._clock))
        granted: dict[str, Any] = {}
        if approved & STORAGE:
            granted["kv"] = PluginStorage(plugin, approved, self._store, limit)
        return Services(plugin, granted, NEEDED)


class Difference(msgspec.Struct, frozen=True):
    """What a new version of a plugin asks for beyond the old one, and what it no longer asks for."""

    added: tuple[str, ...]
    removed: tuple[str, ...]


def difference(before: Iterable[str], after: Iterable[str]) -> Difference:
    """Each in the order of `PERMISSIONS`."""
    old, new = frozenset(before), frozenset(after)
    return Difference(_in_order(new - old), _in_order(old - new))


def _in_order(permissions: frozenset[str]) -> tuple[str, ...]:
    """Those that are no longer known come last: what was approved once may be retired since."""
    order = {name: place for place, name in enumerate(PERMISSIONS)}
    return tuple(sorted(permissions, key=lambda name: (order.get(name, len(order)), name)))
