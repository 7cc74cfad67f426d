"""Loggers tagged with the plugin's name. What they write goes the gateway's own way, where secrets are masked."""

from __future__ import annotations

import re
import sys
from types import FrameType
from typing import Any

import structlog

__all__ = ["PluginLogger", "get_logger", "get_plugin_logger", "info_allowed", "reduce_startup"]

MODULE_PREFIX = "jackfield_factory"
_MODULE = re.compile(rf"{MODULE_PREFIX}_\d+_(\w+)")


class PluginLogger:
    """structlog's, and `trace`, which is told as `debug`."""

    __slots__ = ("_inner",)

    def __init__(self, inner: Any) -> None:
        self._inner = inner

    def bind(self, **values: Any) -> PluginLogger:
        return PluginLogger(self._inner.bind(**values))

    def new(self, **values: Any) -> PluginLogger:
        return self.bind(**values)

    def trace(self, event: str, *args: Any, **values: Any) -> None:
        self._inner.debug(event, *args, **values)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


def get_plugin_logger(name: str | None = None) -> PluginLogger:
    """Without a name, or with `__name__`, that of the plugin whose module asks."""
    return _bound(name, sys._getframe(1))


def get_logger(name: str | None = None) -> PluginLogger:
    return _bound(name, sys._getframe(1))


def _bound(name: str | None, caller: FrameType) -> PluginLogger:
    asked = name or str(caller.f_globals.get("__name__", ""))
    module = _MODULE.match(asked)
    plugin = module[1].partition(".")[0] if module else asked
    return PluginLogger(structlog.get_logger("plugin").bind(plugin=plugin))


def info_allowed(app: Any = None) -> bool:
    """Whether a plugin may say at level `info` what it does at its start."""
    return True


def reduce_startup(app: Any = None) -> bool:
    return False
