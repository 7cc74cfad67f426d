"""What the operator set: read once, checked whole, never changed."""

from jackfield.settings.description import Described, describe
from jackfield.settings.loading import inspect, load
from jackfield.settings.model import (
    FromVariable,
    IsolationSettings,
    LogSettings,
    McpServer,
    McpSettings,
    MemorySettings,
    NamedSecret,
    PluginConfig,
    PluginSettings,
    ServerSettings,
    Settings,
    StoreSettings,
    TelemetrySettings,
    Upstream,
    UsageSettings,
)
from jackfield.settings.secret import Secret, SecretUrl, conceal, sounds_secret

__all__ = [
    "Described",
    "FromVariable",
    "IsolationSettings",
    "LogSettings",
    "McpServer",
    "McpSettings",
    "MemorySettings",
    "NamedSecret",
    "PluginConfig",
    "PluginSettings",
    "Secret",
    "SecretUrl",
    "ServerSettings",
    "Settings",
    "StoreSettings",
    "TelemetrySettings",
    "Upstream",
    "UsageSettings",
    "conceal",
    "describe",
    "inspect",
    "load",
    "sounds_secret",
]
