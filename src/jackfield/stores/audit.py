"""Who changed which object, when, and what it was before and after, by digest."""

from __future__ import annotations

import msgspec
from sqlalchemy import RowMapping, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from jackfield.stores.database import Database
from jackfield.stores.tables import audit


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """Digests are SHA-256 of the bodies, `None` where there was or is none. `changes` says what is another than before,
    a line for each thing, where that is known. `seq` is the store's, 0 before it is kept."""

    seq: int = 0
    at: float
    actor: str
    action: str
    kind: str
    object_id: str
    namespace: str
    revision: int
    before_digest: str | None
    after_digest: str | None
    changes: tuple[str, ...] = ()


class AuditLog:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def append(self, transaction: AsyncConnection, entry: Entry) -> None:
        """In the transaction of the change itself: neither is kept without the other."""
        values = msgspec.structs.asdict(entry)
        del values["seq"]
        await transaction.execute(insert(audit).values(values))

    async def note_once(self, entry: Entry) -> None:
        """What happened without any change being made: of all workers that tell it one does. Raises `Unavailable`."""
        values = msgspec.structs.asdict(entry)
        same = [audit.c[name] == values[name] for name in ("kind", "object_id", "action", "after_digest")]
        async with self._database.writing() as transaction:
            found = await transaction.execute(select(audit.c.changes).where(*same))
            if entry.changes not in {tuple(changes or ()) for (changes,) in found}:
                await self.append(transaction, entry)

    async def list(
        self,
        *,
        kind: str | None = None,
        object_id: str | None = None,
        before_seq: int | None = None,
        limit: int = 100,
    ) -> list[Entry]:
        """Newest first. `before_seq` continues after the last entry of an earlier call."""
        query = select(audit).order_by(audit.c.seq.desc()).limit(limit)
        if kind is not None:
            query = query.where(audit.c.kind == kind)
        if object_id is not None:
            query = query.where(audit.c.object_id == object_id)
        if before_seq is not None:
            query = query.where(audit.c.seq < before_seq)
        async with self._database.reading() as connection:
            return [_read(row) for row in (await connection.execute(query)).mappings()]


def _read(row: RowMapping) -> Entry:
    return Entry(**{**row, "changes": tuple(row["changes"] or ())})
