"""Keys and values by owner in the database.

Every change is one statement, or one transaction that looks before it writes, and of those for one owner each begins
when the one before has ended: so an owner's total is exact whoever else writes. The row of what has expired is removed
by the sweep, or when its owner needs the room.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from jackfield.clock import Clock
from jackfield.sdk.services import QuotaExceeded
from jackfield.stores import kv_base
from jackfield.stores.base import Rows, Value
from jackfield.stores.database import Database
from jackfield.stores.kv_base import SWEPT_EVERY_S, Amount, add_up, check_key, check_text, check_user, expiry
from jackfield.stores.kv_statements import SWEPT_AT_ONCE, Statements, Values, subject_of
from jackfield.stores.values import decode_value, encode_value, is_same


class Found(msgspec.Struct, frozen=True):
    value: Any
    expires_at: float | None


Decide = Callable[[Found | None], Found | None]


class KeyValueStore:
    """`KeyValues` in a table."""

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
        rows = []
        for key, value in items.items():
            try:
                rows.append(_row(self._place(owner, None, "", key), value, None))
            except ValueError as error:
                raise ValueError(f"key {key!r:.100}: {error}") from error
        await self._statements.put.run_all(rows)

    async def delete(self, owner: str, key: str, *, namespace: str = "", user: str | None = None) -> bool:
        place = self._place(owner, user, namespace, key)
        return self._living(await self._statements.delete.run(place)) > 0

    async def list(
        self, owner: str, prefix: str = "", *, namespace: str = "", user: str | None = None
    ) -> tuple[str, ...]:
        scope = self._scope(owner, user, namespace)
        begins: Values = {"prefix": check_text("prefix", prefix), "length": len(prefix)}
        return tuple(sorted(key for (key,) in await self._statements.list.read({**scope, **begins})))

    async def clear(self, owner: str, *, namespace: str = "", user: str | None = None) -> int:
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
        place, begun = self._place(owner, user, namespace, key), Found(0, self._expiry(ttl_s))

        def add(found: Found | None) -> Found:
            before = found or begun
            return Found(add_up(key, before.value, by), before.expires_at)

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
        place, after = self._place(owner, user, namespace, key), Found(value, self._expiry(ttl_s))
        wanted = decode_value(*encode_value(expected))

        def replace(found: Found | None) -> Found | None:
            return after if is_same(found.value if found else None, wanted) else None

        return await self._change(place, replace, quota) is not None

    async def usage(self, owner: str) -> Amount:
        ((keys, size),) = await self._statements.sum.read({"owner": owner, "now": self._clock.wall()})
        return Amount(keys, int(size))

    async def forget(self, owner: str) -> None:
        await self._statements.forget.run({"owner": owner})

    async def sweep(self) -> int:
        swept, now = 0, self._clock.wall()
        while True:
            gone = len(await self._statements.sweep.run({"now": now}))
            swept += gone
            if gone < SWEPT_AT_ONCE:
                return swept

    async def keep_swept(self, every_s: float = SWEPT_EVERY_S) -> None:
        await kv_base.keep_swept(self, every_s)

    async def _change(self, place: Values, decide: Decide, quota: Amount | None) -> Found | None:
        """Looks and writes with no other writer in between. Nothing changes where `decide` answers `None`."""
        async with self._database.writing(subject_of(str(place["owner"]))) as transaction:
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
        return {**self._scope(owner, user, namespace), "key": check_key(key)}

    def _scope(self, owner: str, user: str | None, namespace: str) -> Values:
        """The time is part of it, since what is there depends on it."""
        scope = {"owner": owner, "user": check_user(user), "namespace": check_text("namespace", namespace)}
        return {**scope, "now": self._clock.wall()}

    def _expiry(self, ttl_s: float | None) -> float | None:
        return expiry(ttl_s, self._clock.wall())

    def _living(self, expiries: Rows) -> int:
        now = self._clock.wall()
        return sum(expires_at is None or expires_at > now for (expires_at,) in expiries)


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
