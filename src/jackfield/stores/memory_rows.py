"""A memory's rows: itself, its words, and its embedding."""

from __future__ import annotations

from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Row, delete, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from jackfield.ids import new_id
from jackfield.stores.database import Database
from jackfield.stores.memory_words import Words, digest_of
from jackfield.stores.tables import memories, memory_vectors, memory_words
from jackfield.stores.vectors import Vector


class StoredMemory(msgspec.Struct, frozen=True, kw_only=True):
    """`model` is that of its embedding, `None` where it has none."""

    seq: int
    id: str
    user: str
    type: str
    content: str
    importance: int
    source: str
    created_at: float
    updated_at: float
    last_accessed: float
    model: str | None
    digest: str


class Draft(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be remembered. `vector` is the embedding of `content`."""

    user: str
    content: str
    type: str
    importance: int
    source: str
    vector: Vector | None = None


class Wording(msgspec.Struct, frozen=True):
    content: str
    digest: str
    words: Words
    vector: Vector | None

    @classmethod
    def of(cls, user: str, content: str, vector: Vector | None) -> Wording:
        return cls(content, digest_of(content), Words.of(user, content), vector)

    def columns(self) -> dict[str, Any]:
        vector = self.vector
        return {
            "content": self.content,
            "digest": self.digest,
            "length": self.words.length,
            "model": vector.model if vector else None,
            "dimensions": vector.dimensions if vector else None,
        }


SHOWN = tuple(memories.c[name] for name in StoredMemory.__struct_fields__)


def stored(row: Row[Any]) -> StoredMemory:
    return StoredMemory(**{name: row._mapping[name] for name in StoredMemory.__struct_fields__})


async def first_memory(connection: AsyncConnection, *conditions: ColumnElement[bool]) -> StoredMemory | None:
    row = (await connection.execute(select(*SHOWN).where(*conditions))).one_or_none()
    return None if row is None else stored(row)


async def newest_change(connection: AsyncConnection, user: str) -> int:
    """The number of the last change of this user's memories."""
    query = select(func.max(memories.c.change)).where(memories.c.user == user)
    return (await connection.execute(query)).scalar() or 0


async def insert_memory(
    transaction: AsyncConnection, database: Database, draft: Draft, wording: Wording, at: float
) -> StoredMemory:
    columns = {
        "id": new_id("mem"),
        "user": draft.user,
        "change": await newest_change(transaction, draft.user) + 1,
        "type": draft.type,
        "importance": draft.importance,
        "source": draft.source,
        **dict.fromkeys(("created_at", "updated_at", "last_accessed"), at),
        **wording.columns(),
    }
    row = (await transaction.execute(insert(memories).values(columns).returning(*SHOWN))).one()
    await _write_wording(transaction, database, row.seq, wording)
    return stored(row)


async def rewrite_memory(
    transaction: AsyncConnection, database: Database, memory: StoredMemory, wording: Wording | None, **columns: Any
) -> StoredMemory:
    """Without a `wording` that stays as it is."""
    seq = memory.seq
    columns["change"] = await newest_change(transaction, memory.user) + 1
    if wording is not None:
        columns |= wording.columns()
        await transaction.execute(delete(memory_words).where(memory_words.c.memory == seq))
        await transaction.execute(delete(memory_vectors).where(memory_vectors.c.memory == seq))
        await _write_wording(transaction, database, seq, wording)
    changed = update(memories).where(memories.c.seq == seq).values(columns).returning(*SHOWN)
    return stored((await transaction.execute(changed)).one())


async def _write_wording(transaction: AsyncConnection, database: Database, seq: int, wording: Wording) -> None:
    weights = wording.words.weights.items()
    if weights:
        rows = [{"memory": seq, "word": word, "weight": weight} for word, weight in weights]
        await transaction.execute(insert(memory_words), rows)
    if wording.vector is not None:
        await set_vector(transaction, database, seq, wording.vector)


async def set_vector(transaction: AsyncConnection, database: Database, seq: int, vector: Vector) -> None:
    row = database.backend.insert(memory_vectors).values(memory=seq, embedding=vector.packed)
    replaced = row.on_conflict_do_update(index_elements=["memory"], set_={"embedding": row.excluded.embedding})
    await transaction.execute(replaced)
