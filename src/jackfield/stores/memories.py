"""What is remembered of users. Each change of one user's memories sees all that the one before it has done."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any

import msgspec
from sqlalchemy import and_, delete, func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from jackfield.errors import Conflict, NotFound
from jackfield.sdk.memory import TooManyMemories
from jackfield.stores.audit import AuditLog, Entry
from jackfield.stores.database import Database
from jackfield.stores.memory_rows import (
    SHOWN,
    Draft,
    StoredMemory,
    Wording,
    first_memory,
    insert_memory,
    newest_change,
    rewrite_memory,
    set_vector,
    stored,
)
from jackfield.stores.memory_search import Ranked, Search, find, nearest
from jackfield.stores.memory_words import Words, digest_of
from jackfield.stores.pgvector import find_vectors
from jackfield.stores.tables import memories
from jackfield.stores.vectors import LONGEST_EMBEDDED, Vector

MOST_OF_A_USER = 10_000
# Two memories as near as this say the same.
SAME = 0.95
# How often a memory that is found again and again is noted as such: each note is a write.
NOTED_EVERY_S = 3600.0
# A user with ten thousand memories has a hundred thousand words.
FORGOTTEN_AT_ONCE = 200


class Kept(msgspec.Struct, frozen=True):
    memory: StoredMemory
    created: bool


class Unembedded(msgspec.Struct, frozen=True):
    """A memory without an embedding by the model of now. `change` tells whether it was changed since."""

    seq: int
    change: int
    content: str


class StoredMemories:
    """`has_vectors` is whether the database can compare embeddings; it is known once this was opened."""

    has_vectors = True

    def __init__(self, database: Database) -> None:
        self._database, self._audit = database, AuditLog(database)

    async def open(self) -> None:
        self.has_vectors = await find_vectors(self._database)

    async def search(
        self, user: str, text: str, limit: int, *, at: float, vector: Vector | None = None
    ) -> list[tuple[StoredMemory, float]]:
        """Memories of this user alone and how similar each is, the most similar first; see `memory_search`."""
        wanted = Search(user=user, words=Words.of(user, text), digest=digest_of(text), vector=vector, limit=limit)
        async with self._database.reading() as connection:
            found = await find(connection, wanted)
        unnoted = [memory.seq for memory, _ in found if memory.last_accessed < at - NOTED_EVERY_S]
        if unnoted:
            async with self._database.writing() as transaction:
                noted = update(memories).where(memories.c.seq.in_(unnoted)).values(last_accessed=at)
                await transaction.execute(noted)
        return found

    async def keep(self, draft: Draft, *, at: float) -> Kept:
        """Makes a memory, or updates the one that says the same: then the newer wording counts, and the higher
        importance. Raises `TooManyMemories`."""
        seen, near = await self._look_around(draft)
        wording = Wording.of(draft.user, draft.content, draft.vector)
        async with self._changing(draft.user) as transaction:
            same = await self._same(transaction, draft, wording.digest, seen, near)
            if same is not None:
                changed = {"importance": max(same.importance, draft.importance), "updated_at": at}
                return Kept(await rewrite_memory(transaction, self._database, same, wording, **changed), False)
            own = select(func.count()).select_from(memories).where(memories.c.user == draft.user)
            if (await transaction.execute(own)).scalar_one() >= MOST_OF_A_USER:
                raise TooManyMemories(draft.user, MOST_OF_A_USER)
            return Kept(await insert_memory(transaction, self._database, draft, wording, at), True)

    async def revise(
        self,
        memory: str,
        *,
        actor: str,
        at: float,
        content: str | None = None,
        importance: int | None = None,
        vector: Vector | None = None,
    ) -> StoredMemory:
        """What is `None` stays; `vector` is the embedding of the content. Raises `NotFound`, and `Conflict` where
        another memory of the user says the same."""
        user = (await self.get(memory)).user
        wording = None if content is None else Wording.of(user, content, vector)
        async with self._changing(user) as transaction:
            before = await _one(transaction, memory)
            if wording is not None:
                await _refuse_same(transaction, before, wording.digest)
            changed = {"importance": before.importance if importance is None else importance, "updated_at": at}
            after = await rewrite_memory(transaction, self._database, before, wording, **changed)
            await self._record(transaction, "update", actor, at, before, after)
        return after

    async def forget(self, memory: str, *, actor: str, at: float) -> StoredMemory:
        """Raises `NotFound`."""
        user = (await self.get(memory)).user
        async with self._changing(user) as transaction:
            before = await _one(transaction, memory)
            await transaction.execute(delete(memories).where(memories.c.seq == before.seq))
            await self._record(transaction, "delete", actor, at, before, None)
        return before

    async def forget_user(self, user: str, *, actor: str, at: float) -> int:
        """All of one user's; how many they were. Other writers get their turn in between."""
        forgotten = 0
        while True:
            gone = await self._forget_some(user, actor, at)
            forgotten += gone
            if gone < FORGOTTEN_AT_ONCE:
                return forgotten

    async def _forget_some(self, user: str, actor: str, at: float) -> int:
        oldest = select(memories.c.seq).where(memories.c.user == user).order_by(memories.c.seq).limit(FORGOTTEN_AT_ONCE)
        gone = delete(memories).where(memories.c.seq.in_(oldest.scalar_subquery())).returning(memories.c.digest)
        async with self._changing(user) as transaction:
            digests = sorted((await transaction.execute(gone)).scalars())
            if digests:
                entry = _entry("delete_all", actor, at, user, _digest(digests), None)
                await self._audit.append(transaction, entry)
        return len(digests)

    async def get(self, memory: str) -> StoredMemory:
        """Raises `NotFound`."""
        async with self._database.reading() as connection:
            return await _one(connection, memory)

    async def page(self, user: str, limit: int, before_seq: int | None = None) -> list[StoredMemory]:
        """Newest first. `before_seq` continues after the last of an earlier call."""
        query = select(*SHOWN).where(memories.c.user == user).order_by(memories.c.seq.desc()).limit(limit)
        if before_seq is not None:
            query = query.where(memories.c.seq < before_seq)
        async with self._database.reading() as connection:
            return [stored(row) for row in await connection.execute(query)]

    async def unembedded(
        self, model: str, dimensions: int | None, limit: int, *, after_seq: int = 0
    ) -> list[Unembedded]:
        """Oldest first; those of other dimensions too, where the model's are known."""
        lacking = or_(memories.c.model.is_(None), memories.c.model != model)
        if dimensions is not None:
            lacking = or_(lacking, memories.c.dimensions != dimensions)
        query = select(memories.c.seq, memories.c.change, memories.c.content)
        query = query.where(lacking, memories.c.seq > after_seq)
        async with self._database.reading() as connection:
            rows = await connection.execute(query.order_by(memories.c.seq).limit(limit))
            return [Unembedded(*row) for row in rows]

    async def embed(self, embedded: Sequence[tuple[Unembedded, Vector]]) -> None:
        """What was changed or forgotten meanwhile stays as it is."""
        async with self._database.writing() as transaction:
            for memory, vector in embedded:
                unchanged = and_(memories.c.seq == memory.seq, memories.c.change == memory.change)
                noted = update(memories).where(unchanged).values(model=vector.model, dimensions=vector.dimensions)
                if (await transaction.execute(noted)).rowcount:
                    await set_vector(transaction, self._database, memory.seq, vector)

    def _changing(self, user: str) -> AbstractAsyncContextManager[AsyncConnection]:
        return self._database.writing(subject=f"memories:{user}")

    async def _look_around(self, draft: Draft) -> tuple[int, Ranked]:
        """Before anybody is made to wait: the newest change so far, and the nearest memory."""
        if draft.vector is None or not _is_whole(draft):
            return 0, ()
        async with self._database.reading() as connection:
            seen = await newest_change(connection, draft.user)
            return seen, await nearest(connection, draft.user, draft.vector, 1, _WHOLE)

    async def _same(
        self, transaction: AsyncConnection, draft: Draft, digest: str, seen: int, near: Ranked
    ) -> StoredMemory | None:
        """The memory that says the same, if one does. What has changed since it was looked around is compared now."""
        mine, change = memories.c.user == draft.user, memories.c.change
        same = await first_memory(transaction, mine, memories.c.digest == digest)
        if same is not None or draft.vector is None or not _is_whole(draft):
            return same
        fresh = await nearest(transaction, draft.user, draft.vector, 1, _WHOLE, change > seen)
        known = [(*one, change > seen) for one in fresh] + [(*one, change <= seen) for one in near]
        for seq, similarity, still in sorted(known, key=lambda one: -one[1]):
            if similarity >= SAME and (same := await first_memory(transaction, memories.c.seq == seq, still)):
                return same
        return None

    async def _record(
        self,
        transaction: AsyncConnection,
        action: str,
        actor: str,
        at: float,
        before: StoredMemory,
        after: StoredMemory | None,
    ) -> None:
        told = _entry(action, actor, at, before.id, _body_digest(before), _body_digest(after) if after else None)
        await self._audit.append(transaction, told)


