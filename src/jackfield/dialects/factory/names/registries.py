"""What is registered by name: services, sign-in providers, formats."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Protocol

import structlog

from jackfield.dialects.factory.names.declarations import FormatAdapterSpec, FormatPair, PluginManifest
from jackfield.dialects.factory.names.translators import Translator, translates
from jackfield.sdk.shared import SharedServices

__all__ = ["FormatRegistry", "OAuthRegistry", "PluginRegistry"]

log = structlog.get_logger("plugin")


class Known(Protocol):
    """A factory plugin that runs in the same gateway."""

    @property
    def id(self) -> str: ...
    @property
    def declared(self) -> PluginManifest: ...
    @property
    def factory(self) -> Any: ...
    @property
    def runtime(self) -> Any: ...


class PluginRegistry:
    """`shared` is where one plugin gives and finds services; `plugins` are the factory plugins that run now."""

    def __init__(self, plugin: str, shared: SharedServices, plugins: Callable[[], Iterable[Known]]) -> None:
        self._plugin, self._shared, self._plugins = plugin, shared, plugins
        self.given: set[str] = set()

    def register_service(self, service_name: str, service_instance: Any, provider_plugin: str | None = None) -> None:
        """Raises `ValueError` where somebody registers in another plugin's name."""
        if provider_plugin not in (None, self._plugin):
            raise ValueError(f"plugin {self._plugin} cannot register {service_name!r} for {provider_plugin!r:.100}")
        self._shared.provide(service_name, service_instance)
        self.given.add(service_name)

    def get_service(self, service_name: str, service_type: type[Any] | None = None) -> Any:
        """`None` where there is none, or where it is of another type."""
        try:
            return self._shared.find(service_name, service_type or object)
        except TypeError as error:
            log.warning("service_of_another_type", plugin=self._plugin, error=str(error))
            return None

    def has_service(self, service_name: str) -> bool:
        return self._shared.find(service_name, object) is not None

    def get_required_services(self, plugin_name: str) -> tuple[list[str], list[str]]:
        """What it requires, and what it would like to have."""
        manifest = self._manifests().get(plugin_name)
        return (list(manifest.requires), list(manifest.optional_requires)) if manifest else ([], [])

    def get_factory(self, name: str) -> Any:
        return next((plugin.factory for plugin in self._plugins() if plugin.id == name), None)

    def get_runtime(self, name: str) -> Any:
        return next((plugin.runtime for plugin in self._plugins() if plugin.id == name), None)

    def get_all_manifests(self) -> dict[str, PluginManifest]:
        return self._manifests()

    def list_plugins(self) -> list[str]:
        return sorted(self._manifests())

    def list_provider_plugins(self) -> list[str]:
        return sorted(name for name, manifest in self._manifests().items() if manifest.is_provider)

    def _manifests(self) -> dict[str, PluginManifest]:
        return {plugin.id: plugin.declared for plugin in self._plugins()}


class OAuthRegistry:
    """The sign-in providers of all factory plugins of one gateway. Of several with one name the last counts: while a
    plugin is replaced there are two."""

    def __init__(self) -> None:
        self._providers: dict[str, list[Any]] = {}

    def register(self, provider: Any) -> None:
        self._providers.setdefault(str(provider.provider_name), []).append(provider)

    def unregister(self, provider: Any) -> None:
        """By itself, or the last by its name."""
        name = provider if isinstance(provider, str) else str(provider.provider_name)
        held = self._providers.get(name, [])
        rest = held[:-1] if isinstance(provider, str) else [one for one in held if one is not provider]
        self._providers.pop(name, None)
        if rest:
            self._providers[name] = rest

    def get(self, name: str) -> Any:
        return self._providers[name][-1] if name in self._providers else None

    def has(self, name: str) -> bool:
        return name in self._providers

    def list(self) -> dict[str, Any]:
        return {name: held[-1] for name, held in self._providers.items()}

    def __iter__(self) -> Iterator[str]:
        return iter(tuple(self._providers))


class FormatRegistry:
    """The adapters of formats that one plugin declares, made when it starts: of two for a pair that with the lower
    priority counts. For the formats that the gateway knows it has its own where nobody declares one."""

    def __init__(self, specs: Iterable[FormatAdapterSpec] = ()) -> None:
        self._specs: dict[FormatPair, FormatAdapterSpec] = {}
        self._made: dict[FormatPair, Any] = {}
        for spec in specs:
            held = self._specs.get(spec.format_pair)
            if held is None or spec.priority < held.priority:
                self._specs[spec.format_pair] = spec

    async def make_all(self) -> None:
        """Raises what their factories raise."""
        for pair, spec in self._specs.items():
            made = spec.adapter_factory()
            self._made[pair] = await made if inspect.isawaitable(made) else made

    def get(self, from_format: str, to_format: str) -> Any:
        """Raises `ValueError` where there is none."""
        found = self.get_if_exists(from_format, to_format)
        if found is None:
            raise ValueError(f"there is no adapter of formats from {from_format!r} to {to_format!r}")
        return found

    def get_if_exists(self, from_format: str, to_format: str) -> Any:
        pair = (from_format, to_format)
        if pair not in self._made and translates(*pair):
            self._made[pair] = Translator(*pair)
        return self._made.get(pair)

    def lacks(self, pairs: Iterable[FormatPair]) -> list[FormatPair]:
        return [pair for pair in pairs if pair not in self._specs and not translates(*pair)]

    def list_pairs(self) -> list[str]:
        """Of those that were declared."""
        return [f"{source}->{target}" for source, target in self._specs]
