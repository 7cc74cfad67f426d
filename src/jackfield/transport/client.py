"""The HTTP client: one send, one answer."""

from __future__ import annotations

import asyncio
import ssl
from typing import NamedTuple

from jackfield.errors import ConnectFailed, UpstreamTimeout
from jackfield.transport.check import EgressPolicy
from jackfield.transport.connect import Connector, Progress
from jackfield.transport.connection import Connection
from jackfield.transport.head import encode_head
from jackfield.transport.messages import Deadlines, Limits, OutgoingRequest
from jackfield.transport.origin import Origin, Target, parse_target
from jackfield.transport.pool import Pool
from jackfield.transport.resolve import Resolver, SystemResolver
from jackfield.transport.response import UpstreamResponse
from jackfield.transport.sweep import Sweeper

_MAX_TARGETS = 1024
_MAX_KEPT_URL = 2048
_CLOSE_S = 2.0
_NEVER = float("inf")


class Stats(NamedTuple):
    open: int
    """Sockets connected now, and of these `idle` wait for a request."""
    idle: int
    opening: int
    """Calls that look up, connect or wait in a queue; of these `queued` wait."""
    queued: int
    origins: int
    created: int
    """Since the start, as all that follow."""
    reused: int
    retried_stale: int


class HttpClient:
    """Belongs to the event loop of its first `send`. Redirects are answers like any other."""

    def __init__(
        self,
        *,
        policy: EgressPolicy,
        limits: Limits | None = None,
        tls: ssl.SSLContext | None = None,
        resolver: Resolver | None = None,
    ) -> None:
        self._policy = policy
        self._limits = limits or Limits()
        self._connector = Connector(policy, resolver or SystemResolver(), tls)
        self._sweeper = Sweeper()
        self._targets: dict[str, Target] = {}
        self._pools: dict[str, Pool] = {}
        self._openings: set[asyncio.Timeout] = set()
        self._none_opening = asyncio.Event()
        self._closed = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._created = self._reused = self._retried = 0

    async def send(self, request: OutgoingRequest, deadlines: Deadlines) -> UpstreamResponse:
        """Returns when the final head has arrived.

        A request that met a reused connection already closed, at once and without a byte of an answer, is sent
        once more on a fresh one. Whatever is raised, or a cancellation, leaves no socket behind.
        """
        target = self._targets.get(request.url) or self._admit_url(request.url)
        head = encode_head(target, request)
        whole_at = _NEVER
        if deadlines.whole_s is not None:
            whole_at = self._now() + deadlines.whole_s
        for fresh in (False, True):
            pool = self._pools.get(target.key) or self._add_pool(target.key)
            connection = None if fresh or self._closed else pool.take_idle()
            if connection is None:
                connection = await self._open(pool, target.origin, deadlines, whole_at, fresh=fresh)
            self._reused += connection.used
            answer = connection.start(head, request, deadlines, whole_at)
            await answer.wait()
            if not answer.stale or self._closed:
                break
            self._retried += not fresh
        if answer.status == 0 and answer.fault is not None:
            raise answer.fault
        return answer

    async def aclose(self) -> None:
        """Ends what is under way and returns when every socket is closed."""
        self._closed = True
        now = self._now()
        for opening in self._openings:
            if not opening.expired():
                opening.reschedule(now)
        async with asyncio.timeout(_CLOSE_S):
            while self._openings:
                self._none_opening.clear()
                await self._none_opening.wait()
            await self._sweeper.shut_all("the client was closed")

    def stats(self) -> Stats:
        pools = self._pools.values()
        return Stats(
            open=len(self._sweeper.members),
            idle=sum(len(pool.idle) for pool in pools),
            opening=len(self._openings),
            queued=sum(len(pool.waiting) for pool in pools),
            origins=len(pools),
            created=self._created,
            reused=self._reused,
            retried_stale=self._retried,
        )

    def _now(self) -> float:
        # The loop is remembered: on Python 3.11 each look for the running one is a system call.
        if self._loop is None:
            self._loop = asyncio.get_running_loop()
        return self._loop.time()

    def _admit_url(self, url: str) -> Target:
        target = parse_target(url)
        self._policy.check_origin(target.origin)
        if len(self._targets) >= _MAX_TARGETS:
            self._targets.clear()
        if len(url) <= _MAX_KEPT_URL:
            self._targets[url] = target
        return target

    def _add_pool(self, key: str) -> Pool:
        """Beyond `max_origins` the oldest origin that nobody uses makes room."""
        if len(self._pools) >= self._limits.max_origins:
            oldest = next((key for key, pool in self._pools.items() if not pool.busy), None)
            if oldest is not None:
                self._pools.pop(oldest).close_idle()
        pool = self._pools[key] = Pool(self._limits)
        return pool

    async def _open(
        self, pool: Pool, origin: Origin, deadlines: Deadlines, whole_at: float, *, fresh: bool
    ) -> Connection:
        if self._closed:
            raise ConnectFailed(f"{origin}: the client is closed")
        progress = Progress()
        end = min(self._now() + deadlines.connect_s, whole_at)
        timeout = asyncio.timeout_at(end)
        self._openings.add(timeout)
        try:
            async with timeout:
                return await self._acquire(pool, origin, progress, fresh=fresh)
        except TimeoutError:
            raise self._describe_timeout(origin, deadlines, end == whole_at, progress) from None
        finally:
            self._openings.discard(timeout)
            if not self._openings:
                self._none_opening.set()

    async def _acquire(self, pool: Pool, origin: Origin, progress: Progress, *, fresh: bool) -> Connection:
        connection = await pool.acquire(fresh=fresh)
        if connection is not None:
            return connection
        try:
            connection = await self._connector.open(origin, lambda: self._make(origin), progress)
        except BaseException:
            pool.free_slot()
            raise
        pool.adopt(connection)
        if connection.closed:
            raise ConnectFailed(f"{origin}: the connection closed as soon as it was open")
        self._created += 1
        return connection

    def _make(self, origin: Origin) -> Connection:
        return Connection(origin, self._limits, self._sweeper)

    def _describe_timeout(
        self, origin: Origin, deadlines: Deadlines, is_whole: bool, progress: Progress
    ) -> ConnectFailed | UpstreamTimeout:
        if self._closed:
            return ConnectFailed(f"{origin}: the client was closed")
        name, span = ("whole_s", deadlines.whole_s) if is_whole else ("connect_s", deadlines.connect_s)
        return UpstreamTimeout(f"{origin}: {name} = {span:g} s passed while {progress.stage}", sent=False)
