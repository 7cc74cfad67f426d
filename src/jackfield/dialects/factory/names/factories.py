"""The factories that plugins export."""

from __future__ import annotations

import inspect
import sys
from typing import Any, ClassVar

from jackfield.dialects.factory.names.context import PluginContext
from jackfield.dialects.factory.names.declarations import PluginManifest, RouterSpec, RouteSpec
from jackfield.dialects.factory.names.runtimes import AuthRuntime, PluginRuntime, ProviderRuntime, SystemRuntime

__all__ = ["AuthFactory", "ClassProviderFactory", "PluginFactory", "ProviderFactory", "SystemFactory", "type_name_of"]

_PLAIN = (PluginRuntime, SystemRuntime, ProviderRuntime, AuthRuntime)


class PluginFactory:
    """`runtime_class` is what `create_runtime` makes; without one it is the only fitting runtime of the factory's
    module."""

    runtime_class: ClassVar[type[PluginRuntime] | None] = None
    runtime_kind: ClassVar[type[PluginRuntime]] = PluginRuntime
    cli_safe = False

    def __init__(self, manifest: PluginManifest) -> None:
        if not isinstance(manifest, PluginManifest):
            raise TypeError(f"{type(self).__name__}: expected a PluginManifest, not {type(manifest).__name__}")
        self.manifest = manifest

    def get_manifest(self) -> PluginManifest:
        return self.manifest

    def create_runtime(self) -> Any:
        """Raises `TypeError` where nobody says which of several it is."""
        return (self.runtime_class or self._only_runtime())(self.manifest)

    def create_context(self, core_services: Any) -> PluginContext:
        """All that the host has for the plugin. Override it to add to that, or to change what the manifest declares."""
        context: PluginContext = core_services.make_context()
        return context

    def _only_runtime(self) -> type[PluginRuntime]:
        module = sys.modules.get(type(self).__module__)
        found = [
            kind
            for kind in vars(module or self).values()
            if inspect.isclass(kind) and issubclass(kind, self.runtime_kind) and kind not in _PLAIN
        ]
        if len(set(found)) > 1:
            names = ", ".join(sorted(kind.__name__ for kind in set(found)))
            raise TypeError(f"{type(self).__name__}: there are several runtimes ({names}): write create_runtime")
        return found[0] if found else self.runtime_kind


class SystemFactory(PluginFactory):
    runtime_kind = SystemRuntime

    def __init__(self, manifest: PluginManifest) -> None:
        super().__init__(manifest)
        _check(self, "is_provider=False", not manifest.is_provider)


class ProviderFactory(PluginFactory):
    """What it makes for the context may be made by a coroutine function, too."""

    runtime_kind = ProviderRuntime

    def __init__(self, manifest: PluginManifest) -> None:
        super().__init__(manifest)
        _check(self, "is_provider=True", manifest.is_provider)

    def create_adapter(self, context: PluginContext) -> Any:
        return None

    def create_detection_service(self, context: PluginContext) -> Any:
        return None

    def create_credentials_manager(self, context: PluginContext) -> Any:
        return None


class AuthFactory(PluginFactory):
    runtime_kind = AuthRuntime

    def __init__(self, manifest: PluginManifest) -> None:
        super().__init__(manifest)
        _check(self, "is_provider=True", manifest.is_provider)

    def create_auth_provider(self, context: PluginContext | None = None) -> Any:
        return None

    def create_token_manager(self) -> Any:
        return None

    def create_storage(self) -> Any:
        return None


class ClassProviderFactory(ProviderFactory):
    """A provider that is declared by class attributes."""

    plugin_name: ClassVar[str]
    plugin_description: ClassVar[str]
    plugin_version: ClassVar[str] = "1.0.0"
    adapter_class: ClassVar[type[Any]]
    config_class: ClassVar[type[Any]]
    detection_service_class: ClassVar[type[Any] | None] = None
    credentials_manager_class: ClassVar[type[Any] | None] = None
    auth_manager_name: ClassVar[str | None] = None
    tool_accumulator_class: ClassVar[type[Any] | None] = None
    routers: ClassVar[list[RouterSpec]] = []
    dependencies: ClassVar[list[str]] = []
    optional_requires: ClassVar[list[str]] = []
    tasks: ClassVar[list[Any]] = []
    format_adapters: ClassVar[list[Any]] = []
    requires_format_adapters: ClassVar[list[Any]] = []
    cli_commands: ClassVar[list[Any]] = []
    cli_arguments: ClassVar[list[Any]] = []
    use_mock_adapter_in_bypass_mode: ClassVar[bool] = True

    def __init__(self) -> None:
        for name in ("plugin_name", "plugin_description", "runtime_class", "adapter_class", "config_class"):
            if getattr(self, name, None) is None:
                raise ValueError(f"{type(self).__name__}: {name} is missing")
        if not issubclass(self.runtime_class or object, ProviderRuntime):
            raise TypeError(f"{type(self).__name__}: runtime_class is no ProviderPluginRuntime")
        super().__init__(self._declare())

    def _declare(self) -> PluginManifest:
        return PluginManifest(
            name=self.plugin_name,
            version=self.plugin_version,
            description=self.plugin_description,
            is_provider=True,
            config_class=self.config_class,
            tool_accumulator_class=self.tool_accumulator_class,
            routes=[_route_of(spec) for spec in self.routers],
            cli_commands=list(self.cli_commands),
            cli_arguments=list(self.cli_arguments),
            dependencies=list(self.dependencies),
            optional_requires=list(self.optional_requires),
            tasks=list(self.tasks),
            format_adapters=list(self.format_adapters),
            requires_format_adapters=list(self.requires_format_adapters),
        )

    def create_detection_service(self, context: PluginContext) -> Any:
        return None if self.detection_service_class is None else _make(self.detection_service_class, context)

    def create_credentials_manager(self, context: PluginContext) -> Any:
        return None if self.credentials_manager_class is None else _make(self.credentials_manager_class, context)

    def create_adapter(self, context: PluginContext) -> Any:
        return _make(self.adapter_class, context)


def _route_of(spec: RouterSpec) -> RouteSpec:
    router = spec.router if hasattr(spec.router, "routes") else spec.router()
    return RouteSpec(router, spec.prefix, spec.tags, spec.dependencies)


def _make(kind: type[Any], context: PluginContext) -> Any:
    """With what of the context its constructor names."""
    parameters = inspect.signature(kind).parameters
    given = {"context": context, "auth_manager": context.get("credentials_manager"), **vars(context)}
    if any(one.kind is inspect.Parameter.VAR_KEYWORD for one in parameters.values()):
        return kind(**given)
    return kind(**{name: given[name] for name in parameters if name in given})


def _check(factory: PluginFactory, wanted: str, holds: bool) -> None:
    if not holds:
        raise ValueError(f"{type(factory).__name__}: the manifest of {factory.manifest.name!r} must say {wanted}")


def type_name_of(factory: Any) -> str:
    """`auth_provider`, `provider`, `system` or, for what is none of these, `plugin`."""
    kinds = ((AuthFactory, "auth_provider"), (ProviderFactory, "provider"), (SystemFactory, "system"))
    return next((name for kind, name in kinds if isinstance(factory, kind)), "plugin")
