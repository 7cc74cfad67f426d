"""What an isolated ring plugin has in common with other ring plugins: the guest's side."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from contextvars import Context
from typing import Any

import msgspec

from jackfield.clock import SystemClock
from jackfield.control.prices import BUILT_IN, PriceTable, read_prices
from jackfield.dialects.rings.cache import ResponseCache
from jackfield.dialects.rings.carried import Carried
from jackfield.dialects.rings.context import RingRequest
from jackfield.dialects.rings.world import RingWorld
from jackfield.errors import SessionDenied
from jackfield.guests.exchanges import GuestExchange
from jackfield.guests.faults import revive
from jackfield.guests.ring_share import LinkFacts, Shared
from jackfield.guests.services import Rpc
from jackfield.sdk.prices import Price

_read = msgspec.json.Decoder(Shared).decode
_write = msgspec.json.Encoder().encode


class Place:
    """Of an upstream."""

    def __init__(self, base_url: str) -> None:
        self.base_url = base_url


class Gauge:
    """Of an upstream's breaker, as it was when the exchange was sent."""

    def __init__(self, state: str) -> None:
        self.state = state


class ToldLink:
    """`Link`."""

    def __init__(self, facts: LinkFacts) -> None:
        self.name, self.models = facts.name, facts.models
        self.provider_id, self.priority = facts.provider_id, facts.priority
        self.seen, self.breaker = Place(facts.base_url), Gauge(facts.state)


class HostValues:
    """`Values`, at the host. What is written is written, also where the call that it came out of has ended."""

    def __init__(self, rpc: Rpc) -> None:
        self._rpc = rpc

    async def get(self, key: str, default: Any = None) -> Any:
        found = await _ask(self._rpc, "rings.get", {"key": key})
        return default if found is None else found["value"]

    async def set_many(self, items: Mapping[str, Any]) -> None:
        asked = _ask(self._rpc, "rings.set", {"items": dict(items)})
        await asyncio.create_task(asked, context=Context())


class HostCache(ResponseCache):
    """Of all ring plugins, at the host."""

    def __init__(self, rpc: Rpc) -> None:
        super().__init__(SystemClock())
        self._rpc = rpc
        self._keeping: set[asyncio.Task[Any]] = set()

    async def get(self, body: Mapping[str, Any], tenant_id: str = "") -> Any:
        return await _ask(self._rpc, "rings.find", {"key": self.make_key(body, tenant_id)})

    async def put(self, body: Mapping[str, Any], response: Any, tenant_id: str = "") -> None:
        await self._send(self.make_key(body, tenant_id), response)

    def keep(self, key: str, response: Any) -> None:
        task = asyncio.create_task(self._send(key, response), context=Context())
        self._keeping.add(task)
        task.add_done_callback(self._keeping.discard)

    async def _send(self, key: str, response: Any) -> None:
        json = response if isinstance(response, bytes) else _write(response)
        await _ask(self._rpc, "rings.keep", {"key": key, "response": json})


async def _ask(rpc: Rpc, method: str, params: Any) -> Any:
    try:
        return await rpc.call(method, params)
    except SessionDenied as denied:
        raise revive(denied, "") from None


class GuestWorld(RingWorld):
    """The links are those of the exchange that was sent last."""

    def __init__(self, arguments: Mapping[str, Any], rpc: Rpc) -> None:
        self._told: tuple[ToldLink, ...] = ()
        self._facts: tuple[LinkFacts, ...] = ()
        prices = make_prices(arguments.get("prices", ()))
        super().__init__(HostValues(rpc), settings=arguments.get("settings", {}), links=self._tell, prices=prices)
        self.cache = HostCache(rpc)

    def _tell(self) -> tuple[ToldLink, ...]:
        return self._told

    def receive(self, exchange: GuestExchange, data: bytes) -> None:
        """What is shared, before a call."""
        shared = _read(data)
        if shared.links != self._facts:
            self._facts, self._told = shared.links, tuple(map(ToldLink, shared.links))
        exchange.local.setdefault(RingRequest, RingRequest()).carried = shared.carried

    def send(self, exchange: GuestExchange) -> bytes:
        """What is shared, after it."""
        return _write(exchange.local[RingRequest].carry() or Carried())


def make_prices(shelves: Sequence[Any]) -> PriceTable:
    """The operator's prices over the built-in ones."""
    return PriceTable([*(msgspec.convert(shelf, list[Price]) for shelf in shelves), read_prices(BUILT_IN)])
