"""Finding memories: by the words that they share with a text, by how near their embedding is, or by both.

How similar a memory is goes from 0 to 1. By words it is the cosine of the words of both texts, long ones being heavy.
By meaning it is the cosine of both embeddings, where what points away counts as 0. Where a memory is found in both ways
the larger one counts. The same text is 1.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from sqlalchemy import BigInteger, ColumnElement, FromClause, Row, and_, bindparam, case, func, literal, null, select
from sqlalchemy.ext.asyncio import AsyncConnection

from jackfield.stores.memory_rows import SHOWN, StoredMemory, stored
from jackfield.stores.memory_words import Words
from jackfield.stores.tables import memories, memory_vectors, memory_words
from jackfield.stores.vectors import Vector, distance_to, teach_distance

# Reciprocal rank fusion: how little it matters whether something is first or tenth.
FLATNESS = 60
# How many more of each way are looked at than are wanted.
OVER_FETCH = 2


class Search(msgspec.Struct, frozen=True, kw_only=True):
    """`digest` is that of the text that is searched for."""

    user: str
    words: Words
    digest: str
    vector: Vector | None
    limit: int


Ranked = Sequence[tuple[int, float]]


async def find(connection: AsyncConnection, search: Search) -> list[tuple[StoredMemory, float]]:
    """What is found, and how similar it is, the most similar first."""
    by_words = await _by_words(connection, search)
    by_meaning: Ranked = ()
    if search.vector is not None:
        by_meaning = await nearest(connection, search.user, search.vector, search.limit * OVER_FETCH)
    chosen = fuse((by_words, by_meaning))[: search.limit]
    if not chosen:
        return []
    rows, words = await _rows(connection, search, chosen), dict(by_words)
    every = ((stored(row), _similarity(row, search, words)) for row in rows)
    found = [(memory, similarity) for memory, similarity in every if similarity > 0]
    return sorted(found, key=lambda one: (-one[1], -one[0].importance, -one[0].updated_at, one[0].seq))


async def nearest(
    connection: AsyncConnection, user: str, vector: Vector, limit: int, *condition: ColumnElement[bool]
) -> Ranked:
    """By meaning alone: `seq` and similarity, the nearest first."""
    apart = await _distance(connection, vector)
    query = (
        select(memories.c.seq, apart.label("apart"))
        .select_from(memories.join(memory_vectors, memory_vectors.c.memory == memories.c.seq))
        .where(memories.c.user == user, _comparable(vector), *condition)
        .order_by("apart", memories.c.seq)
        .limit(limit)
    )
    return [(seq, _clamped(1 - apart)) for seq, apart in await connection.execute(query)]


def fuse(rankings: Sequence[Ranked]) -> list[int]:
    """The best first: what stands high in several rankings before what stands high in one."""
    scores: dict[int, float] = {}
    for ranking in rankings:
        for place, (seq, _) in enumerate(ranking, 1):
            scores[seq] = scores.get(seq, 0.0) + 1 / (FLATNESS + place)
    return sorted(scores, key=lambda seq: (-scores[seq], seq))


async def _by_words(connection: AsyncConnection, search: Search) -> Ranked:
    words = search.words
    if not words.weights:
        return ()
    found = memory_words.c
    numbers = bindparam("words", sorted(words.weights), type_=BigInteger, expanding=True)
    similarity = func.sum(found.weight * found.weight) / (memories.c.length * literal(words.length))
    query = (
        select(memories.c.seq, similarity.label("similarity"))
        .select_from(memory_words.join(memories, found.memory == memories.c.seq))
        .where(found.word.in_(numbers), memories.c.user == search.user)
        .group_by(memories.c.seq, memories.c.length)
        .order_by(similarity.desc(), memories.c.seq)
        .limit(search.limit * OVER_FETCH)
    )
    return [(seq, _clamped(similar)) for seq, similar in await connection.execute(query)]


async def _rows(connection: AsyncConnection, search: Search, chosen: Sequence[int]) -> Sequence[Row[*tuple[Any, ...]]]:
    apart: ColumnElement[Any] = null()
    source: FromClause = memories
    if search.vector is not None:
        there = memory_vectors.c.embedding.is_not(None)
        apart = case((there, await _distance(connection, search.vector)))
        its_own = and_(memory_vectors.c.memory == memories.c.seq, _comparable(search.vector))
        source = memories.outerjoin(memory_vectors, its_own)
    query = select(*SHOWN, apart.label("apart")).select_from(source)
    query = query.where(memories.c.seq.in_(chosen), memories.c.user == search.user)
    return list(await connection.execute(query))


async def _distance(connection: AsyncConnection, vector: Vector) -> ColumnElement[float]:
    if connection.dialect.name == "sqlite":
        await teach_distance(connection)
    return distance_to(memory_vectors.c.embedding, vector, connection.dialect.name)


def _comparable(vector: Vector) -> ColumnElement[bool]:
    return and_(memories.c.model == vector.model, memories.c.dimensions == vector.dimensions)


def _similarity(row: Row[Any], search: Search, by_words: Mapping[int, float]) -> float:
    if row.digest == search.digest:
        return 1.0
    meant = 0.0 if row.apart is None else _clamped(1 - row.apart)
    return max(meant, by_words.get(row.seq, 0.0))


def _clamped(similarity: float) -> float:
    """Without what comes of counting in float32."""
    return round(min(1.0, max(0.0, similarity)), 6)
