"""Bringing one plugin to life. A boundary: whatever its code raises ends as that plugin's reason, and harms no
other."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any, TypeVar

import structlog
from pydantic import ValidationError

from jackfield.dialects.base import Blueprint, Dialect
from jackfield.errors import ConfigError, JackfieldError, ManifestError
from jackfield.hooks.guard import PluginGuard
from jackfield.hooks.table import BoundHook
from jackfield.sdk.hooks import POINTS, HookSpec, hooks_of
from jackfield.sdk.plugin import Plugin, config_model
from jackfield.settings import PluginConfig
from jackfield.sources.base import Found

LIFE_S = 10.0
NO_CONFIG = PluginConfig()

log = structlog.get_logger("jackfield.host")
T = TypeVar("T")


class PluginBroke(Exception):
    """A plugin's own code raised; the text is for operators."""


def read_blueprint(found: Found, dialects: tuple[Dialect, ...]) -> Blueprint:
    """Runs the plugin's module. Raises `ManifestError`, or `PluginBroke` for what the module raised."""
    loaded = _run(found.load)
    for dialect in dialects:
        blueprint = _run(partial(dialect.read, found, loaded))
        if blueprint is not None:
            return blueprint
    raise ManifestError("no dialect knows this kind of plugin", file=found.place)


def configure(blueprint: Blueprint, config: PluginConfig) -> Plugin[Any]:
    """The instance with its validated config. Raises `ConfigError` naming `plugins.config.<id>.<field>`."""
    plugin_id = blueprint.manifest.id
    try:
        own = config_model(blueprint.kind).model_validate(dict(config.own))
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(("plugins", "config", plugin_id, *(str(part) for part in first["loc"])))
        raise ConfigError(first["msg"], field=field, plugin=plugin_id) from error
    instance: Plugin[Any] = _run(lambda: blueprint.kind(plugin_id, own))
    return instance


async def start(plugin: Plugin[Any]) -> str | None:
    """Runs `on_load` and `health`; returns why it is degraded, if it is. Raises `PluginBroke`."""
    await within(LIFE_S, plugin.on_load, "on_load")
    health = await within(LIFE_S, plugin.health, "health")
    return None if health.ok else health.detail or "its health check says so"


async def stop(plugin: Plugin[Any]) -> None:
    try:
        await within(LIFE_S, plugin.on_unload, "on_unload")
    except PluginBroke as error:
        log.warning("plugin_unload_failed", plugin=plugin.id, reason=str(error))


async def within(seconds: float, call: Callable[[], Awaitable[T]], name: str) -> T:
    """Awaits a stranger with a deadline. Raises `PluginBroke`."""
    try:
        async with asyncio.timeout(seconds):
            return await call()
    except TimeoutError as error:
        raise PluginBroke(f"{name} did not end within {seconds:g} s") from error
    except BaseException as error:
        if _is_ours(error):
            raise
        raise PluginBroke(f"{name}: {type(error).__name__}: {error}") from error


def _run(call: Callable[[], T]) -> T:
    try:
        return call()
    except JackfieldError:
        raise
    except BaseException as error:
        if _is_ours(error):
            raise
        raise PluginBroke(f"{type(error).__name__}: {error}") from error


def _is_ours(error: BaseException) -> bool:
    """Whether this is an interruption of the gateway itself: a plugin's `sys.exit` is not."""
    return isinstance(error, asyncio.CancelledError | KeyboardInterrupt | GeneratorExit)


def bind_hooks(plugin: Plugin[Any], guard: PluginGuard, config: PluginConfig, priority: int) -> tuple[BoundHook, ...]:
    """The plugin's hooks with the operator's priority, deadline and policy over the author's.

    Raises `ConfigError` where the operator asks for a policy that a point does not allow.
    """
    return tuple(_bind(plugin, spec, guard, config, priority) for spec in hooks_of(type(plugin)))


def _bind(plugin: Plugin[Any], spec: HookSpec, guard: PluginGuard, config: PluginConfig, priority: int) -> BoundHook:
    point = POINTS[spec.point]
    policy = config.on_failure or spec.on_failure
    if point.policy is not None:
        policy = point.policy
    chosen = config.priority if config.priority is not None else spec.priority
    return BoundHook(
        plugin.id,
        spec,
        getattr(plugin, spec.name),
        guard,
        priority=priority if chosen is None else chosen,
        timeout_ms=config.timeout_ms or spec.timeout_ms or point.default_timeout_ms,
        closed=policy == "closed",
    )


def config_of(configs: Mapping[str, PluginConfig], plugin_id: str) -> PluginConfig:
    return configs.get(plugin_id, NO_CONFIG)
