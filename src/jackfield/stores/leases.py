"""Leases: what several workers could do and one does. Each is known by its owner and its name.

A lease is taken for one due time, by one statement, and only where nothing happened since the time from which that was
reckoned: so of all that try one has it, and a due time that was had once is never had again. Who holds it renews it;
where its holder is gone it falls free by itself. Times are seconds since the epoch.
"""

from __future__ import annotations

from typing import Any

import msgspec
from sqlalchemy import Boolean, ColumnElement, and_, bindparam, case, delete, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from jackfield.stores.database import Database
from jackfield.stores.tables import leases

# Longer than any time between two runs, so that a lease that is in use stays.
KEPT_S = 800 * 86_400.0
UNFINISHED = "it did not end: what ran it is gone"


class Lease(msgspec.Struct, frozen=True, kw_only=True):
    """`anchor` is the last due time that was taken, the end of its run, or where there was none the begin. `ended_at`
    is when it was made an end of: whoever knew it before then is to forget it. `last_run` is when a run last began,
    `runs` how many did."""

    name: str
    holder: str
    until: float
    anchor: float
    last_run: float | None
    runs: int
    last_error: str | None
    ended_at: float | None


class Leases:
    """Every method raises `Unavailable` where the store is."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._introduce = _introduction(database)

    async def introduce(self, owner: str, name: str, *, at: float, afresh: bool = False) -> float:
        """Makes sure that it is there; answers with its anchor: `at`, or what is kept of the time before. What was made
        an end of begins anew, as it does `afresh`."""
        values = {"owner": owner, "name": name, "at": at, "afresh": afresh, "keep_until": at + KEPT_S}
        async with self._database.writing() as transaction:
            await transaction.execute(delete(leases).where(leases.c.keep_until < at))
            return float((await transaction.execute(self._introduce, values)).scalar_one())

    async def take(
        self, owner: str, name: str, *, holder: str, due: float, latest: float, at: float, until: float, since: float
    ) -> int | None:
        """For the run that is due at `due`, where the anchor is not after `latest`; by who knows it `since` then. How
        many runs before it have failed in a row, or `None` where another has it."""
        statement = (
            update(leases)
            .where(_is(owner, name), leases.c.anchor <= latest, leases.c.until <= at)
            .where(or_(leases.c.ended_at.is_(None), leases.c.ended_at <= since))
            .values(
                holder=holder,
                until=until,
                anchor=due,
                last_run=at,
                runs=leases.c.runs + 1,
                last_error=UNFINISHED,
                keep_until=at + KEPT_S,
            )
        )
        async with self._database.writing() as transaction:
            taken = (await transaction.execute(statement.returning(leases.c.failures))).first()
        return None if taken is None else int(taken[0])

    async def renew(self, owner: str, name: str, *, holder: str, until: float) -> bool:
        """Whether it is still the holder's."""
        return await self._change(_held(owner, name, holder).values(until=until))

    async def release(
        self,
        owner: str,
        name: str,
        *,
        holder: str,
        at: float,
        error: str | None,
        pause_s: float = 0.0,
        keep_s: float | None = None,
    ) -> bool:
        """After a run. The next is reckoned from `pause_s` later than from its end. With `keep_s` there will be no
        other, and the lease is kept only so long. Nothing happens where another has it by now."""
        failures: Any = 0 if error is None else leases.c.failures + 1
        values: dict[str, Any] = {"holder": "", "until": at, "last_error": error, "failures": failures}
        # What became due meanwhile is not made up for. Where the clock was set back the due time stays the later one.
        values["anchor"] = case((leases.c.anchor < at, at), else_=leases.c.anchor) + pause_s
        if keep_s is not None:
            values |= {"ended_at": values["anchor"], "keep_until": at + keep_s}
        return await self._change(_held(owner, name, holder).values(values))

    async def end(self, owner: str, name: str, *, at: float, keep_s: float) -> None:
        """There will be no more runs, whoever else waits for one; a run that is under way ends by itself."""
        statement = update(leases).where(_is(owner, name)).values(ended_at=at, keep_until=at + keep_s)
        await self._change(statement)

    async def find(self, owner: str, name: str) -> Lease | None:
        found = await self._read(_is(owner, name))
        return found[0] if found else None

    async def of(self, owner: str) -> dict[str, Lease]:
        return {lease.name: lease for lease in await self._read(leases.c.owner == owner)}

    async def forget(self, owner: str) -> None:
        """All of an owner that is gone for good."""
        async with self._database.writing() as transaction:
            await transaction.execute(delete(leases).where(leases.c.owner == owner))

    async def _change(self, statement: Any) -> bool:
        async with self._database.writing() as transaction:
            return await _changed(transaction, statement)

    async def _read(self, where: ColumnElement[bool]) -> list[Lease]:
        columns = [leases.c[name] for name in Lease.__struct_fields__]
        async with self._database.reading() as connection:
            rows = await connection.execute(select(*columns).where(where))
            return [Lease(**row) for row in rows.mappings()]


async def _changed(transaction: AsyncConnection, statement: Any) -> bool:
    return (await transaction.execute(statement.returning(leases.c.name))).first() is not None


def _is(owner: str, name: str) -> ColumnElement[bool]:
    return and_(leases.c.owner == owner, leases.c.name == name)


def _held(owner: str, name: str, holder: str) -> Any:
    return update(leases).where(_is(owner, name), leases.c.holder == holder)


def _introduction(database: Database) -> Any:
    at = bindparam("at", type_=leases.c.anchor.type)
    row = {"holder": "", "until": 0.0, "anchor": at, "runs": 0}
    insert = database.backend.insert(leases).values(
        owner=bindparam("owner"), name=bindparam("name"), keep_until=bindparam("keep_until"), **row
    )
    # Once it has begun anew its anchor is after its end, so that the next to come finds it begun.
    anew = or_(bindparam("afresh", type_=Boolean()), leases.c.ended_at >= leases.c.anchor)
    changed = {"anchor": case((anew, at), else_=leases.c.anchor), "keep_until": insert.excluded.keep_until}
    return insert.on_conflict_do_update(index_elements=["owner", "name"], set_=changed).returning(leases.c.anchor)
