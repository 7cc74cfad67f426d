"""Control objects of every kind in one table, each change with the next revision of the whole store."""

from __future__ import annotations

from typing import Any

import msgspec
from sqlalchemy import Row, Select, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from jackfield.errors import Conflict, NotFound
from jackfield.stores.database import Database
from jackfield.stores.tables import objects, revisions


class StoredObject(msgspec.Struct, frozen=True):
    """`revision` is the store's at the last change. A deleted object keeps its row, without body, so that
    others learn of it."""

    kind: str
    id: str
    namespace: str
    revision: int
    body: dict[str, Any] | None
    created_at: float
    updated_at: float
    deleted: bool


class Change(msgspec.Struct, frozen=True):
    before: StoredObject | None
    after: StoredObject


class Objects:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def get(self, kind: str, id: str) -> StoredObject | None:  # noqa: A002 - the column's name
        async with self._database.reading() as connection:
            found = await _find(connection, kind, id)
        return None if found is None or found.deleted else found

    async def list(self, kind: str) -> tuple[StoredObject, ...]:
        """In the order they were made; without the deleted."""
        query = select(objects).where(objects.c.kind == kind, objects.c.deleted.is_(False))
        return await self._read(query.order_by(objects.c.created_at, objects.c.id))

    async def changes_since(self, revision: int) -> tuple[StoredObject, ...]:
        """Objects changed after `revision`, each once as it now is, deleted ones included, in order of
        revision."""
        return await self._read(select(objects).where(objects.c.revision > revision).order_by(objects.c.revision))

    async def revision(self) -> int:
        """Of the last change to anything. One row is read: cheap enough to ask several times a second."""
        async with self._database.reading() as connection:
            return int((await connection.execute(select(revisions.c.value))).scalar_one())

    async def _read(self, query: Select[Any]) -> tuple[StoredObject, ...]:
        async with self._database.reading() as connection:
            return tuple(_stored(row) for row in await connection.execute(query))

    async def put(
        self,
        transaction: AsyncConnection,
        kind: str,
        id: str,  # noqa: A002
        body: dict[str, Any],
        *,
        namespace: str,
        at: float,
        expected_revision: int | None = None,
    ) -> Change:
        """Creates or replaces. `expected_revision` is the one that the caller has seen: 0 for none, `None`
        for whatever."""
        revision = await next_revision(transaction)
        before = _living(await _find(transaction, kind, id))
        _expect(kind, id, before, expected_revision)
        created_at = before.created_at if before else at
        after = StoredObject(kind, id, namespace, revision, body, created_at, at, False)
        await self._write(transaction, after)
        return Change(before, after)

    async def delete(
        self,
        transaction: AsyncConnection,
        kind: str,
        id: str,  # noqa: A002
        *,
        at: float,
        expected_revision: int | None = None,
    ) -> Change:
        revision = await next_revision(transaction)
        before = _living(await _find(transaction, kind, id))
        if before is None:
            raise NotFound(f"there is no {kind} {id}")
        _expect(kind, id, before, expected_revision)
        after = msgspec.structs.replace(before, revision=revision, body=None, updated_at=at, deleted=True)
        await self._write(transaction, after)
        return Change(before, after)

    async def _write(self, transaction: AsyncConnection, stored: StoredObject) -> None:
        values = msgspec.structs.asdict(stored)
        statement = self._database.backend.insert(objects).values(values)
        await transaction.execute(statement.on_conflict_do_update(index_elements=["kind", "id"], set_=values))


async def next_revision(transaction: AsyncConnection) -> int:
    statement = update(revisions).values(value=revisions.c.value + 1).returning(revisions.c.value)
    return int((await transaction.execute(statement)).scalar_one())


async def _find(connection: AsyncConnection, kind: str, object_id: str) -> StoredObject | None:
    query = select(objects).where(objects.c.kind == kind, objects.c.id == object_id)
    row = (await connection.execute(query)).one_or_none()
    return None if row is None else _stored(row)


def _stored(row: Row[Any]) -> StoredObject:
    return StoredObject(**row._mapping)


def _living(stored: StoredObject | None) -> StoredObject | None:
    return None if stored is None or stored.deleted else stored


def _expect(kind: str, object_id: str, before: StoredObject | None, expected: int | None) -> None:
    found = before.revision if before else 0
    if expected is None or expected == found:
        return
    if before is None:
        raise Conflict(f"{kind} {object_id} is not there, yet revision {expected} was expected")
    if expected == 0:
        raise Conflict(f"{kind} {object_id} is there already, at revision {found}")
    raise Conflict(f"{kind} {object_id} is at revision {found}, not {expected}: it was changed meanwhile")
