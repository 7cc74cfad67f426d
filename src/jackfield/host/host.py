"""Finds, loads, starts and stops plugins, and holds the snapshot that new requests run against."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Any

import structlog

from jackfield.clock import Clock
from jackfield.dialects.base import Blueprint, Dialect
from jackfield.errors import JackfieldError
from jackfield.hooks.guard import PluginGuard
from jackfield.hooks.table import BoundHook, HookTable
from jackfield.host import loader
from jackfield.host.routes import Routes
from jackfield.host.snapshot import LoadedPlugin, Snapshot
from jackfield.sdk.plugin import Plugin
from jackfield.settings import PluginConfig
from jackfield.sources.base import Found, Source

log = structlog.get_logger("jackfield.host")

RouteMaker = Callable[[Mapping[str, Plugin[Any]], frozenset[str]], Routes]


class Host:
    """`make_routes` turns the running plugins, by id, and the ids of those that do not run into a snapshot's routes."""

    def __init__(
        self,
        sources: Iterable[Source],
        dialects: tuple[Dialect, ...],
        configs: Mapping[str, PluginConfig],
        make_routes: RouteMaker,
        clock: Clock,
    ) -> None:
        self._clock = clock
        self._sources, self._dialects, self._configs = tuple(sources), dialects, configs
        self._make_routes = make_routes
        self._guards: dict[str, PluginGuard] = {}
        self._snapshot: Snapshot | None = None

    @property
    def snapshot(self) -> Snapshot:
        assert self._snapshot is not None, "the host has not started"
        return self._snapshot

    async def start(self) -> Snapshot:
        """Loads everything there is. Raises `ConfigError` for what concerns the gateway as a whole; a plugin's own
        trouble only makes it `failed`."""
        plugins: dict[str, LoadedPlugin] = {}
        hooks: list[BoundHook] = []
        try:
            for found in self._found():
                plugin, blueprint = self._discover(found, plugins)
                if blueprint is not None:
                    hooks += await self._enliven(plugin, blueprint)
            self._warn_of_strangers(plugins)
            self._snapshot = self._build(plugins, hooks)
        except BaseException:
            await _stop(plugins.values())
            raise
        return self._snapshot

    async def stop(self) -> None:
        if self._snapshot is not None:
            await _stop(self._snapshot.plugins.values())

    def _found(self) -> list[Found]:
        return [found for source in self._sources for found in source.find()]

    def _warn_of_strangers(self, plugins: Mapping[str, LoadedPlugin]) -> None:
        for name in self._configs:
            if name not in plugins:
                close = difflib.get_close_matches(name, plugins, n=1)
                log.warning(
                    "config_without_plugin", section=f"plugins.config.{name}", nearest=close[0] if close else None
                )

    def _build(self, plugins: dict[str, LoadedPlugin], hooks: list[BoundHook]) -> Snapshot:
        absent = frozenset(plugin.id for plugin in plugins.values() if plugin.instance is None)
        running = {plugin.id: plugin.instance for plugin in plugins.values() if plugin.instance is not None}
        return Snapshot(
            generation=1,
            plugins=MappingProxyType(plugins),
            table=HookTable(hooks),
            routes=self._make_routes(running, absent),
        )

    def _discover(self, found: Found, plugins: dict[str, LoadedPlugin]) -> tuple[LoadedPlugin, Blueprint | None]:
        """Reads one plugin. The first source that has an id keeps it; a later one is listed as failed beside it."""
        name = loader.stated_id(found)
        if name not in plugins and loader.config_of(self._configs, name).enabled is False:
            plugin = self._known(name, found, "unknown", plugins)
            plugin.move("disabled")
            return plugin, None
        try:
            blueprint = loader.read_blueprint(found, self._dialects)
        except (JackfieldError, loader.PluginBroke) as error:
            return self._failed(found, _spare_name(found, found.name, plugins), str(error), plugins), None
        plugin_id = blueprint.manifest.id
        if (first := plugins.get(plugin_id)) is not None:
            reason = f"id {plugin_id!r} is taken by {first.place} ({first.source})"
            return self._failed(found, _spare_name(found, plugin_id, plugins), reason, plugins), None
        plugin = self._known(plugin_id, found, blueprint.dialect, plugins)
        plugin.version, plugin.priority = blueprint.manifest.version, blueprint.manifest.priority
        if loader.config_of(self._configs, plugin_id).enabled is False:
            plugin.move("disabled")
            plugin.forget()
            return plugin, None
        return plugin, blueprint

    def _known(self, plugin_id: str, found: Found, dialect: str, plugins: dict[str, LoadedPlugin]) -> LoadedPlugin:
        guard = self._guards.setdefault(plugin_id, PluginGuard(plugin_id, self._clock))
        plugins[plugin_id] = LoadedPlugin(plugin_id, found, dialect, guard)
        return plugins[plugin_id]

    def _failed(self, found: Found, plugin_id: str, reason: str, plugins: dict[str, LoadedPlugin]) -> LoadedPlugin:
        plugin = self._known(plugin_id, found, "unknown", plugins)
        _fail(plugin, reason)
        return plugin

    async def _enliven(self, plugin: LoadedPlugin, blueprint: Blueprint) -> tuple[BoundHook, ...]:
        """Configures and starts one plugin; its hooks, or none where it failed."""
        config = loader.config_of(self._configs, plugin.id)
        plugin.move("loading")
        try:
            instance = loader.configure(blueprint, config)
            hooks = loader.bind_hooks(instance, plugin.guard, config, plugin.priority)
            degraded = await loader.start(instance, plugin.id)
        except (JackfieldError, loader.PluginBroke) as error:
            _fail(plugin, str(error))
            return ()
        plugin.instance = instance
        plugin.move("degraded" if degraded else "active", degraded)
        log.info(f"Plugin loaded: {plugin.id}", version=plugin.version, source=plugin.source, hooks=len(hooks))
        return hooks


def _spare_name(found: Found, name: str, plugins: Mapping[str, LoadedPlugin]) -> str:
    """A name to list it under that is nobody else's."""
    return f"{name}@{found.source}:{found.place}" if name in plugins else name


def _fail(plugin: LoadedPlugin, reason: str) -> None:
    plugin.move("failed", reason)
    plugin.forget()
    log.error("plugin_failed", plugin=plugin.id, place=plugin.place, reason=reason)


async def _stop(plugins: Iterable[LoadedPlugin]) -> None:
    """Unloads what runs, last started first."""
    for plugin in reversed(list(plugins)):
        if plugin.instance is not None:
            plugin.move("draining")
            await loader.stop(plugin.instance, plugin.id)
            plugin.instance = None
            plugin.forget()
            plugin.move("unloaded")
