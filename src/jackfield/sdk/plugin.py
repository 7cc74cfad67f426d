"""The class that a native plugin is."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Generic, get_args, get_origin

import msgspec
import structlog
from pydantic import BaseModel, ConfigDict
from typing_extensions import TypeVar

from jackfield.sdk.hooks import HookSpec
from jackfield.sdk.services import NO_SERVICES, Services
from jackfield.sdk.sign_in import SignIn

_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


class PluginConfig(BaseModel):
    """The parent of a plugin's config model: closed, immutable, refused with the field's name where it is wrong."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Health(msgspec.Struct, frozen=True):
    """`ok=False` makes a plugin degraded; `detail` says why, for operators."""

    ok: bool = True
    detail: str = ""


C = TypeVar("C", bound=BaseModel, default=PluginConfig)


class Plugin(Generic[C]):
    """One plugin: subclass it, mark methods with `@hook`, and offer what else the SDK's protocols describe.

    `class Greeter(Plugin[GreeterConfig])` gives `self.config` that type. Keep `__init__` as it is; prepare in
    `on_load`.
    """

    id: str = ""
    version: str = "0.0.0"
    description: str = ""
    # What it asks for where it has no manifest.
    permissions: tuple[str, ...] = ()
    # How operators sign in to the providers that it knows.
    sign_ins: tuple[SignIn, ...] = ()
    # Tells what the gateway has counted of its hooks; nothing outside of one.
    counted: Callable[[], Mapping[str, Any]] = dict
    # Call it when its health changes while it runs: whether it is well, and for operators why not.
    report: Callable[[bool, str], None] = staticmethod(lambda ok, detail: None)

    def __init__(self, plugin_id: str, config: C, services: Services = NO_SERVICES) -> None:
        self.id = plugin_id
        self.config: C = config
        self.services = services
        self.log: Any = structlog.get_logger("plugin").bind(plugin=plugin_id)

    async def on_load(self) -> None:
        """Runs before the plugin sees its first exchange. Raising keeps the plugin out."""

    async def on_enable(self) -> None:
        """Runs whenever it begins to serve: after `on_load`, and again after it was disabled. Raising keeps the plugin
        out."""

    async def on_disable(self) -> None:
        """Runs whenever it no longer serves: when it was disabled, and before `on_unload`."""

    async def on_unload(self) -> None:
        """Runs after its last exchange. Cancel tasks and close what `on_load` opened."""

    async def health(self) -> Health:
        return Health()

    def hears(self, spec: HookSpec) -> bool:
        """Whether one of its hooks is to be called; asked once, after `on_enable`. A hook that only some configs need
        costs nothing under the others."""
        return True

    def diagnose(self) -> Mapping[str, Any]:
        """What operators are shown of the process that it runs in: nothing where it has none of its own. Must not
        wait."""
        return {}


def config_model(kind: type[Plugin[Any]]) -> type[BaseModel]:
    """The config model of a plugin class: the argument of the nearest `Plugin[...]` or generic child of it, or an empty
    closed model."""
    for parent in kind.__mro__:
        for base in getattr(parent, "__orig_bases__", ()):
            if issubclass(get_origin(base) or object, Plugin):
                for found in get_args(base):
                    if isinstance(found, type) and issubclass(found, BaseModel):
                        return found
    return PluginConfig


def id_of(kind: type[Plugin[Any]]) -> str:
    """The id a class gives itself: its `id`, or its name in snake case."""
    return kind.id or _CAMEL.sub("_", kind.__name__).lower()
