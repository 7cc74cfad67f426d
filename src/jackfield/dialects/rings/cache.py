"""`ctx.state.cache`: whole completions, each for the tenant that asked for it."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

import msgspec

from jackfield.clock import Clock

TTL_S = 3600.0
MOST_ENTRIES = 2_000
MOST_BYTES = 32 * 1024 * 1024
# What changes how an answer is sent and not what it says.
_DELIVERY = frozenset({"stream", "stream_options", "headers"})

_encode = msgspec.json.Encoder(order="sorted").encode
_decode = msgspec.json.decode


class ResponseCache:
    """In memory, bounded; the entry that was used longest ago goes first. `_enabled` is what plugins ask for."""

    def __init__(self, clock: Clock, *, ttl_s: float = TTL_S) -> None:
        self._enabled = True
        self._clock, self._ttl_s = clock, ttl_s
        self._entries: OrderedDict[str, tuple[float, bytes]] = OrderedDict()
        self._size = 0

    def make_key(self, body: Mapping[str, Any], tenant_id: str = "") -> str:
        """Everything that an answer depends on is part of it: two bodies that differ in any field do not share one."""
        asked = {name: value for name, value in body.items() if name not in _DELIVERY and name[:1] != "_"}
        return hashlib.sha256(_encode([tenant_id, asked])).hexdigest()

    async def get(self, body: Mapping[str, Any], tenant_id: str = "") -> Any:
        """The completion that is kept for this body, or `None`."""
        return self.find(self.make_key(body, tenant_id))

    async def put(self, body: Mapping[str, Any], response: Any, tenant_id: str = "") -> None:
        self.keep(self.make_key(body, tenant_id), response)

    def find(self, key: str) -> Any:
        entry = self._entries.get(key)
        if entry is None:
            return None
        if entry[0] <= self._clock.monotonic():
            self._drop(key)
            return None
        self._entries.move_to_end(key)
        return _decode(entry[1])

    def keep(self, key: str, response: Any) -> None:
        json = response if isinstance(response, bytes) else _encode(response)
        if len(json) > MOST_BYTES // 8:
            return
        if key in self._entries:
            self._drop(key)
        self._entries[key] = (self._clock.monotonic() + self._ttl_s, json)
        self._size += len(json)
        while len(self._entries) > MOST_ENTRIES or self._size > MOST_BYTES:
            self._drop(next(iter(self._entries)))

    def __len__(self) -> int:
        return len(self._entries)

    def _drop(self, key: str) -> None:
        self._size -= len(self._entries.pop(key)[1])
