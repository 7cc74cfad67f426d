"""`PluginContext`: what a runtime is given."""

from __future__ import annotations

from typing import Any

__all__ = ["PluginContext"]

KEYS = (
    "settings",
    "http_client",
    "logger",
    "scheduler",
    "config",
    "cli_detection_service",
    "plugin_registry",
    "app",
    "hook_registry",
    "hook_manager",
    "request_tracer",
    "streaming_handler",
    "metrics",
    "adapter",
    "detection_service",
    "credentials_manager",
    "oauth_registry",
    "http_pool_manager",
    "service_container",
    "auth_provider",
    "token_manager",
    "storage",
    "format_registry",
    "model_mapper",
    "proxy_service",
)
_EXACT = ("settings", "http_client", "logger", "config")


class PluginContext:
    """By attribute or by key; `get` takes a key, or the type of what is wanted. More may be put in."""

    def __init__(self, **given: Any) -> None:
        self.__dict__.update(dict.fromkeys(KEYS), **given)

    def get(self, wanted: Any, default: Any = None) -> Any:
        """Raises `ValueError` where nothing of a type is there."""
        if isinstance(wanted, str):
            found = self.__dict__.get(wanted)
            return default if found is None else found
        return self._of_type(wanted)

    def _of_type(self, wanted: type[Any]) -> Any:
        values = [self.__dict__.get(key) for key in _EXACT] + list(self.__dict__.values())
        for value in values:
            if type(value) is wanted:
                return value
        found = next((value for value in values if value is not None and isinstance(value, wanted)), None)
        if found is None:
            raise ValueError(f"there is no {wanted.__name__} in the plugin's context")
        return found

    def __getattr__(self, key: str) -> Any:
        """Of what nobody put in."""
        raise AttributeError(f"the plugin's context has no {key!r}")

    def __getitem__(self, key: str) -> Any:
        if self.__dict__.get(key) is None:
            raise KeyError(key)
        return self.__dict__[key]

    def __setitem__(self, key: str, value: Any) -> None:
        self.__dict__[key] = value

    def __contains__(self, key: object) -> bool:
        return self.__dict__.get(str(key)) is not None

    def keys(self) -> list[str]:
        return [key for key, value in self.__dict__.items() if value is not None and not callable(value)]
