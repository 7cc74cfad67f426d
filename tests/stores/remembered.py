"""Memories for tests: in few words, with embeddings by hashed words."""

from __future__ import annotations

from typing import Any

from jackfield.plugins.echo import embed_text
from jackfield.stores.memories import Kept, StoredMemories
from jackfield.stores.memory_rows import Draft
from jackfield.stores.vectors import Vector

DAY_S = 86_400.0


def embedded(text: str, model: str = "words", dimensions: int = 256) -> Vector:
    return Vector.of(model, embed_text(text, dimensions))


async def keep(
    memories: StoredMemories, content: str, *, user: str = "u", at: float = DAY_S, meant: bool = False, **fields: Any
) -> Kept:
    """`meant` is with an embedding."""
    vector = embedded(content) if meant else None
    given = {"type": "semantic", "importance": 5, "source": "plugin:p", "vector": vector} | fields
    return await memories.keep(Draft(user=user, content=content, **given), at=at)


async def contents(memories: StoredMemories, user: str = "u") -> list[str]:
    """Newest first."""
    return [memory.content for memory in await memories.page(user, 1000)]


async def found(
    memories: StoredMemories, query: str, *, user: str = "u", limit: int = 10, vector: Vector | None = None
) -> dict[str, float]:
    """Contents and similarities, in order."""
    every = await memories.search(user, query, limit, at=DAY_S, vector=vector)
    return {memory.content: similarity for memory, similarity in every}
