"""What an isolated ring plugin has in common with other ring plugins: the host's side.

What they keep, and the response cache, are the gateway's; what they share in one exchange goes along with it. A plugin
that may not answer a request itself may not do so by the cache either, and what the gateway says of a caller no guest
changes for others.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import msgspec

from jackfield.dialects.rings.carried import Carried
from jackfield.dialects.rings.context import RingRequest
from jackfield.dialects.rings.endpoints import Link
from jackfield.dialects.rings.world import RingWorld
from jackfield.sdk.context import Exchange
from jackfield.sdk.hooks import PointName

LARGEST_CARRIED = 1024 * 1024
LARGEST_VALUE = 1024 * 1024
MOST_KEYS, LONGEST_KEY = 10_000, 512
_ANSWERING: frozenset[PointName] = frozenset({"ingress", "pre_flight", "routing"})
# What decides where an answer is kept.
_OF_CACHE = frozenset({"_cache_key", "_cache_status"})


class LinkFacts(msgspec.Struct, frozen=True):
    """`Link`, as far as ring plugins are told of one."""

    name: str
    base_url: str
    models: dict[str, str]
    provider_id: str
    priority: int
    state: str

    @classmethod
    def of(cls, link: Link) -> LinkFacts:
        models = dict(link.models)
        return cls(link.name, link.seen.base_url, models, link.provider_id, link.priority, link.breaker.state)


class Shared(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    carried: Carried | None = None
    links: tuple[LinkFacts, ...] = ()


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Carried).decode


class RingShare:
    """Of one plugin, whose hook is at `point`."""

    def __init__(self, world: RingWorld, point: PointName) -> None:
        self._world, self._answers = world, point in _ANSWERING
        self._keys: set[str] = set()

    def write(self, exchange: Exchange) -> bytes:
        links = tuple(map(LinkFacts.of, self._world.links()))
        return _encode(Shared(carried=exchange.local(RingRequest).carry(), links=links))

    def read(self, exchange: Exchange, data: bytes) -> None:
        """What the guest left. Raises `ValueError`."""
        if len(data) > LARGEST_CARRIED:
            raise ValueError(f"it leaves {len(data):,} bytes for other plugins, of at most {LARGEST_CARRIED:,}")
        try:
            left = _decode(data)
        except (msgspec.DecodeError, RecursionError) as error:
            raise ValueError(f"what it leaves for other plugins is not understood: {error}") from error
        shared = exchange.local(RingRequest)
        if not self._answers:
            before = shared.carry() or Carried()
            left = msgspec.structs.replace(left, metadata=_with_cache_of(before.metadata, left.metadata))
        shared.carried = left

    async def answer(self, method: str, params: Any) -> Any:
        """Raises `ValueError`, and what the store raises."""
        given = params if isinstance(params, Mapping) else {}
        if method == "rings.get":
            found = await self._world.store.get_state(_key(given.get("key")), None)
            return None if found is None else {"value": found}
        if method == "rings.set":
            return await self._write(given.get("items"))
        if method == "rings.find":
            return self._world.cache.find(_key(given.get("key")))
        if method == "rings.keep":
            return self._keep(_key(given.get("key")), given.get("response"))
        raise ValueError(f"there is no service {method!r:.100}")

    async def _write(self, items: Any) -> None:
        if not isinstance(items, Mapping):
            raise ValueError("rings.set: values by key are written")
        for key, value in items.items():
            if len(_encode(value)) > LARGEST_VALUE:
                raise ValueError(f"the value of {_key(key)!r:.100} has more than {LARGEST_VALUE:,} bytes")
            if key not in self._keys and len(self._keys) >= MOST_KEYS:
                raise ValueError(f"{MOST_KEYS:,} keys were written already")
            self._keys.add(key)
        await asyncio.gather(*(self._world.store.set_state(key, value) for key, value in items.items()))

    def _keep(self, key: str, response: Any) -> None:
        if not self._answers:
            raise ValueError("only a plugin that may answer requests keeps answers for them")
        self._world.cache.keep(key, response)


def _with_cache_of(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, Any]:
    kept = {name: value for name, value in after.items() if name not in _OF_CACHE}
    return kept | {name: before[name] for name in _OF_CACHE if name in before}


def _key(key: Any) -> str:
    if not isinstance(key, str) or len(key) > LONGEST_KEY:
        raise ValueError(f"a key is text of at most {LONGEST_KEY} characters, not {key!r:.100}")
    return key
