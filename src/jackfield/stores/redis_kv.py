"""Keys and values by owner in Redis, a plugin's under the names that its authors expect."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

import msgspec
import redis.asyncio as redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import AuthenticationError, RedisError

from jackfield.clock import Clock
from jackfield.errors import ConfigError, Unavailable
from jackfield.sdk.services import QuotaExceeded
from jackfield.settings.store_urls import redis_place_of
from jackfield.stores import kv_base
from jackfield.stores.kv_base import SWEPT_EVERY_S, Amount, add_up, check_key, check_text, check_user
from jackfield.stores.values import JSON, decode_value, encode_value

FIELD = "store.redis"
SCRIPT = Path(__file__).with_suffix(".lua")
# What the owner of a plugin's keys begins with.
PLUGIN = "plugin:"
EXPIRING = "jackfield:expiring"
# Redis serves nobody else while a script runs: a little at a time.
SWEPT_AT_ONCE = 500
CONNECTIONS = 16


class RedisKeyValueStore:
    """`KeyValues` in one Redis, or Valkey, that is no cluster. An answer that does not come within `timeout_s` is
    `Unavailable`, and then nobody knows whether the change was made. A URL that cannot be is a `ValueError`."""

    def __init__(self, url: str, clock: Clock, *, timeout_s: float = 5.0) -> None:
        self.place = redis_place_of(url)
        self._clock = clock
        try:
            pool = redis.BlockingConnectionPool.from_url(
                url,
                max_connections=CONNECTIONS,
                timeout=timeout_s,
                socket_timeout=timeout_s,
                socket_connect_timeout=timeout_s,
                # Doing again what may have been done would count twice.
                retry=Retry(NoBackoff(), 0),
            )
        except ValueError:
            # What it could not read may be a part of the password.
            raise ConfigError(f"{self.place}: the rest of the URL is not understood", field=FIELD) from None
        self._redis = redis.Redis.from_pool(pool)
        self._script = self._redis.register_script(SCRIPT.read_text(encoding="utf-8"))

    @classmethod
    @asynccontextmanager
    async def open(cls, url: str, clock: Clock) -> AsyncIterator[Self]:
        """Refuses where there is no Redis."""
        store = cls(url, clock)
        try:
            await store.ping()
            yield store
        finally:
            await store._redis.aclose()

    async def ping(self) -> None:
        async with self._failing():
            await self._redis.info("server")

    async def get(
        self, owner: str, key: str, default: Any = None, *, namespace: str = "", user: str | None = None
    ) -> Any:
        found = await self._run("get", owner, _place(user, namespace, key))
        return decode_value(found[0].decode(), found[1]) if found else default

    async def set(
        self,
        owner: str,
        key: str,
        value: Any,
        *,
        ttl_s: float | None = None,
        namespace: str = "",
        user: str | None = None,
        quota: Amount | None = None,
    ) -> None:
        place = _place(user, namespace, key)
        if not await self._run("set", owner, place, *_encode(value), self._expiry(ttl_s), *_bounds(quota)):
            raise _exceeded(owner, key, quota)

    async def set_many(self, owner: str, items: Mapping[str, Any]) -> None:
        given: list[str | bytes] = []
        for key, value in items.items():
            try:
                given += [_place(None, "", key), *_encode(value)]
            except ValueError as error:
                raise ValueError(f"key {key!r:.100}: {error}") from error
        if given:
            await self._run("set_many", owner, *given)

    async def delete(self, owner: str, key: str, *, namespace: str = "", user: str | None = None) -> bool:
        return bool(await self._run("delete", owner, _place(user, namespace, key)))

    async def list(
        self, owner: str, prefix: str = "", *, namespace: str = "", user: str | None = None
    ) -> tuple[str, ...]:
        scope = _scope(user, namespace)
        found = await self._run("list", owner, scope + check_text("prefix", prefix))
        return tuple(place.decode()[len(scope) :] for place in found)

    async def clear(self, owner: str, *, namespace: str = "", user: str | None = None) -> int:
        return int(await self._run("clear", owner, _scope(user, namespace)))

    async def increment(
        self,
        owner: str,
        key: str,
        by: int = 1,
        *,
        ttl_s: float | None = None,
        namespace: str = "",
        user: str | None = None,
        quota: Amount | None = None,
    ) -> int:
        place = _place(user, namespace, key)
        add_up(key, 0, by)
        done, *found = await self._run("increment", owner, place, str(by), self._expiry(ttl_s), *_bounds(quota))
        if done == 0:
            raise _exceeded(owner, key, quota)
        if done == 1:
            return int(found[0])
        return add_up(key, decode_value(found[0].decode(), found[1]), by)

    async def compare_and_set(
        self,
        owner: str,
        key: str,
        expected: Any,
        value: Any,
        *,
        ttl_s: float | None = None,
        namespace: str = "",
        user: str | None = None,
        quota: Amount | None = None,
    ) -> bool:
        place, expires = _place(user, namespace, key), self._expiry(ttl_s)
        wanted, absent = _encode(expected)[2], "1" if expected is None else ""
        after = (*_encode(value), expires, *_bounds(quota))
        done = await self._run("compare_and_set", owner, place, wanted, absent, *after)
        if done < 0:
            raise _exceeded(owner, key, quota)
        return bool(done)

    async def usage(self, owner: str) -> Amount:
        keys, size = await self._run("usage", owner)
        return Amount(keys, size)

    async def forget(self, owner: str) -> None:
        await self._run("forget", owner)

    async def sweep(self) -> int:
        swept = 0
        async with self._failing():
            owners = [owner.decode() async for owner in self._redis.sscan_iter(EXPIRING)]
        for owner in owners:
            gone = SWEPT_AT_ONCE
            while gone == SWEPT_AT_ONCE:
                gone = int(await self._run("sweep", owner, str(SWEPT_AT_ONCE)))
                swept += gone
        return swept

    async def keep_swept(self, every_s: float = SWEPT_EVERY_S) -> None:
        await kv_base.keep_swept(self, every_s)

    async def _run(self, verb: str, owner: str, *given: str | bytes) -> Any:
        index = f"jackfield:index:{_escape(owner)}"
        parts = [f"{index}:{part}" for part in ("places", "kept", "expiry", "size")]
        arguments = [verb, owner, _root_of(owner), repr(self._clock.wall()), *given]
        async with self._failing():
            return await self._script(keys=[*parts, EXPIRING, f"{index}:scratch"], args=arguments)

    @asynccontextmanager
    async def _failing(self) -> AsyncIterator[None]:
        try:
            yield
        except AuthenticationError as error:
            raise ConfigError(f"{self.place} refuses: {error}", field=FIELD) from error
        except (RedisError, OSError, TimeoutError) as error:
            raise Unavailable(f"the Redis at {self.place} failed: {error or type(error).__name__}") from error

    def _expiry(self, ttl_s: float | None) -> str:
        expires_at = kv_base.expiry(ttl_s, self._clock.wall())
        return "" if expires_at is None else repr(expires_at)


def _root_of(owner: str) -> str:
    if owner.startswith(PLUGIN):
        return f"sentinel:plugin:{_escape(owner.removeprefix(PLUGIN))}"
    return f"jackfield:kv:{_escape(owner)}"


def _escape(text: str) -> str:
    return text.replace("%", "%25").replace(":", "%3A")


def _place(user: str | None, namespace: str, key: str) -> str:
    return _scope(user, namespace) + check_key(key)


def _scope(user: str | None, namespace: str) -> str:
    return f"{check_user(user)}\0{check_text('namespace', namespace)}\0"


def _encode(value: Any) -> tuple[str, bytes, str]:
    """Kind, bytes, and a mark that is the same for what `is_same` calls the same."""
    kind, data = encode_value(value)
    plain = data
    if kind == JSON:
        plain = msgspec.json.encode(value, order="sorted")
    elif isinstance(value, datetime):
        plain = value.astimezone(UTC).isoformat().encode()
    return kind, data, hashlib.sha1(f"{kind}:".encode() + plain, usedforsecurity=False).hexdigest()


def _bounds(quota: Amount | None) -> tuple[str, str]:
    return ("", "") if quota is None else (str(quota.keys), str(quota.size))


def _exceeded(owner: str, key: str, quota: Amount | None) -> QuotaExceeded:
    assert quota is not None
    return QuotaExceeded(owner, key, quota.keys, quota.size)
