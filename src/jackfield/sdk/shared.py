"""Services that plugins give to one another, within one gateway process.

A plugin declares in its manifest what it provides and what it needs, and says `provide` in `on_load`. Those that need
it start after it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any, NamedTuple, Protocol, TypeVar

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.version import InvalidVersion, Version

_NAME = r"[a-z][a-z0-9_.-]{0,63}"
_OFFER = re.compile(rf"({_NAME})(?: (\S+))?")
_NEED = re.compile(rf"({_NAME})(?: (.+))?")

T = TypeVar("T")


class OfferedService(NamedTuple):
    """What a manifest says that a plugin provides: `pricing`, or with a version `pricing 2.1`."""

    name: str
    version: Version | None


class NeededService(NamedTuple):
    """What a manifest says that a plugin needs: `pricing`, or of certain versions `pricing >=2,<3`."""

    name: str
    versions: SpecifierSet | None

    def is_met_by(self, offer: OfferedService) -> bool:
        """A service without a version meets only who wants none in particular."""
        if self.name != offer.name:
            return False
        return self.versions is None or (offer.version is not None and self.versions.contains(offer.version, True))


@lru_cache(1024)
def read_offer(text: str) -> OfferedService:
    """Raises `ValueError`."""
    found = _OFFER.fullmatch(text)
    if found is None:
        raise ValueError(f"{text!r:.100} is no service: expected a name, and a version behind it or none")
    try:
        return OfferedService(found[1], Version(found[2]) if found[2] else None)
    except InvalidVersion as error:
        raise ValueError(f"{text!r:.100}: {found[2]!r} is no version") from error


@lru_cache(1024)
def read_need(text: str) -> NeededService:
    """Raises `ValueError`."""
    found = _NEED.fullmatch(text)
    if found is None:
        raise ValueError(
            f"{text!r:.100} is no service: expected a name, and versions behind it such as `>=2,<3` or none"
        )
    try:
        return NeededService(found[1], SpecifierSet(found[2]) if found[2] else None)
    except InvalidSpecifier as error:
        raise ValueError(f"{text!r:.100}: {found[2]!r} are no versions, such as `>=2,<3`") from error


def check_offer(text: str) -> str:
    """Raises `ValueError`."""
    read_offer(text)
    return text


def check_need(text: str) -> str:
    """Raises `ValueError`."""
    read_need(text)
    return text


Watcher = Callable[[Any], None]


class SharedServices(Protocol):
    """Needs no permission: what a plugin gives it gives to all. What is given is gone when its plugin is."""

    def provide(self, name: str, service: object) -> None:
        """Gives `service` to whoever asks for `name`; what this plugin gave under it before is replaced. Raises
        `ValueError` for a name that its manifest does not declare."""

    def withdraw(self, name: str) -> None:
        """One that was not given is no error."""

    def find(self, name: str, kind: type[T]) -> T | None:
        """What is given under `name`, or `None`. Of two that give it the one that started first has it. Raises
        `TypeError`, naming the plugin, where it is no `kind`; a protocol is checked where it is `runtime_checkable`."""

    def watch(self, name: str, watcher: Watcher) -> None:
        """Calls it with what is given under `name` whenever that becomes another, and with `None` when it goes. It must
        not wait."""
