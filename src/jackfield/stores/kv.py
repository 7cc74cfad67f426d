"""Keys and values by owner: a plugin, or a part of Jackfield that stores for many.

Every change is one statement, or one transaction that looks before it writes, so an owner's total is exact whoever else
writes. What has expired is gone for every reader; its row is removed by the sweep, or when its owner needs the room.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Mapping
from typing import Any

import msgspec
import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from jackfield.clock import Clock
from jackfield.errors import JackfieldError
from jackfield.sdk.services import QuotaExceeded
from jackfield.stores.base import Rows, Value
from jackfield.stores.database import Database
from jackfield.stores.kv_statements import SWEPT_AT_ONCE, Statements, Values
from jackfield.stores.values import decode_value, encode_value, is_same

# In bytes of UTF-8.
LONGEST = {"key": 512, "prefix": 512, "namespace": 128, "user": 512}
LARGEST_COUNT = 2**63 - 1
SWEPT_EVERY_S = 60.0

log = structlog.get_logger("jackfield.kv")


class Amount(msgspec.Struct, frozen=True):
    """`size` is in bytes, of keys and values together."""

    keys: int
    size: int


class Found(msgspec.Struct, frozen=True):
    value: Any
    expires_at: float | None


Decide = Callable[[Found | None], Found | None]


class KeyValueStore:
    """`user=None` is a scope of its own beside those of the users. Keys are plain text: no character has a meaning.

    Where a `quota` is given, a change after which the owner would have more raises `QuotaExceeded`. `ValueError` names
    what cannot be stored.
    """

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database, self._clock = database, clock
        self._statements = Statements(database)

    async def get(
        self, owner: str, key: str, default: Any = None, *, namespace: str = "", user: str | None = None
    ) -> Any:
        found = _found(await self._statements.find.read(self._place(owner, user, namespace, key)))
        return default if found is None else found.value

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
        place = self._place(owner, user, namespace, key)
        await self._put(None, _row(place, value, self._expiry(ttl_s)), quota)

    async def set_many(self, owner: str, items: Mapping[str, Any]) -> None:
        """All of them as one transaction. `ValueError` names the key of what cannot be stored; nothing is then."""
        rows = []
        for key, value in items.items():
            try:
                rows.append(_row(self._place(owner, None, "", key), value, None))
            except ValueError as error:
                raise ValueError(f"key {key!r:.100}: {error}") from error
        await self._statements.put.run_all(rows)

    async def delete(self, owner: str, key: str, *, namespace: str = "", user: str | None = None) -> bool:
        """Whether it was there."""
        place = self._place(owner, user, namespace, key)
        return self._living(await self._statements.delete.run(place)) > 0

    async def list(
        self, owner: str, prefix: str = "", *, namespace: str = "", user: str | None = None
    ) -> tuple[str, ...]:
        """The keys that begin with exactly `prefix`, in the order of their code points."""
        scope = self._scope(owner, user, namespace)
        begins: Values = {"prefix": _checked("prefix", prefix), "length": len(prefix)}
        return tuple(sorted(key for (key,) in await self._statements.list.read({**scope, **begins})))

    async def clear(self, owner: str, *, namespace: str = "", user: str | None = None) -> int:
        """Deletes what is in this namespace of this scope, and nothing else. How many keys that were."""
        return self._living(await self._statements.clear.run(self._scope(owner, user, namespace)))

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
        """The new value; what is not there counts as 0. `ttl_s` begins with the counter, and later increments leave it
        as it is."""
        place, begun = self._place(owner, user, namespace, key), Found(0, self._expiry(ttl_s))

        def add(found: Found | None) -> Found:
            before = found or begun
            return Found(_sum(key, before.value, by), before.expires_at)

        after = await self._change(place, add, quota)
        assert after is not None
        return int(after.value)

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
        """Sets `value` where `get` would answer `expected`: `None` is a key that is not there. Whether it did."""
        place, after = self._place(owner, user, namespace, key), Found(value, self._expiry(ttl_s))
        wanted = decode_value(*encode_value(expected))

        def replace(found: Found | None) -> Found | None:
            return after if is_same(found.value if found else None, wanted) else None

        return await self._change(place, replace, quota) is not None

    async def usage(self, owner: str) -> Amount:
        """What the owner has stored, over all users and namespaces."""
        ((keys, size),) = await self._statements.sum.read({"owner": owner, "now": self._clock.wall()})
        return Amount(keys, int(size))

    async def forget(self, owner: str) -> None:
        """Deletes all that the owner has stored, for whatever user, in whatever namespace."""
        await self._statements.forget.run({"owner": owner})

    async def sweep(self) -> int:
        """Removes what has expired; how much. Other writers get their turn in between."""
        swept, now = 0, self._clock.wall()
        while True:
            gone = len(await self._statements.sweep.run({"now": now}))
            swept += gone
            if gone < SWEPT_AT_ONCE:
                return swept

    async def keep_swept(self, every_s: float = SWEPT_EVERY_S) -> None:
        """Sweeps until it is cancelled; while the store fails, what has expired waits."""
        while True:
            await asyncio.sleep(every_s)
            try:
                await self.sweep()
            except JackfieldError as error:
                log.warning("what has expired is not swept", reason=error.message)

    async def _change(self, place: Values, decide: Decide, quota: Amount | None) -> Found | None:
        """Looks and writes with no other writer in between. Nothing changes where `decide` answers `None`."""
        async with self._database.writing() as transaction:
            after = decide(_found(await self._statements.find.within(transaction, place)))
            if after is not None:
                await self._put(transaction, _row(place, after.value, after.expires_at), quota)
        return after

    async def _put(self, transaction: AsyncConnection | None, row: Values, quota: Amount | None) -> None:
        """Expired rows take room until they are removed, or short lives would fill the disk. They are removed before
        anything is refused."""
        statements = self._statements
        if quota is None:
            await statements.put.run_in(transaction, row)
            return
        limited = {**row, "most_keys": quota.keys, "most_size": quota.size}
        if await statements.put_within.run_in(transaction, limited):
            return
        await statements.purge.run_in(transaction, row)
        if not await statements.put_within.run_in(transaction, limited):
            raise QuotaExceeded(str(row["owner"]), str(row["key"]), quota.keys, quota.size)

    def _place(self, owner: str, user: str | None, namespace: str, key: str) -> Values:
        if key == "":
            raise ValueError("key: is empty")
        return {**self._scope(owner, user, namespace), "key": _checked("key", key)}

    def _scope(self, owner: str, user: str | None, namespace: str) -> Values:
        """The time is part of it, since what is there depends on it."""
        if user == "":
            raise ValueError("user: is empty; None is the scope of no user")
        return {
            "owner": owner,
            "user": "" if user is None else _checked("user", user),
            "namespace": _checked("namespace", namespace),
            "now": self._clock.wall(),
        }

    def _expiry(self, ttl_s: float | None) -> float | None:
        if ttl_s is None:
            return None
        if not (ttl_s > 0 and math.isfinite(ttl_s)):
            raise ValueError(f"ttl_s: {ttl_s} is no time to live; it is a number of seconds above 0, or None for ever")
        return self._clock.wall() + ttl_s

    def _living(self, expiries: Rows) -> int:
        now = self._clock.wall()
        return sum(expires_at is None or expires_at > now for (expires_at,) in expiries)


def _checked(name: str, text: str) -> str:
    """The text itself, as every database takes it. Raises `ValueError`."""
    if not isinstance(text, str):
        raise ValueError(f"{name}: is {type(text).__name__}, not text")
    try:
        size = len(text.encode())
    except UnicodeEncodeError as error:
        raise ValueError(f"{name}: {text!r} is not valid Unicode") from error
    if size > LONGEST[name]:
        raise ValueError(f"{name}: has {size} bytes, of at most {LONGEST[name]}")
    if "\0" in text:
        raise ValueError(f"{name}: {text!r} holds a NUL")
    return text


def _row(place: Values, value: Any, expires_at: float | None) -> Values:
    kind, data = encode_value(value)
    size = len(str(place["key"]).encode()) + len(data)
    changed: dict[str, Value] = {"kind": kind, "size": size, "expires_at": expires_at, "value": data}
    return {**place, **changed, "updated_at": place["now"]}


def _found(rows: Rows) -> Found | None:
    if not rows:
        return None
    ((kind, data, expires_at),) = rows
    return Found(decode_value(kind, data), expires_at)


def _sum(key: str, value: Any, by: int) -> int:
    for number in (value, by):
        if type(number) is not int:
            raise ValueError(f"key {key!r}: {type(number).__name__} is not an integer to count with")
    if abs(value + by) > LARGEST_COUNT:
        raise ValueError(f"key {key!r}: {value} and {by} are more than 64 bits hold")
    return int(value + by)
