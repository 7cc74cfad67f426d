"""From permissions to services: what was approved builds what a plugin is handed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Protocol

import msgspec

from jackfield.clock import Clock
from jackfield.sdk.permissions import PERMISSIONS, check_permission
from jackfield.sdk.services import NEEDED, Services
from jackfield.services.allowance import Allowance
from jackfield.services.base import Part
from jackfield.services.limits import OperationLimit
from jackfield.services.shared import SharedTable
from jackfield.services.tool_table import ToolTable


class Asker(msgspec.Struct, frozen=True, kw_only=True):
    """The plugin that is to have services. `name` is its display name; `http_hosts` are the hosts that its manifest
    lists, `None` where it lists none; `agent` is what it calls itself there, before its id. `provides` are the names of
    the services that it declares, `None` where it may give what it likes. `built_in` are those that come with
    Jackfield."""

    plugin: str
    approved: frozenset[str]
    name: str = ""
    http_hosts: tuple[str, ...] | None = None
    agent: str = "Jackfield-Plugin"
    provides: frozenset[str] | None = frozenset()
    built_in: bool = False


class Grant:
    """What one plugin was given, for as long as it lives."""

    __slots__ = ("allowance", "asker", "parts", "services", "shared", "tools")

    def __init__(self, asker: Asker, allowance: Allowance) -> None:
        self.asker, self.allowance = asker, allowance
        self.tools = ToolTable(asker.plugin, asker.name)
        self.shared = SharedTable(asker.plugin, asker.provides)
        self.parts: list[Part] = []
        self.services = Services(asker.plugin, {}, NEEDED, self.shared)

    def open(self) -> None:
        for part in self.parts:
            part.open()

    def rest(self) -> None:
        for part in self.parts:
            part.rest()

    async def aclose(self) -> None:
        for part in reversed(self.parts):
            await part.aclose()
        self.tools.clear()
        self.shared.clear()


class Maker(Protocol):
    """Makes one service for one plugin; a part of it that lives is put into `grant.parts`."""

    def __call__(self, grant: Grant) -> Any: ...


class Offer(msgspec.Struct, frozen=True):
    """A service, and the permissions any of which brings it."""

    permissions: frozenset[str]
    make: Maker


class ServiceFactory:
    """A plugin's operations are counted for as long as the factory lives: to reload does not start a new minute."""

    def __init__(self, offers: Mapping[str, Offer], clock: Clock, workers: int = 1) -> None:
        """`offers` by the name that the service has in `Services`; `workers` are those that share each plugin's
        limit."""
        self._offers, self._clock, self._workers = dict(offers), clock, workers
        self._limits: dict[str, OperationLimit] = {}

    def build(self, asker: Asker) -> Grant:
        """Raises `ValueError` where there is no such permission."""
        approved = frozenset(map(check_permission, asker.approved))
        limit = self._limits.setdefault(asker.plugin, OperationLimit(asker.plugin, self._clock, self._workers))
        grant = Grant(asker, Allowance(asker.plugin, approved, limit))
        granted = {name: offer.make(grant) for name, offer in self._offers.items() if approved & offer.permissions}
        grant.services = Services(asker.plugin, granted, NEEDED, grant.shared, permissions=approved)
        return grant


GrantServices = Callable[[Asker], Grant]


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
