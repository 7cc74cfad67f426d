"""What all ring plugins of a gateway share. The composition root makes one."""

from __future__ import annotations

import marshal
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from types import MappingProxyType
from typing import Any, Protocol

from jackfield.clock import Clock, SystemClock
from jackfield.control.prices import PriceTable
from jackfield.dialects.rings.cache import ResponseCache
from jackfield.dialects.rings.counters import Counters
from jackfield.dialects.rings.endpoints import Breakers, Endpoint, Link
from jackfield.dialects.rings.names.plugin_engine import PluginState
from jackfield.dialects.rings.store import MemoryValues, RingStore, ScratchStore, Values
from jackfield.settings import Settings
from jackfield.wire.chat import Usage

Links = Callable[[], Iterable[Link]]
CopySettings = Callable[[], dict[str, Any]]


class Prices(Protocol):
    def cost_nanousd(self, provider: str, model: str, usage: Usage) -> int | None: ...


class LentState(PluginState):
    """`ctx.state` of one request. What one plugin does to the settings in it, no other request sees; they are copied
    where a plugin asks for them."""

    def __init__(self, cache: Any, metrics: Counters, settings: CopySettings, extra: dict[str, Any]) -> None:
        self.cache, self.metrics, self.extra = cache, metrics, extra
        self._copy_settings = settings
        self._config: dict[str, Any] | None = None

    @property
    def config(self) -> dict[str, Any]:
        if self._config is None:
            self._config = self._copy_settings()
        return self._config

    @config.setter
    def config(self, value: dict[str, Any]) -> None:
        self._config = value


class RingWorld:
    """`values` makes the store durable; `links` gives the upstreams of the newest snapshot, none before there is one;
    `settings` is what plugins may know of the gateway (see `tell_settings`)."""

    def __init__(
        self,
        values: Values | None = None,
        *,
        settings: Mapping[str, Any] = MappingProxyType({}),
        links: Links = tuple,
        prices: Prices | None = None,
        clock: Clock | None = None,
    ) -> None:
        self.clock = clock or SystemClock()
        # What plugins may know of the gateway, each time as a copy that is the asker's own.
        self.copy_settings: CopySettings = partial(marshal.loads, marshal.dumps(dict(settings)))
        self.links = links
        self.prices = prices or PriceTable.load()
        self.breakers = Breakers(links)
        self.store = RingStore(values or MemoryValues())
        self.cache, self.metrics = ResponseCache(self.clock), Counters()
        self._extra: dict[str, Any] = {"store": self.store}

    def state(self, *, cached: bool, synthetic: bool) -> PluginState:
        """What `ctx.state` is: without a cache where it could not answer, and with nothing that lasts for a synthetic
        exchange."""
        if synthetic:
            cache, store = ResponseCache(self.clock), ScratchStore(self.store)
            return LentState(cache, Counters(), self.copy_settings, {"store": store})
        return LentState(self.cache if cached else None, self.metrics, self.copy_settings, self._extra)

    def endpoints(self) -> list[Endpoint]:
        return [Endpoint(link) for link in self.links()]

    def endpoint(self, name: str) -> Endpoint | None:
        return next((Endpoint(link) for link in self.links() if link.name == name), None)

    def cost_usd(self, provider: str, model: str, usage: Usage) -> float | None:
        cost = self.prices.cost_nanousd(provider, model, usage)
        return None if cost is None else cost / 1e9

    async def aclose(self) -> None:
        """Makes durable what was written and not waited for."""
        await self.store.aclose()


def tell_settings(settings: Settings) -> dict[str, Any]:
    """The settings that plugins may see: no secret, no place where one is, and no other plugin's config."""
    hidden = {"api_key_env", "api_key_file", "headers", "options", "tls_ca_file"}
    return settings.model_dump(
        mode="json",
        exclude={
            "store": True,
            "secrets": True,
            "mcp": True,
            "plugins": {"config"},
            "upstreams": {"__all__": hidden},
        },
    )
