"""The life of a plugin on trial: configured, started and stopped by the same steps as in the gateway."""

from __future__ import annotations

from jackfield.dialects.base import Blueprint
from jackfield.hooks.guard import PluginGuard
from jackfield.hooks.table import BoundHook
from jackfield.host import loader
from jackfield.host.plugin import hears
from jackfield.sdk.services import Services
from jackfield.settings import PluginConfig


class Life:
    def __init__(self, blueprint: Blueprint, settings: PluginConfig, services: Services, guard: PluginGuard) -> None:
        """Raises `ConfigError` naming `plugins.config.<id>.<field>`, or `PluginBroke`."""
        self.plugin = loader.configure(blueprint, settings, services)
        self._id = blueprint.manifest.id
        self.hooks: tuple[BoundHook, ...] = loader.bind_hooks(self.plugin, guard, settings, blueprint.manifest.priority)

    async def start(self) -> str | None:
        """Runs `on_load` and `health`; why it is degraded, if it is. Raises `PluginBroke`."""
        degraded = await loader.start(self.plugin, self._id)
        self.hooks = tuple(hook for hook in self.hooks if hears(self.plugin, hook))
        return degraded

    async def stop(self) -> None:
        await loader.stop(self.plugin, self._id)
