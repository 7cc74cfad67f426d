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


class TooManyMemories(Exception):
    """There is no room for another memory of this user. Nothing has changed."""

    def __init__(self, user: str, most: int) -> None:
        super().__init__(f"{user} has {most:,} memories, which is the most that are kept of a user")
        self.user, self.most = user, most


class Memories(Protocol):
    """Searching needs `memory:read`, remembering `memory:write`. What lacks raises `NotGranted`; so does another user
    than the one on whose behalf the plugin runs, without `users:any`."""

    async def search(self, query: str, user: str, limit: int = 10) -> tuple[Memory, ...]:
        """The most similar first, at most 100: by meaning where an embeddings model is configured, and by words.

        By words similarity is the share that both texts have in common, where long words count for more; by meaning it
        is the cosine of their embeddings, and never below 0. Of both the larger counts; the same text is 1. Raises
        `ValueError`.
        """

    async def create(self, user: str, content: str, type: MemoryType, importance: int = 5) -> str:  # noqa: A002
        """The id. `content` has up to 32 KB. What says the same as a memory that is there already updates that one: the
        newer wording and the higher importance count. Raises `ValueError`, and `TooManyMemories` where the user has
        10,000."""
