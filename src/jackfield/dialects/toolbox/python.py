"""A toolbox plugin in Python, in this process: the guide's three forms of a plugin, and its life."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import partial
from types import ModuleType
from typing import Any, ClassVar, NamedTuple

from jackfield.dialects.toolbox.config import OwnConfig
from jackfield.dialects.toolbox.manifest import ToolboxManifest
from jackfield.sdk.plugin import Plugin
from jackfield.sdk.toolbox import PluginAPI, Shape

# Snake case is the language's, camel case the guide's.
_FACTORIES = ("default", "create_plugin", "createPlugin")
_LOAD = ("on_load", "onLoad")


class PythonCode(NamedTuple):
    manifest: ToolboxManifest
    module: ModuleType
    development: bool


class PythonToolbox(Plugin[OwnConfig]):
    """The host's side of one plugin; `code` is set on a class of its own for each."""

    code: ClassVar[PythonCode]
    _own: Any = None
    _enabled = False

    async def on_load(self) -> None:
        manifest, module, development = self.code
        api = PluginAPI(
            manifest.told(),
            self.id,
            self.services,
            self.config.values,
            self.log,
            permissions=tuple(manifest.permissions),
            development=development,
        )
        self._own = await _make(module, manifest)
        await self._run(_LOAD, api)

    async def on_enable(self) -> None:
        await self._run(("on_enable", "onEnable"))
        self._enabled = True

    async def on_disable(self) -> None:
        self._enabled = False
        await self._run(("on_disable", "onDisable"))

    async def on_unload(self) -> None:
        if self._enabled:
            await self.on_disable()
        await self._run(("on_unload", "onUnload"))

    async def _run(self, names: tuple[str, ...], *arguments: Any) -> None:
        if (found := _find(self._own, names)) is not None:
            await _settle(found(*arguments))


async def _make(module: ModuleType, manifest: ToolboxManifest) -> Any:
    """Raises `ValueError` where there is none of the three forms."""
    factory = _find(module, _FACTORIES)
    if factory is not None:
        made = await _settle(factory(Shape(manifest.told())))
    else:
        made = getattr(module, "plugin", None)
    if _find(made, _LOAD) is None:
        if factory is None:
            raise ValueError(f"Plugin {manifest.id} does not export a valid factory or plugin object")
        raise ValueError(f"Plugin {manifest.id}: the factory made {type(made).__name__} without an on_load")
    return made


def _find(owner: Any, names: tuple[str, ...]) -> Any:
    """The first of these that can be called."""
    given: Callable[[str], Any] = owner.get if isinstance(owner, dict) else partial(_attribute, owner)
    return next((found for found in map(given, names) if callable(found)), None)


def _attribute(owner: Any, name: str) -> Any:
    return getattr(owner, name, None)


async def _settle(answer: Any) -> Any:
    """Factories and hooks may be async or not."""
    return await answer if inspect.isawaitable(answer) else answer