# Embeddings of longer texts are near one another where these begin alike.
_WHOLE = func.length(memories.c.content) <= LONGEST_EMBEDDED


def _is_whole(draft: Draft) -> bool:
    return len(draft.content) <= LONGEST_EMBEDDED


async def _one(connection: AsyncConnection, memory: str) -> StoredMemory:
    found = await first_memory(connection, memories.c.id == memory)
    if found is None:
        raise NotFound("There is no such memory")
    return found


async def _refuse_same(transaction: AsyncConnection, memory: StoredMemory, digest: str) -> None:
    other = await first_memory(transaction, memories.c.user == memory.user, memories.c.digest == digest)
    if other is not None and other.seq != memory.seq:
        raise Conflict(f"memory {other.id} of this user says the same already", param="content")


def _entry(action: str, actor: str, at: float, subject: str, before: str, after: str | None) -> Entry:
    """Memories are no control objects: they have no revision."""
    return Entry(
        at=at,
        actor=actor,
        action=action,
        kind="memory",
        object_id=subject,
        namespace="default",
        revision=0,
        before_digest=before,
        after_digest=after,
    )


def _body_digest(memory: StoredMemory) -> str:
    return _digest([memory.content, memory.importance, memory.type, memory.user])


def _digest(value: Any) -> str:
    return hashlib.sha256(msgspec.json.encode(value)).hexdigest()
