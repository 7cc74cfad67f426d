"""The storage of one plugin: the store narrowed to what was approved for it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from types import MappingProxyType
from typing import Any

from jackfield.errors import DeadlineExceeded
from jackfield.services.allowance import Allowance
from jackfield.stores.kv_base import Amount, KeyValues

DEADLINE_S = 10.0
QUOTA = Amount(keys=1000, size=10 * 1024 * 1024)

_READ, _WRITE = "storage:read", "storage:write"
STORAGE = frozenset({_READ, _WRITE})
# What tells something of a value and changes it needs both.
VERBS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "get": (_READ,),
        "list": (_READ,),
        "set": (_WRITE,),
        "delete": (_WRITE,),
        "clear": (_WRITE,),
        "increment": (_READ, _WRITE),
        "compare_and_set": (_READ, _WRITE),
    }
)


def owner_of(plugin: str) -> str:
    """The owner of a plugin's keys in the store. No plugin's id makes it that of a part of Jackfield."""
    return f"plugin:{plugin}"


@asynccontextmanager
async def _in_time() -> AsyncIterator[None]:
    """Raises `DeadlineExceeded`. What was begun is done or not done, never half."""
    try:
        async with asyncio.timeout(DEADLINE_S):
            yield
    except TimeoutError as error:
        raise DeadlineExceeded(f"the storage did not answer within {DEADLINE_S:g} s") from error


class PluginStorage:
    """`KeyValue` for one plugin. Each verb checks its permission, and that the user is the one on whose behalf
    the plugin runs, then counts as an operation."""

    __slots__ = ("_allowance", "_owner", "_store")

    def __init__(self, allowance: Allowance, store: KeyValues) -> None:
        self._allowance, self._store = allowance, store
        self._owner = owner_of(allowance.plugin)

    def _begin(self, verb: str, user: str | None) -> None:
        """Raises `NotGranted` and `RateLimited`."""
        self._allowance.check(*VERBS[verb])
        if user is not None:
            self._allowance.check_user(user)
        self._allowance.take()

    async def get(self, key: str, default: Any = None, *, namespace: str = "", user: str | None = None) -> Any:
        self._begin("get", user)
        async with _in_time():
            return await self._store.get(self._owner, key, default, namespace=namespace, user=user)

    async def set(
        self, key: str, value: Any, *, ttl_s: float | None = None, namespace: str = "", user: str | None = None
    ) -> None:
        self._begin("set", user)
        async with _in_time():
            await self._store.set(self._owner, key, value, ttl_s=ttl_s, namespace=namespace, user=user, quota=QUOTA)

    async def delete(self, key: str, *, namespace: str = "", user: str | None = None) -> bool:
        self._begin("delete", user)
        async with _in_time():
            return await self._store.delete(self._owner, key, namespace=namespace, user=user)

    async def list(self, prefix: str = "", *, namespace: str = "", user: str | None = None) -> tuple[str, ...]:
        self._begin("list", user)
        async with _in_time():
            return await self._store.list(self._owner, prefix, namespace=namespace, user=user)

    async def clear(self, *, namespace: str = "", user: str | None = None) -> int:
        self._begin("clear", user)
        async with _in_time():
            return await self._store.clear(self._owner, namespace=namespace, user=user)

    async def increment(
        self, key: str, by: int = 1, *, ttl_s: float | None = None, namespace: str = "", user: str | None = None
    ) -> int:
        self._begin("increment", user)
        async with _in_time():
            return await self._store.increment(
                self._owner, key, by, ttl_s=ttl_s, namespace=namespace, user=user, quota=QUOTA
            )

    async def compare_and_set(
        self,
        key: str,
        expected: Any,
        value: Any,
        *,
        ttl_s: float | None = None,
        namespace: str = "",
        user: str | None = None,
    ) -> bool:
        self._begin("compare_and_set", user)
        async with _in_time():
            return await self._store.compare_and_set(
                self._owner, key, expected, value, ttl_s=ttl_s, namespace=namespace, user=user, quota=QUOTA
            )
