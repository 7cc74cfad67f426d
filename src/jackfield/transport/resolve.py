"""From host names to addresses."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Callable
from typing import Protocol


class Resolver(Protocol):
    async def resolve(self, host: str) -> tuple[str, ...]:
        """The host's IP addresses in order of preference; raises `OSError` where there is none."""


class SystemResolver:
    """The machine's own resolver, remembered for a short time. Failures are not remembered."""

    def __init__(
        self, *, ttl_s: float = 30, max_hosts: int = 1024, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._ttl_s = ttl_s
        self._max_hosts = max_hosts
        self._clock = clock
        self._known: dict[str, tuple[float, tuple[str, ...]]] = {}
        self._asking: dict[str, asyncio.Lock] = {}

    async def resolve(self, host: str) -> tuple[str, ...]:
        return self._recall(host) or await self._ask_once(host)

    def _recall(self, host: str) -> tuple[str, ...]:
        expires, addresses = self._known.get(host, (0.0, ()))
        return addresses if self._clock() < expires else ()

    async def _ask_once(self, host: str) -> tuple[str, ...]:
        """Those who ask for the same host at the same time wait for the first one's answer."""
        lock = self._asking.setdefault(host, asyncio.Lock())
        try:
            async with lock:
                return self._recall(host) or self._remember(host, await self._look_up(host))
        finally:
            if not lock.locked():
                self._asking.pop(host, None)

    async def _look_up(self, host: str) -> tuple[str, ...]:
        loop = asyncio.get_running_loop()
        found = await loop.getaddrinfo(host, None, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP)
        return tuple(dict.fromkeys(str(entry[4][0]) for entry in found))

    def _remember(self, host: str, addresses: tuple[str, ...]) -> tuple[str, ...]:
        self._known.pop(host, None)
        while len(self._known) >= self._max_hosts:
            del self._known[next(iter(self._known))]
        self._known[host] = (self._clock() + self._ttl_s, addresses)
        return addresses
