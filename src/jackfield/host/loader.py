"""Bringing one plugin to life. A boundary: whatever its code raises ends as that plugin's reason, and harms no
other."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType
from typing import Any, TypeVar

import msgspec
import structlog
from pydantic import BaseModel, RootModel, ValidationError
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaWarningKind

from jackfield.dialects.base import Blueprint, Dialect
from jackfield.errors import ConfigError, JackfieldError, ManifestError
from jackfield.hooks.deadline import Expired, OwnExit, finish_within
from jackfield.hooks.guard import PluginGuard
from jackfield.hooks.table import BoundHook
from jackfield.host.aside import run_aside
from jackfield.sdk.events import subscriptions_of
from jackfield.sdk.hooks import POINTS, HookSpec, Policy, hooks_of
from jackfield.sdk.plugin import Health, Plugin, config_model
from jackfield.sdk.scheduler import tasks_of
from jackfield.sdk.services import Services
from jackfield.sdk.tools import tools_of
from jackfield.settings import PluginConfig
from jackfield.sources.base import Found
from jackfield.telemetry.text import describe_error

LIFE_S = 10.0
RUNTIMES = MappingProxyType(
    {
        "inprocess": "the gateway's process (inprocess)",
        "isolated": "a process of its own (isolated)",
        "node": "a process of Node",
        "http": "a server of its own",
        "grpc": "a process or server that speaks gRPC",
    }
)
NO_CONFIG = PluginConfig()

log = structlog.get_logger("jackfield.host")
T = TypeVar("T")


class PluginBroke(Exception):
    """A plugin's own code raised; the text is for operators."""


async def read_blueprint(found: Found, dialects: Mapping[str, Dialect]) -> Blueprint:
    """Runs the plugin's code, in a thread of its own: it may take its time, and the gateway serves meanwhile. Raises
    `ManifestError`, or `PluginBroke` for what the code raised."""
    dialect = dialects.get(found.dialect)
    if dialect is None:
        raise ManifestError(f"no dialect is called {found.dialect!r}", file=found.place)
    return await run_own(partial(dialect.read, found))


async def run_own(call: Callable[[], T]) -> T:
    """Runs what is the plugin's own in a thread. Raises `PluginBroke`."""
    try:
        return await run_aside(partial(_run, call), LIFE_S)
    except TimeoutError as error:
        raise PluginBroke(f"its code did not load within {LIFE_S:g} s") from error


class Prepared(msgspec.Struct, frozen=True):
    """A plugin that is ready to start; `config` are its own settings as plain values, `ui_schema` the form of them."""

    instance: Plugin[Any]
    hooks: tuple[BoundHook, ...]
    config: dict[str, Any]
    ui_schema: Any


def prepare(
    blueprint: Blueprint, settings: PluginConfig, services: Services, guard: PluginGuard, priority: int
) -> Prepared:
    """All that can be done before it starts, and takes long enough to be done aside. Raises `ConfigError`, and
    `PluginBroke` where its config can be neither dumped nor described: nobody could list it then."""
    instance = configure(blueprint, settings, services)
    hooks = bind_hooks(instance, guard, settings, priority)
    config = _run(partial(instance.config.model_dump, mode="json"))
    form = blueprint.ui_schema if blueprint.ui_schema is not None else _run(partial(schema_of, blueprint.kind))
    return Prepared(instance, hooks, config, form)


class _SilentSchema(GenerateJsonSchema):
    """A default that JSON cannot hold is left out; that is the author's choice and no news for operators."""

    ignored_warning_kinds: set[JsonSchemaWarningKind] = {"skipped-choice", "non-serializable-default"}  # noqa: RUF012 - theirs


def schema_of(kind: type[Plugin[Any]]) -> dict[str, Any]:
    return config_model(kind).model_json_schema(schema_generator=_SilentSchema)


def configure(blueprint: Blueprint, config: PluginConfig, services: Services) -> Plugin[Any]:
    """The instance with its validated config and what it was granted. Raises `ConfigError` naming
    `plugins.config.<id>.<field>`."""
    plugin_id = blueprint.manifest.id
    if config.runtime not in (None, blueprint.runtime):
        raise ConfigError(
            f"there is no runtime {config.runtime!r}; this plugin runs in {RUNTIMES[blueprint.runtime]}",
            field=f"plugins.config.{plugin_id}.runtime",
            plugin=plugin_id,
        )
    own = _run(partial(read_config, config_model(blueprint.kind), plugin_id, config))
    instance: Plugin[Any] = _run(lambda: _make(blueprint.kind, plugin_id, own, services))
    return instance


