"""What the operator set: read once, checked whole, never changed."""

from jackfield.settings.description import Described, describe
from jackfield.settings.loading import inspect, load
from jackfield.settings.model import (
    CatalogueSettings,
    FromVariable,
    InstallSettings,
    IsolationSettings,
    LogSettings,
    McpServer,
    McpSettings,
    MemorySettings,
    NamedSecret,
    PluginConfig,
    PluginIsolation,
    PluginSettings,
    ResponseSettings,
    ServerSettings,
    Settings,
    StoreSettings,
    TelemetrySettings,
    Upstream,
    UsageSettings,
)
from jackfield.settings.public_key import read_public_key, show_public_key
from jackfield.settings.secret import Secret, SecretUrl, conceal, sounds_secret

__all__ = [
    "CatalogueSettings",
    "Described",
    "FromVariable",
    "InstallSettings",
    "IsolationSettings",
    "LogSettings",
    "McpServer",
    "McpSettings",
    "MemorySettings",
    "NamedSecret",
    "PluginConfig",
    "PluginIsolation",
    "PluginSettings",
    "ResponseSettings",
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
    "read_public_key",
    "show_public_key",
    "sounds_secret",
]
