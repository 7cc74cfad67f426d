"""`core.plugin_sdk`: what a ring plugin is made from."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Self

log = logging.getLogger("plugin_sdk")

BLOCK_STATUS = 403
BLOCK_STATUSES = range(400, 600)


class PluginHook(StrEnum):
    """The five rings, as the manifest spells them."""

    INGRESS = "ingress"
    PRE_FLIGHT = "pre_flight"
    ROUTING = "routing"
    POST_FLIGHT = "post_flight"
    BACKGROUND = "background"


class PluginAction(StrEnum):
    PASSTHROUGH = "passthrough"
    MODIFY = "modify"
    BLOCK = "block"
    CACHE_HIT = "cache_hit"


class PluginResponseError(ValueError):
    """A response that says nothing a ring can act on."""


def block_status(stated: Any) -> int:
    """The status that a block is told with. One that is none of an error would look like an answer: it becomes a
    403."""
    try:
        status = int(stated)
    except (TypeError, ValueError, OverflowError):
        return BLOCK_STATUS
    return status if status in BLOCK_STATUSES else BLOCK_STATUS


def text_of(stated: Any) -> str:
    """What a plugin stated as a text, as one that can be sent; nothing for `None`."""
    return "" if stated is None else str(stated).encode("utf-8", "replace").decode()


@dataclass
class PluginResponse:
    """What a ring plugin decides. A block blocks, whatever else is wrong with it: a status that is none of an error
    becomes a 403, and a message that is no text is made one."""

    action: str = PluginAction.PASSTHROUGH
    status_code: int = 200
    error_type: str | None = None
    message: str | None = None
    body: Any = None
    response: Any = None

    def __post_init__(self) -> None:
        try:
            self.action = PluginAction(self.action)
        except ValueError:
            known = ", ".join(PluginAction)
            raise PluginResponseError(
                f"Invalid PluginResponse action {str(self.action)!r}. Must be one of: {known}"
            ) from None
        if self.action is PluginAction.BLOCK:
            self._mend()

    def _mend(self) -> None:
        status = block_status(self.status_code)
        if str(status) != str(self.status_code):
            log.warning("PluginResponse.block with status %s: %s is sent", self.status_code, status)
        self.status_code = status
        self.message = None if self.message is None else text_of(self.message)
        self.error_type = None if self.error_type is None else text_of(self.error_type)

    @classmethod
    def passthrough(cls) -> Self:
        return cls()

    @classmethod
    def modify(cls, body: Any = None, message: str | None = None) -> Self:
        return cls(action=PluginAction.MODIFY, body=body, message=message)

    @classmethod
    def block(
        cls,
        status_code: int = BLOCK_STATUS,
        error_type: str | None = "plugin_block",
        message: str | None = "Blocked by plugin",
    ) -> Self:
        return cls(action=PluginAction.BLOCK, status_code=status_code, error_type=error_type, message=message)

    @classmethod
    def cache_hit(cls, response: Any) -> Self:
        return cls(action=PluginAction.CACHE_HIT, response=response)


class RingClass:
    """The parent of ring plugins written as classes. The manifest's name, hook and version win over the attributes."""

    name: str = "unnamed_plugin"
    hook: PluginHook = PluginHook.BACKGROUND
    version: str = "0.0.1"
    author: str = "unknown"
    description: str = ""
    timeout_ms: int = 50

    def __init__(self, config: dict[str, Any] | None = None) -> None:
        self.config: dict[str, Any] = {} if config is None else config
        self.logger = logging.getLogger(f"plugin.{self.name}")

    async def execute(self, ctx: Any) -> PluginResponse:
        return PluginResponse.passthrough()

    async def on_load(self) -> None:
        """Runs once, before the first request."""

    async def on_unload(self) -> None:
        """Runs when the plugin is removed or replaced."""

    @property
    def stats(self) -> dict[str, Any]:
        """What the host counted for this plugin since it first saw it; zeros where there is no host."""
        counted: dict[str, Any] = getattr(self, "_counted", dict)()
        return {"invocations": 0, "errors": 0, "blocks": 0, "timeouts": 0, "avg_latency_ms": 0.0, **counted}


# The name that the guide of this dialect gives to it.
BasePlugin = RingClass
RingClass.__name__ = RingClass.__qualname__ = "BasePlugin"

__all__ = ["BasePlugin", "PluginAction", "PluginHook", "PluginResponse", "PluginResponseError"]