def _make(kind: type[Plugin[Any]], plugin_id: str, own: BaseModel, services: Services) -> Plugin[Any]:
    """What it is called, configured with and granted is there also for a plugin whose own `__init__` does not pass it
    on."""
    instance: Any = kind(plugin_id, own)
    if not isinstance(instance, kind):
        raise TypeError(f"__new__ made {type(instance).__name__} and not {kind.__name__}")
    instance.id, instance.config, instance.services = plugin_id, own, services
    made: Plugin[Any] = instance
    return made


def read_config(model: type[BaseModel], plugin_id: str, config: PluginConfig) -> BaseModel:
    """The plugin's own part of its config, and of the host's what the model has a field for, such as `enabled`. Raises
    `ConfigError` naming `plugins.config.<id>.<field>`."""
    _warn_of_unused(model, plugin_id, config.own)
    told = {name: getattr(config, name) for name in config.model_fields_set & model.model_fields.keys()}
    try:
        return model.model_validate({**told, **config.own})
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(("plugins", "config", plugin_id, *(str(part) for part in first["loc"])))
        raise ConfigError(first["msg"], field=field, plugin=plugin_id) from error


def _warn_of_unused(model: type[BaseModel], plugin_id: str, own: Mapping[str, Any]) -> None:
    """Models that ignore what they do not know would ignore also what is spelled wrongly. A root model takes all."""
    if issubclass(model, RootModel) or model.model_config.get("extra", "ignore") != "ignore":
        return
    known = {name for key, field in model.model_fields.items() for name in (key, field.alias, field.validation_alias)}
    unused = sorted(own.keys() - known)
    if unused and all(isinstance(name, str | None) for name in known):
        log.warning("plugin_config_unused", plugin=plugin_id, fields=unused)


async def check_config(model: type[BaseModel], plugin_id: str, config: PluginConfig) -> dict[str, Any]:
    """As `read_config`, as plain values. Validators are the plugin's own code, so it may raise `PluginBroke` too."""
    return await run_own(lambda: read_config(model, plugin_id, config).model_dump(mode="json"))


class LifeStep(msgspec.Struct, frozen=True):
    """A step of a plugin's life, as it is reported while it keeps the loop."""

    plugin: str
    name: str


async def start(plugin: Plugin[Any], plugin_id: str) -> str | None:
    """Takes in the methods that are marked, runs `on_load` and `on_enable`; returns why it is degraded, if it is.
    Raises `PluginBroke`."""
    await within(LIFE_S, partial(enlist, plugin), LifeStep(plugin_id, "its marked methods"))
    await within(LIFE_S, plugin.on_load, LifeStep(plugin_id, "on_load"))
    try:
        return await enable(plugin, plugin_id)
    except BaseException:
        await unload(plugin, plugin_id)
        raise


async def enable(plugin: Plugin[Any], plugin_id: str) -> str | None:
    """Runs `on_enable` and `health` of one that is loaded. Raises `PluginBroke`; then it is as before."""
    await within(LIFE_S, plugin.on_enable, LifeStep(plugin_id, "on_enable"))
    try:
        health = await within(LIFE_S, plugin.health, LifeStep(plugin_id, "health"))
        if not isinstance(health, Health):
            raise PluginBroke(f"health: answered {type(health).__name__}, not Health")
    except BaseException:
        await disable(plugin, plugin_id)
        raise
    return None if health.ok else str(health.detail) or "its health check says so"


async def enlist(plugin: Plugin[Any]) -> None:
    """Raises `NotGranted`, and `ValueError` or `TypeError` for what is marked wrongly."""
    for spec, handler in tools_of(plugin):
        plugin.services.tools.register(spec, handler)
    for type_, handle in subscriptions_of(plugin):
        plugin.services.events.on(type_, handle)
    for name, when, timezone, run in tasks_of(plugin):
        await plugin.services.scheduler.schedule(name, when, run, timezone=timezone)


