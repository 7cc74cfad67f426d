"""What is remembered of users."""

from __future__ import annotations

from datetime import datetime
from typing import Literal, Protocol

import msgspec

MemoryType = Literal["episodic", "semantic", "procedural"]


class Memory(msgspec.Struct, frozen=True, kw_only=True):
    """`similarity` is to what was searched for, from 0 to 1. `importance` is 1 to 10."""

    id: str
    content: str
    type: MemoryType
    importance: int
    similarity: float
    created_at: datetime


class Memories(Protocol):
    """Searching needs `memory:read`, remembering `memory:write`. What lacks raises `NotGranted`; so does another user
    than the one on whose behalf the plugin runs, without `users:any`."""

    async def search(self, query: str, user: str, limit: int = 10) -> tuple[Memory, ...]:
        """The most similar first: by meaning where an embeddings model is configured, and by words."""

    async def create(self, user: str, content: str, type: MemoryType, importance: int = 5) -> str:  # noqa: A002
        """The id. What says the same as a memory that is there already updates that one. Raises `ValueError`."""
