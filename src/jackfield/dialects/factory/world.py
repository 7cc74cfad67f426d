"""What all factory plugins of a gateway share. The composition root makes one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from types import MappingProxyType, SimpleNamespace
from typing import Any, Protocol

from jackfield.clock import Clock, SystemClock
from jackfield.dialects.factory.names.declarations import PluginManifest
from jackfield.dialects.factory.names.events import HookContext
from jackfield.dialects.factory.names.registries import OAuthRegistry
from jackfield.dialects.factory.observers import EventCounts, Observers
from jackfield.sdk.sign_in import SignIn
from jackfield.settings import Settings


class Member(Protocol):
    @property
    def id(self) -> str: ...
    @property
    def declared(self) -> PluginManifest: ...
    @property
    def factory(self) -> Any: ...
    @property
    def runtime(self) -> Any: ...
    @property
    def observers(self) -> Observers: ...
    @property
    def sign_ins(self) -> tuple[SignIn, ...]: ...


def tell_settings(settings: Settings) -> dict[str, Any]:
    """What plugins may know of the gateway: where it listens, and how it was told to find plugins. No secret, and
    nothing of other plugins."""
    return {
        "server": {"host": settings.server.host, "port": settings.server.port, "workers": settings.server.workers},
        "logging": {"level": settings.logs.level, "format": settings.logs.format},
        "enable_plugins": True,
        "plugins_disable_local_discovery": settings.plugins.disable_local_discovery,
    }


class FactoryWorld:
    """`settings` is what plugins may know of the gateway (see `tell_settings`). `counts` are of all plugins' events."""

    def __init__(self, settings: Mapping[str, Any] = MappingProxyType({}), clock: Clock | None = None) -> None:
        self._clock = clock or SystemClock()
        self._settings = settings
        self._members: list[Member] = []
        self.counts = EventCounts()
        self.oauth = OAuthRegistry()

    def now(self) -> datetime:
        return datetime.fromtimestamp(self._clock.wall(), UTC)

    def settings(self) -> Any:
        """A copy for one plugin."""
        return _as_namespace(self._settings)

    def members(self) -> Iterator[Member]:
        return iter(tuple(self._members))

    def sign_in_of(self, name: str) -> str:
        """The sign-in of the plugin that is called so; else it is the name of one itself."""
        declared = (one.sign_ins for one in self._members if one.id == name)
        return next((sign_ins[0].name for sign_ins in declared if sign_ins), name)

    def join(self, member: Member) -> None:
        self._members.append(member)

    def leave(self, member: Member) -> None:
        self._members = [one for one in self._members if one is not member]

    async def emit(self, context: HookContext, fire_and_forget: bool) -> None:
        """What a plugin emits: to whoever subscribed to it, in all plugins, by priority where it waits for them."""
        if fire_and_forget:
            for member in self.members():
                member.observers.post(context)
            return
        ranked = [
            (priority, place, number, member.observers, hook)
            for place, member in enumerate(self.members())
            if member.observers.wants(context.event)
            for priority, number, hook in member.observers.registry.ranked(context.event)
        ]
        for _, _, _, observers, hook in sorted(ranked, key=lambda one: one[:3]):
            await observers.tell(hook, context)


def make_hook_failure(world: FactoryWorld) -> Callable[[HookContext], None]:
    """Tells all plugins of a plugin's failure."""

    def tell(context: HookContext) -> None:
        for member in world.members():
            member.observers.post(context)

    return tell


def _as_namespace(value: Any) -> Any:
    if isinstance(value, Mapping):
        return SimpleNamespace(**{str(key): _as_namespace(inner) for key, inner in value.items()})
    return value
