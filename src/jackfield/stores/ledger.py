"""Usage records: kept in batches, read newest first or summed in groups."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from sqlalchemy import BigInteger, ColumnElement, Double, Select, Subquery, case, cast, delete, func, select, tuple_

from jackfield.stores.database import Database
from jackfield.stores.journal import Journal
from jackfield.stores.tables import usage

BUCKETS: Mapping[str, int] = {"minute": 60, "hour": 3600, "day": 86400}
GROUPS: Mapping[str, str] = {
    "namespace": "namespace",
    "key": "key_id",
    "app": "app",
    "user": "user",
    "operation": "operation",
    "model": "model",
    "provider": "provider",
    "upstream": "upstream",
    "upstream_model": "upstream_model",
    "status": "status",
    "error": "error",
    "plugin": "plugin",
    "stream": "stream",
    "worker": "worker",
}
SUMMED = (
    "input_tokens",
    "cached_tokens",
    "cache_write_tokens",
    "output_tokens",
    "reasoning_tokens",
    "cost_nanousd",
)
MEASURES = ("total_ms", "first_byte_ms", "upstream_ms", "hooks_ms", "input_tokens", "output_tokens", "cost_nanousd")
SHARES = (50, 90, 95, 99)
# To rank is to sort: of more records than these the newest are taken.
MOST_RANKED = 100_000
# Deleting holds the write lock, which flushes wait for: a little at a time.
DELETED_AT_ONCE = 2000


class UsageFilter(msgspec.Struct, frozen=True, kw_only=True):
    """What is `None` does not restrict. `since` is included, `until` is not; `status_class` is 2, 4 or 5."""

    namespace: str | None = None
    key_id: str | None = None
    app: str | None = None
    user: str | None = None
    model: str | None = None
    provider: str | None = None
    upstream: str | None = None
    operation: str | None = None
    plugin: str | None = None
    stream: bool | None = None
    status_class: int | None = None
    since: float | None = None
    until: float | None = None


class Cursor(msgspec.Struct, frozen=True):
    """The last record of a page; the next page continues behind it."""

    at: float
    id: str


class Page(msgspec.Struct, frozen=True):
    records: list[dict[str, Any]]
    next: Cursor | None


class Sums(msgspec.Struct, frozen=True):
    """One row a group: the group's values, `requests`, `errors`, the summed columns, and `unpriced`, the
    number of requests whose cost is not known. `truncated` where there were more groups than asked for."""

    groups: list[dict[str, Any]]
    truncated: bool


class Ranks(msgspec.Struct, frozen=True):
    """One row a group: the group's values, `records`, `least`, `mean`, `most`, and `p50` and so on. `sampled` where
    there were more records than are ranked."""

    groups: list[dict[str, Any]]
    truncated: bool
    sampled: bool


class Ledger:
    def __init__(self, database: Database) -> None:
        self._database = database
        self._journal = Journal(database)

    async def append(self, batch: bytes, records: int) -> None:
        """Durable once it returns. `batch` is a JSON array of so many records, each an array in the order of the
        table's columns. A record whose id is there already is left out, so a batch of unknown fate may be
        written again."""
        if records:
            await self._journal.append(batch, records)

    async def unfold(self, *, stands_back: bool = False) -> int:
        """Does a little of what otherwise the next reader has to do first; 0 where nothing is left to do."""
        return await self._journal.unfold(stands_back=stands_back)

    async def unfold_all(self) -> None:
        await self._journal.unfold_all()

    async def page(self, chosen: UsageFilter, *, limit: int = 100, after: Cursor | None = None) -> Page:
        """Newest first."""
        query = select(usage).where(*_conditions(chosen)).order_by(usage.c.at.desc(), usage.c.id.desc())
        if after is not None:
            query = query.where(usage.c.at <= after.at, tuple_(usage.c.at, usage.c.id) < (after.at, after.id))
        rows = await self._read(query.limit(limit + 1))
        if len(rows) <= limit:
            return Page(rows, None)
        last = rows[limit - 1]
        return Page(rows[:limit], Cursor(last["at"], last["id"]))

    async def sums(self, chosen: UsageFilter, *, group_by: Sequence[str] = (), limit: int = 1000) -> Sums:
        """`group_by` names come from `GROUPS` and `BUCKETS`. Later buckets first, then by number of
        requests."""
        keys = [self._key(name).label(name) for name in group_by]
        requests = func.count().label("requests")
        query: Select[Any] = select(*keys, requests, *_sums()).where(*_conditions(chosen)).group_by(*keys)
        newest = [key.desc() for key in keys if key.name in BUCKETS]
        rows = await self._read(query.order_by(*newest, requests.desc(), *keys).limit(limit + 1))
        return Sums(rows[:limit], len(rows) > limit)

    async def ranks(
        self,
        chosen: UsageFilter,
        measure: str,
        *,
        group_by: Sequence[str] = (),
        limit: int = 1000,
        most: int = MOST_RANKED,
    ) -> Ranks:
        """Percentiles of one of `MEASURES`, by nearest rank, of the records that have it. Groups as in `sums`."""
        ranked = self._ranked(chosen, measure, group_by, most)
        keys = [ranked.c[name] for name in group_by]
        records = func.count().label("records")
        query: Select[Any] = select(*keys, records, *_percentiles(ranked.c)).group_by(*keys)
        newest = [key.desc() for key in keys if key.name in BUCKETS]
        rows = await self._read(query.order_by(*newest, records.desc(), *keys).limit(limit + 1))
        sampled = any(row.pop("whole") > most for row in rows)
        return Ranks([row for row in rows[:limit] if row["records"]], len(rows) > limit, sampled)

    def _ranked(self, chosen: UsageFilter, measure: str, group_by: Sequence[str], most: int) -> Subquery:
        """The newest records with their rank in their group, which has `size`; `whole` is how many there are in all,
        counted no further than it takes to tell that there are too many."""
        column = usage.c[measure]
        keys = [self._key(name).label(name) for name in group_by]
        found = select(*keys, column.label("value")).where(*_conditions(chosen), column.is_not(None))
        newest = found.order_by(usage.c.at.desc()).limit(most + 1).subquery()
        group = [newest.c[name] for name in group_by]
        rank = func.row_number().over(partition_by=group or None, order_by=newest.c.value)
        size, whole = func.count().over(partition_by=group or None), func.count().over()
        return select(newest, rank.label("rank"), size.label("size"), whole.label("whole")).subquery()

    def _key(self, name: str) -> ColumnElement[Any]:
        if name in BUCKETS:
            return self._database.backend.bucket(usage.c.at, BUCKETS[name])
        return usage.c[GROUPS[name]]

    async def _read(self, query: Select[Any]) -> list[dict[str, Any]]:
        await self._journal.unfold_all()
        async with self._database.reading() as connection:
            return [dict(row) for row in (await connection.execute(query)).mappings()]

    async def delete_older_than(self, at: float) -> int:
        """How many were deleted. Flushes get their turn in between. The journal is left as it is where all in it is
        younger: to take it apart is much to do at once for a gateway that is busy."""
        while (oldest := await self._journal.oldest()) is not None and oldest < at:
            await self._journal.unfold()
        old = select(usage.c.id).where(usage.c.at < at).order_by(usage.c.at).limit(DELETED_AT_ONCE)
        deleted = 0
        while True:
            async with self._database.writing() as transaction:
                gone = (await transaction.execute(delete(usage).where(usage.c.id.in_(old)))).rowcount
            deleted += gone
            if gone < DELETED_AT_ONCE:
                return deleted


def _conditions(chosen: UsageFilter) -> list[ColumnElement[bool]]:
    conditions = [
        usage.c[name] == value
        for name, value in msgspec.structs.asdict(chosen).items()
        if value is not None and name in usage.c
    ]
    if chosen.status_class is not None:
        conditions.append(usage.c.status.between(chosen.status_class * 100, chosen.status_class * 100 + 99))
    if chosen.since is not None:
        conditions.append(usage.c.at >= chosen.since)
    if chosen.until is not None:
        conditions.append(usage.c.at < chosen.until)
    return conditions


def _percentiles(ranked: Any) -> list[ColumnElement[Any]]:
    def at(share: int) -> ColumnElement[Any]:
        return func.min(case((ranked.rank * 100 >= ranked.size * share, ranked.value))).label(f"p{share}")

    value = ranked.value
    return [
        func.min(value).label("least"),
        cast(func.avg(value), Double).label("mean"),
        func.max(value).label("most"),
        *map(at, SHARES),
        func.coalesce(func.max(ranked.whole), 0).label("whole"),
    ]


def _sums() -> list[ColumnElement[Any]]:
    def total(column: ColumnElement[Any], name: str) -> ColumnElement[Any]:
        # The sum of whole numbers is a decimal where it might be larger than they are.
        return cast(func.coalesce(func.sum(column), 0), BigInteger).label(name)

    return [
        total(case((usage.c.status >= 400, 1), else_=0), "errors"),
        *(total(usage.c[name], name) for name in SUMMED),
        total(case((usage.c.cost_nanousd.is_(None), 1), else_=0), "unpriced"),
    ]
