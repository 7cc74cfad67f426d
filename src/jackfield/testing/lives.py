"""The life of a plugin on trial: configured, started and stopped by the same steps as in the gateway."""

from __future__ import annotations

from typing import Any

from pydantic import ValidationError

from jackfield.dialects.base import Blueprint
from jackfield.errors import ConfigError, JackfieldError
from jackfield.hooks.guard import PluginGuard
from jackfield.hooks.table import BoundHook
from jackfield.host import loader
from jackfield.host.loader import PluginBroke
from jackfield.sdk.plugin import Plugin, config_model
from jackfield.sdk.services import Services
from jackfield.settings import PluginConfig

__all__ = ["Life", "PluginBroke"]


class Life:
    def __init__(self, blueprint: Blueprint, settings: PluginConfig, services: Services, guard: PluginGuard) -> None:
        """Raises `ConfigError` naming `plugins.config.<id>.<field>`, or `PluginBroke`."""
        self.plugin = _make(blueprint, settings, services)
        self.hooks: tuple[BoundHook, ...] = loader.bind_hooks(
            self.plugin, guard, settings, blueprint.manifest.priority
        )
        self._id = blueprint.manifest.id

    async def start(self) -> str | None:
        """Runs `on_load` and `health`; why it is degraded, if it is. Raises `PluginBroke`."""
        return await loader.start(self.plugin, self._id)

    async def stop(self) -> None:
        await loader.stop(self.plugin, self._id)


def _make(blueprint: Blueprint, settings: PluginConfig, services: Services) -> Plugin[Any]:
    plugin_id = blueprint.manifest.id
    try:
        config = config_model(blueprint.kind).model_validate(dict(settings.own))
        made: Plugin[Any] = blueprint.kind(plugin_id, config, services)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(("plugins", "config", plugin_id, *(str(part) for part in first["loc"])))
        raise ConfigError(first["msg"], field=field, plugin=plugin_id) from error
    except (JackfieldError, KeyboardInterrupt):
        raise
    except BaseException as error:
        raise PluginBroke(loader.describe(error)) from error
    return made
