"""From host names to addresses."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
import time
from collections.abc import Callable
from threading import Thread
from typing import Any, Protocol


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
        return _addresses(await loop.getaddrinfo(host, None, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP))

    def _remember(self, host: str, addresses: tuple[str, ...]) -> tuple[str, ...]:
        self._known.pop(host, None)
        while len(self._known) >= self._max_hosts:
            del self._known[next(iter(self._known))]
        self._known[host] = (self._clock() + self._ttl_s, addresses)
        return addresses


class ThreadedResolver(SystemResolver):
    """The same in threads of its own, for names that strangers choose: those that take their time keep neither others
    from looking up, nor the process from ending."""

    def __init__(self, *, most_threads: int = 32, ttl_s: float = 30) -> None:
        super().__init__(ttl_s=ttl_s)
        self._most_threads = most_threads
        self._threads = 0

    async def _look_up(self, host: str) -> tuple[str, ...]:
        """A look-up that nobody waits for any longer keeps its thread until the system gives up."""
        if self._threads >= self._most_threads:
            raise OSError(errno.EAGAIN, f"{self._threads} other names are being looked up")
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[tuple[str, ...]] = loop.create_future()
        Thread(target=self._run, args=(loop, host, answer), name="look-up", daemon=True).start()
        self._threads += 1
        return await answer

    def _run(self, loop: asyncio.AbstractEventLoop, host: str, answer: asyncio.Future[tuple[str, ...]]) -> None:
        tell: Callable[[Any], None]
        told: Any
        try:
            told = _addresses(socket.getaddrinfo(host, None, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP))
            tell = answer.set_result
        except Exception as error:  # noqa: BLE001 - whoever waits for the answer gets it
            told, tell = error, answer.set_exception
        # Nobody waits in a loop that is closed.
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(self._settle, answer, tell, told)

    def _settle(self, answer: asyncio.Future[tuple[str, ...]], tell: Callable[[Any], None], told: Any) -> None:
        self._threads -= 1
        if not answer.done():
            tell(told)


def _addresses(found: list[Any]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(str(entry[4][0]) for entry in found))
