"""The modules that factory plugins import, under the names that their guide gives them."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib import import_module
from types import MappingProxyType, ModuleType
from typing import Any

TOP = "ccproxy"
_HERE = "jackfield.dialects.factory.names"
_DECLARED = (
    "AuthCommandSpec",
    "CliArgumentSpec",
    "CliCommandSpec",
    "FormatAdapterSpec",
    "FormatPair",
    "HookSpec",
    "MiddlewareLayer",
    "MiddlewareSpec",
    "PluginManifest",
    "RouteSpec",
    "RouterSpec",
    "TaskSpec",
)
_HOOKS = {
    "Hook": "events:Hook",
    "HookContext": "events:HookContext",
    "HookEvent": "events:HookEvent",
    "HookLayer": "events:HookLayer",
    "HookManager": "events:HookEmitter",
    "HookRegistry": "events:HookRegistry",
}
_RUNTIMES = {
    "AuthProviderPluginRuntime": "runtimes:AuthRuntime",
    "BasePluginRuntime": "runtimes:PluginRuntime",
    "PluginRuntimeProtocol": "runtimes:PluginRuntimeProtocol",
    "ProviderPluginRuntime": "runtimes:ProviderRuntime",
    "SystemPluginRuntime": "runtimes:SystemRuntime",
}
_FACTORIES = {
    "AuthProviderPluginFactory": "factories:AuthFactory",
    "BasePluginFactory": "factories:PluginFactory",
    "BaseProviderPluginFactory": "factories:ClassProviderFactory",
    "PluginFactory": "factories:PluginFactory",
    "PluginRegistry": "registries:PluginRegistry",
    "ProviderPluginFactory": "factories:ProviderFactory",
    "SystemPluginFactory": "factories:SystemFactory",
    "factory_type_name": "factories:type_name_of",
}
_DECLARATION = {name: f"declarations:{name}" for name in _DECLARED} | {"PluginContext": "context:PluginContext"}
_MODELS = {
    name: f"models:{name}" for name in ("AuthHealth", "CLIHealth", "ConfigHealth", "ProviderHealthDetails")
}  # fmt: skip
_INTERFACES = {
    name: f"models:{name}"
    for name in ("DetectionServiceProtocol", "ProfiledTokenManagerProtocol", "TokenManagerProtocol")
}
_LOGGING = {name: f"log:{name}" for name in ("get_logger", "get_plugin_logger", "info_allowed", "reduce_startup")}
_PLUGINS = {**_DECLARATION, **_RUNTIMES, **_FACTORIES}
_COMMANDS = {
    name: f"commands:{name}"
    for name in ("format_command_output", "generate_curl_command", "generate_curl_shell_script", "generate_xh_command")
}
_ROUTES = {
    name: f"routes:{name}"
    for name in ("ConditionalAuthDep", "HTTPClientDep", "HookManagerDep", "SettingsDep", "get_plugin_adapter")
}
_CONSTANTS = {
    name: f"formats:{name}"
    for name in (
        "FORMAT_ANTHROPIC_MESSAGES",
        "FORMAT_OPENAI_CHAT",
        "FORMAT_OPENAI_RESPONSES",
        "UPSTREAM_ENDPOINT_ANTHROPIC_MESSAGES",
        "UPSTREAM_ENDPOINT_OPENAI_CHAT_COMPLETIONS",
        "UPSTREAM_ENDPOINT_OPENAI_RESPONSES",
    )
}
_TASK = {"BaseScheduledTask": "tasks:ScheduledTask"}
_CONTAINER = {"ServiceContainer": "container:ServiceContainer"}
_ADAPTER = {"BaseHTTPAdapter": "models:HttpAdapter"}
_HEALTH = {"HealthCheckResult": "models:HealthCheckResult"}

# By module what stands in it, and for each name the module and the name that it has here.
OFFERED: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        "ccproxy.plugins": {**_PLUGINS, **_HOOKS},
        "ccproxy.core.plugins": _PLUGINS,
        "ccproxy.core.plugins.declaration": _DECLARATION,
        "ccproxy.core.plugins.factories": _FACTORIES,
        "ccproxy.core.plugins.runtime": _RUNTIMES,
        "ccproxy.core.plugins.interfaces": _INTERFACES,
        "ccproxy.core.plugins.models": _MODELS,
        "ccproxy.core.plugins.protocol": _HEALTH,
        "ccproxy.core.plugins.hooks": _HOOKS,
        "ccproxy.core.plugins.hooks.base": {name: _HOOKS[name] for name in ("Hook", "HookContext")},
        "ccproxy.core.plugins.hooks.events": {"HookEvent": _HOOKS["HookEvent"]},
        "ccproxy.core.plugins.hooks.layers": {"HookLayer": _HOOKS["HookLayer"]},
        "ccproxy.core.plugins.hooks.manager": {"HookManager": _HOOKS["HookManager"]},
        "ccproxy.core.plugins.hooks.registry": {"HookRegistry": _HOOKS["HookRegistry"]},
        "ccproxy.core.plugins.hooks.implementations": {"HTTPTracerHook": "tracing:HttpTracer"},
        "ccproxy.core.plugins.hooks.implementations.formatters": {
            "JSONFormatter": "tracing:JsonTrace",
            "RawHTTPFormatter": "tracing:RawTrace",
        },
        "ccproxy.core": {"__version__": "jackfield:__version__"},
        "ccproxy.models.provider": {
            name: f"mapping:{name}" for name in ("ModelCard", "ModelMappingRule", "ProviderConfig")
        },
        "ccproxy.utils.model_mapper": {"ModelMapper": "mapping:ModelMapper"},
        "ccproxy.core.logging": {**_LOGGING, "TraceBoundLogger": "log:PluginLogger"},
        "ccproxy.core.log_events": {},
        "ccproxy.core.request_context": {"RequestContext": "requests:RequestContext"},
        "ccproxy.core.async_task_manager": {"create_managed_task": "tasks:create_managed_task"},
        "ccproxy.core.system": {
            "get_xdg_cache_home": "folders:cache_home",
            "get_xdg_config_home": "folders:config_home",
        },
        "ccproxy.services.container": _CONTAINER,
        "ccproxy.services.adapters.base": {"BaseAdapter": "models:Adapter"},
        "ccproxy.services.adapters.http_adapter": _ADAPTER,
        "ccproxy.scheduler.tasks": _TASK,
        "ccproxy.utils.command_line": _COMMANDS,
        "ccproxy.api.dependencies": _ROUTES,
        "ccproxy.api.decorators": {"with_format_chain": "routes:with_format_chain"},
        "ccproxy.core.constants": _CONSTANTS,
        "ccproxy.auth.dependencies": {"ConditionalAuthDep": _ROUTES["ConditionalAuthDep"]},
    }
)


class _LogEvents(ModuleType):
    """Names of events in logs: each is its own name in small letters."""

    def __getattr__(self, name: str) -> str:
        if not name.isupper():
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")
        return name.lower()


class _Offered(ModuleType):
    """Made of others' parts, each of which is imported when it is asked for."""

    def __getattr__(self, name: str) -> Any:
        place = OFFERED.get(self.__name__, {}).get(name)
        if place is None:
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")
        module, _, own = place.partition(":")
        found = getattr(import_module("jackfield" if module == "jackfield" else f"{_HERE}.{module}"), own)
        self.__dict__[name] = found
        return found


def packages() -> frozenset[str]:
    """All modules, and what stands above them."""
    return _packages()


@cache
def _packages() -> frozenset[str]:
    parts = [name.split(".") for name in OFFERED]
    return frozenset(".".join(words[:depth]) for words in parts for depth in range(1, len(words) + 1))


def make_modules() -> dict[str, ModuleType]:
    """A tree of its own for one plugin, by name."""
    made: dict[str, ModuleType] = {}
    for name in sorted(_packages()):
        module = (_LogEvents if name == "ccproxy.core.log_events" else _Offered)(name)
        module.__dict__.update(__path__=[], __all__=sorted(OFFERED.get(name, {})))
        made[name] = module
        above, _, last = name.rpartition(".")
        if above:
            made[above].__dict__[last] = module
    return made
