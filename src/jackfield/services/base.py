"""What services have in common."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from jackfield.sdk.events import ToolRefusal


class Part(Protocol):
    """What of a plugin's services lives as long as the plugin does. It is made closed: nothing happens by itself before
    `open`, and nothing after `rest`."""

    def open(self) -> None:
        """The plugin serves from now on. Must not wait, and not raise."""

    def rest(self) -> None:
        """The plugin serves no new request. Must not wait, and not raise; what was begun may end."""

    async def aclose(self) -> None:
        """The plugin is gone: ends what is still under way. Bounded in time."""


class Announcer(Protocol):
    """Where events go; each `data` is as `sdk.events.EVENTS` says."""

    def is_wanted(self, type: str) -> bool:  # noqa: A002 - the guide's word
        """Whether anybody listens: what costs something need not be made for nobody."""

    def announce(self, type: str, data: Mapping[str, Any]) -> None:  # noqa: A002
        """An event of the gateway itself. Returns at once."""

    async def ask(self, type: str, data: Mapping[str, Any]) -> tuple[str, ToolRefusal] | None:  # noqa: A002
        """Announces, and asks those who may refuse: the plugin that does, and why."""
