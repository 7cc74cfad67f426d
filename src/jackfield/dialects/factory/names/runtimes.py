"""Runtimes: the life of a factory plugin."""

from __future__ import annotations

import inspect
from typing import Any, Protocol

from jackfield.dialects.factory.names.context import PluginContext
from jackfield.dialects.factory.names.declarations import PluginManifest
from jackfield.dialects.factory.names.log import PluginLogger, get_plugin_logger

__all__ = ["AuthRuntime", "PluginRuntime", "PluginRuntimeProtocol", "ProviderRuntime", "SystemRuntime"]


class PluginRuntimeProtocol(Protocol):
    async def initialize(self, context: PluginContext) -> None: ...
    async def shutdown(self) -> None: ...
    async def validate(self) -> bool: ...
    async def health_check(self) -> dict[str, Any]: ...


class PluginRuntime:
    """Override `_on_initialize`, `_on_shutdown`, `_on_validate` and `_get_health_details`."""

    component_type = "system_plugin"

    def __init__(self, manifest: PluginManifest) -> None:
        self.manifest, self.name, self.version = manifest, manifest.name, manifest.version
        self.context: PluginContext = PluginContext()
        self.logger: PluginLogger = get_plugin_logger(manifest.name)
        self.initialized = False

    async def initialize(self, context: PluginContext) -> None:
        if self.initialized:
            self.logger.warning("plugin_already_initialized")
            return
        self.context = context
        await self._prepare()
        await self._on_initialize()
        self.initialized = True

    async def shutdown(self) -> None:
        if not self.initialized:
            return
        try:
            await self._on_shutdown()
            await self._clean_up()
        finally:
            self.initialized = False

    async def validate(self) -> bool:
        return self.initialized and await self._on_validate()

    async def health_check(self) -> dict[str, Any]:
        told = {"componentId": self.name, "componentType": self.component_type, "version": self.version}
        try:
            details = await self._get_health_details()
        except Exception as error:  # noqa: BLE001 - a boundary: an author's own details
            return {"status": "fail", **told, "output": f"{type(error).__name__}: {error}"}
        return {"status": "pass" if self.initialized else "fail", **told, "details": details}

    async def _prepare(self) -> None:
        """What its kind does before `_on_initialize`."""

    async def _clean_up(self) -> None:
        """What its kind does after `_on_shutdown`."""

    async def _on_initialize(self) -> None: ...

    async def _on_shutdown(self) -> None: ...

    async def _on_validate(self) -> bool:
        return True

    async def _get_health_details(self) -> dict[str, Any]:
        return {"type": "system", "initialized": self.initialized}


class SystemRuntime(PluginRuntime):
    """Of a plugin that adds to the gateway as a whole."""


class ProviderRuntime(PluginRuntime):
    """`adapter`, `detection_service` and `credentials_manager` are those that its factory made, or `None`."""

    component_type = "provider_plugin"
    adapter: Any = None
    detection_service: Any = None
    credentials_manager: Any = None

    async def _prepare(self) -> None:
        for name in ("adapter", "detection_service", "credentials_manager"):
            setattr(self, name, self.context.get(name))
        await _call(self.detection_service, "initialize_detection")

    async def _clean_up(self) -> None:
        await _call(self.adapter, "cleanup")

    async def _get_health_details(self) -> dict[str, Any]:
        detection = self.detection_service
        return {
            "type": "provider",
            "initialized": self.initialized,
            "has_adapter": self.adapter is not None,
            "has_detection": detection is not None,
            "has_credentials": self.credentials_manager is not None,
            "cli_version": await _call(detection, "get_version"),
            "cli_path": await _call(detection, "get_cli_path"),
        }


class AuthRuntime(PluginRuntime):
    """Its `auth_provider` stands in the registry of sign-in providers while it runs."""

    component_type = "auth_provider_plugin"
    auth_provider: Any = None
    token_manager: Any = None

    async def _prepare(self) -> None:
        self.auth_provider, self.token_manager = self.context.get("auth_provider"), self.context.get("token_manager")
        if self.auth_provider is not None and self.context.oauth_registry is not None:
            self.context.oauth_registry.register(self.auth_provider)

    async def _clean_up(self) -> None:
        if self.auth_provider is not None and self.context.oauth_registry is not None:
            self.context.oauth_registry.unregister(self.auth_provider)

    async def _get_health_details(self) -> dict[str, Any]:
        provider = self.auth_provider
        return {
            "type": "auth_provider",
            "initialized": self.initialized,
            "oauth_provider_registered": provider is not None,
            "oauth_provider_name": None if provider is None else _provider_name(provider),
        }


def _provider_name(provider: Any) -> str:
    return str(getattr(provider, "provider_name", None) or type(provider).__name__)


async def _call(owner: Any, name: str) -> Any:
    """A method that may be there or not, and a coroutine function or not."""
    method = getattr(owner, name, None)
    answer = method() if callable(method) else None
    return await answer if inspect.isawaitable(answer) else answer