async def disable(plugin: Plugin[Any], plugin_id: str) -> None:
    await _end(plugin.on_disable, LifeStep(plugin_id, "on_disable"))


async def unload(plugin: Plugin[Any], plugin_id: str) -> None:
    """For one that is disabled, or never was enabled."""
    await _end(plugin.on_unload, LifeStep(plugin_id, "on_unload"))


async def stop(plugin: Plugin[Any], plugin_id: str) -> None:
    await disable(plugin, plugin_id)
    await unload(plugin, plugin_id)


async def _end(call: Callable[[], Any], step: LifeStep) -> None:
    """What cannot be undone goes on, whatever the plugin says to it."""
    try:
        await within(LIFE_S, call, step)
    except (PluginBroke, ConfigError) as error:
        log.warning("plugin_unload_failed", plugin=step.plugin, reason=str(error))


async def within(seconds: float, call: Callable[[], Any], step: LifeStep) -> Any:
    """Awaits a stranger with a deadline. Raises `PluginBroke`, and a `ConfigError` of its own."""
    try:
        coroutine = call()
        if not inspect.iscoroutine(coroutine):
            raise PluginBroke(f"{step.name}: must be `async def`")
        return await finish_within(step, coroutine, seconds)
    except (PluginBroke, ConfigError):
        raise
    except Expired as error:
        raise PluginBroke(f"{step.name} did not end within {seconds:g} s") from error
    except OwnExit as error:
        raise PluginBroke(f"{step.name}: {error}") from error
    except BaseException as error:
        if _is_ours(error):
            raise
        raise PluginBroke(f"{step.name}: {describe_error(error)}") from error


def _run(call: Callable[[], T]) -> T:
    """Runs a stranger's code that cannot wait, and so cannot be cancelled. An interrupt is its own too: those of the
    operator come to the event loop as signals."""
    try:
        return call()
    except (JackfieldError, PluginBroke):
        raise
    except BaseException as error:
        raise PluginBroke(describe_error(error)) from error


def _is_ours(error: BaseException) -> bool:
    """Whether this is an interruption of the gateway itself: a plugin's `sys.exit` is not."""
    task = asyncio.current_task()
    return isinstance(error, asyncio.CancelledError) and task is not None and task.cancelling() > 0


def bind_hooks(plugin: Plugin[Any], guard: PluginGuard, config: PluginConfig, priority: int) -> tuple[BoundHook, ...]:
    """The plugin's hooks with the operator's priority, deadline and policy over the author's.

    A policy that a point fixes stays as it is; raises `ConfigError` where that leaves the operator's word without any
    effect.
    """
    specs = _run(partial(hooks_of, type(plugin)))
    if config.on_failure is not None and not any(_may_be(config.on_failure, spec) for spec in specs):
        fixed = ", ".join(sorted({spec.point for spec in specs})) or "without hooks"
        raise ConfigError(
            f"has no effect on this plugin ({fixed})",
            field=f"plugins.config.{guard.plugin}.on_failure",
            plugin=guard.plugin,
        )
    plugin.counted = guard.stats.report
    return _run(lambda: tuple(_bind(plugin, spec, guard, config, priority) for spec in specs))


def _may_be(policy: Policy, spec: HookSpec) -> bool:
    return not spec.inner and (_is_free(spec) or POINTS[spec.point].policy == policy)


def _is_free(spec: HookSpec) -> bool:
    return spec.own_policy or POINTS[spec.point].policy is None


def _bind(plugin: Plugin[Any], spec: HookSpec, guard: PluginGuard, config: PluginConfig, priority: int) -> BoundHook:
    point = POINTS[spec.point]
    if spec.inner:
        config, guard = NO_CONFIG, guard.inner()
    policy = config.on_failure or spec.on_failure if _is_free(spec) else point.policy or spec.on_failure
    chosen = spec.priority if config.priority is None else config.priority
    return BoundHook(
        guard.plugin,
        spec,
        getattr(plugin, spec.name),
        guard,
        priority=priority if chosen is None else chosen,
        timeout_ms=config.timeout_ms or spec.timeout_ms or point.default_timeout_ms,
        closed=policy == "closed",
    )
