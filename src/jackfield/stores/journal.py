"""Batches of usage records on their way to `usage`: appended as they come, taken apart when there is time."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import msgspec
import structlog
from sqlalchemy import ColumnElement, Integer, Select, bindparam, delete, func, insert, literal_column, select, update

from jackfield.errors import Unavailable
from jackfield.stores.base import Backend
from jackfield.stores.database import Database
from jackfield.stores.tables import usage, usage_journal

COLUMNS: tuple[str, ...] = tuple(column.name for column in usage.c)
# Taking apart holds the write lock, which new batches wait for: about this many records at a time, which is some
# milliseconds, and fewer where it stands back and so may take longer.
AT_ONCE = 2000
AT_ONCE_STANDING_BACK = 500
# The one character that PostgreSQL cannot keep in a text, as it is written in JSON; a model's name may hold one.
NUL = b"\\u0000"

NONE: ColumnElement[int] = literal_column("0")
ONE: ColumnElement[int] = literal_column("1")

log = structlog.get_logger(__name__)


# SQL, and how many times it is given how many records to move.
Unfolding = tuple[str, int]


class Journal:
    def __init__(self, database: Database) -> None:
        self._database = database
        self._append = database.compiled(_appending).sql
        self._waiting = database.compiled(_summing).sql
        self._first = database.compiled(_picking_first).sql

    @cached_property
    def _unfolding(self) -> tuple[Unfolding, Unfolding]:
        """One statement that copies the oldest batches to `usage`, and one that then removes the very same. Each is
        given how many records they may hold, and some databases are given that once for all its mentions. Made when it
        is first needed: it takes some milliseconds, and a start should not wait for it."""
        copy, remove = self._database.compiled(_copying), self._database.compiled(_removing)
        return (copy.sql, len(copy.names)), (remove.sql, len(remove.names))

    async def append(self, batch: bytes, records: int) -> None:
        """Durable once it returns."""
        await self._database.run_alone(self._append, records, _without_nul(batch).decode())

    async def waiting(self) -> int:
        """How many records are not in `usage` yet."""
        ((waiting,),) = await self._database.read_alone(self._waiting)
        return int(waiting)

    async def oldest(self) -> float | None:
        """When the first record of the first batch came; `None` where there is no batch that can be read."""
        batches = await self._database.read_alone(self._first)
        records = msgspec.json.decode(batches[0][0]) if batches else []
        return records[0][COLUMNS.index("at")] if records else None

    async def unfold(self, *, stands_back: bool = False) -> int:
        """Moves the oldest batches, and tells how many records they held: 0 where there are none. A batch moves whole
        or not at all, and a record that is in `usage` already is left out, so each is there once."""
        try:
            return await self._move(stands_back)
        except Unavailable:
            if not await self._set_unreadable_aside():
                raise
            return await self._move(stands_back)

    async def unfold_all(self) -> None:
        """Moves all that is there when this begins."""
        left = await self.waiting()
        while left > 0 and (moved := await self.unfold()):
            left -= moved

    async def _move(self, stands_back: bool) -> int:
        most = AT_ONCE_STANDING_BACK if stands_back else AT_ONCE
        statements = ((sql, (most,) * mentions) for sql, mentions in self._unfolding)
        gone = await self._database.run_together(*statements, subject="usage_journal", stands_back=stands_back)
        return sum(records for (records,) in gone)

    async def _set_unreadable_aside(self) -> bool:
        """A batch that the disk has spoilt must not keep the others out."""
        batches = await self._database.run_alone(self._database.compiled(_setting_aside).sql)
        for (seq,) in batches:
            log.error("a batch of usage records cannot be read and is left in the journal", seq=seq)
        return bool(batches)


def _without_nul(batch: bytes) -> bytes:
    if NUL not in batch:
        return batch
    rows = msgspec.json.decode(batch)
    return msgspec.json.encode([[_replace_nul(value) for value in row] for row in rows])


def _replace_nul(value: object) -> object:
    return value.replace("\0", "\ufffd") if isinstance(value, str) else value


def _appending(_backend: Backend) -> Any:
    return insert(usage_journal).values(records=bindparam(None), body=bindparam(None))


def _summing(_backend: Backend) -> Any:
    return select(func.coalesce(func.sum(usage_journal.c.records), NONE))


def _picking_first(_backend: Backend) -> Any:
    journal = usage_journal.c
    return select(journal.body).where(journal.records > NONE).order_by(journal.seq).limit(ONE).offset(NONE)


def _setting_aside(backend: Backend) -> Any:
    unreadable = (usage_journal.c.records > NONE) & ~backend.is_json(usage_journal.c.body)
    return update(usage_journal).where(unreadable).values(records=NONE).returning(usage_journal.c.seq)


def _oldest() -> Select[Any]:
    journal = usage_journal.c
    most = bindparam("most", type_=Integer)
    readable = select(journal.seq, journal.records).where(journal.records > NONE)
    oldest = readable.order_by(journal.seq).limit(most).offset(NONE).subquery()
    sums = func.sum(oldest.c.records).over(order_by=oldest.c.seq)
    summed = select(oldest.c.seq, (sums - oldest.c.records).label("before")).subquery()
    return select(summed.c.seq).where(summed.c.before < most)


def _copying(backend: Backend) -> Any:
    batches = select(usage_journal.c.body).where(usage_journal.c.seq.in_(_oldest())).subquery()
    rows = backend.rows_of(batches, usage.columns.values())
    # A record without these cannot be kept, and must not keep the others out.
    whole = select(rows).where(rows.c.id.is_not(None), rows.c.at.is_not(None))
    return backend.insert(usage).from_select(COLUMNS, whole).on_conflict_do_nothing(index_elements=["id"])


def _removing(_backend: Backend) -> Any:
    return delete(usage_journal).where(usage_journal.c.seq.in_(_oldest())).returning(usage_journal.c.records)
