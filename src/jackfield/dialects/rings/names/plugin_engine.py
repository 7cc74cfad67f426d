"""`core.plugin_engine`: what a ring plugin is given, and the checks its file goes through before it runs."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from jackfield.dialects.rings.lint import PluginSecurityError, ast_scan
from jackfield.dialects.rings.names.plugin_sdk import PluginHook
from jackfield.dialects.rings.pins import compute_plugin_sha256


@dataclass
class PluginState:
    """What the host lends to plugins: `extra["store"]` keeps values."""

    cache: Any = None
    metrics: Any = None
    config: dict[str, Any] = field(default_factory=dict)
    extra: dict[str, Any] = field(default_factory=dict)


@dataclass
class PluginContext:
    """One request. `body` and `metadata` are shared by all plugins and rings that it passes."""

    request: Any = None
    body: dict[str, Any] = field(default_factory=dict)
    response: Any = None
    metadata: dict[str, Any] = field(default_factory=dict)
    session_id: str = "default"
    error: str | None = None
    stop_chain: bool = False
    state: PluginState | None = None


__all__ = [
    "PluginContext",
    "PluginHook",
    "PluginSecurityError",
    "PluginState",
    "ast_scan",
    "compute_plugin_sha256",
]
