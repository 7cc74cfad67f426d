"""What plugins may remember of users."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import cast, get_args

import structlog

from jackfield.clock import Clock
from jackfield.errors import DeadlineExceeded, JackfieldError
from jackfield.ids import new_id
from jackfield.sdk.memory import Memory, MemoryType
from jackfield.services.allowance import Allowance
from jackfield.services.base import Announcer
from jackfield.services.embedding import Embedder
from jackfield.stores.leases import Leases
from jackfield.stores.memories import StoredMemories, Unembedded
from jackfield.stores.memory_rows import Draft, StoredMemory
from jackfield.stores.memory_words import LONGEST_QUERY
from jackfield.stores.vectors import Vector

READ, WRITE = "memory:read", "memory:write"
MEMORY = frozenset({READ, WRITE})
TYPES: tuple[str, ...] = get_args(MemoryType)
MOST_IMPORTANT = 10
# In bytes of UTF-8.
LARGEST_CONTENT = 32 * 1024
LONGEST_USER = 512
MOST_FOUND = 100
DEADLINE_S = 10.0
EMBEDDED_AT_ONCE = 32
MOST_BATCHES = 50
EMBEDDED_EVERY_S = 60.0
# The lease of the worker that embeds: its owner and name, and when it counts as gone.
TURN = ("jackfield", "memory-embedding")
LONGEST_TURN_S = 600.0

log = structlog.get_logger("jackfield.memory")


class Recollection:
    """What all plugins' memories have in common: the store, the model that embeds if there is one, and who is told."""

    def __init__(
        self,
        stored: StoredMemories,
        announcer: Announcer,
        clock: Clock,
        embedder: Embedder | None = None,
        *,
        deadline_s: float = DEADLINE_S,
    ) -> None:
        self.stored, self._announcer, self._clock = stored, announcer, clock
        self.deadline_s = deadline_s
        self.embedder = embedder if stored.has_vectors else None

    async def search(self, user: str, query: str, limit: int) -> tuple[Memory, ...]:
        text = query[:LONGEST_QUERY].encode("utf-8", "replace").decode().replace("\0", " ").strip()
        if not text:
            return ()
        vector = await self._embed(text)
        found = await self.stored.search(user, text, limit, at=self._clock.wall(), vector=vector)
        return tuple(_tell(memory, similarity) for memory, similarity in found)

    async def create(self, user: str, content: str, type: str, importance: int, source: str) -> str:  # noqa: A002
        """The id. Raises `TooManyMemories`."""
        vector = await self._embed(content)
        draft = Draft(user=user, content=content, type=type, importance=importance, source=source, vector=vector)
        kept = await self.stored.keep(draft, at=self._clock.wall())
        self._announce("memory:created" if kept.created else "memory:updated", kept.memory)
        return kept.memory.id

    async def revise(self, memory: str, content: str | None, importance: int | None, *, actor: str) -> StoredMemory:
        """By an operator. Raises `NotFound`, and `Conflict` where another memory of the user says the same."""
        vector = None if content is None else await self._embed(content)
        at = self._clock.wall()
        revised = await self.stored.revise(
            memory, content=content, importance=importance, vector=vector, actor=actor, at=at
        )
        self._announce("memory:updated", revised)
        return revised

    async def forget(self, memory: str, *, actor: str) -> StoredMemory:
        """By an operator. Raises `NotFound`."""
        return await self.stored.forget(memory, actor=actor, at=self._clock.wall())

    async def forget_user(self, user: str, *, actor: str) -> int:
        """By an operator: all of one user's; how many they were."""
        return await self.stored.forget_user(user, actor=actor, at=self._clock.wall())

    async def embed_missing(self) -> int:
        """Embeds what was remembered while the model was absent, or another; how many memories, of which there may be
        more. It passes by what alone cannot be embedded, and ends where the model is ill."""
        done, after, embedder = 0, 0, self.embedder
        if embedder is None:
            return 0
        for _ in range(MOST_BATCHES):
            batch = await self.stored.unembedded(embedder.model, embedder.dimensions, EMBEDDED_AT_ONCE, after_seq=after)
            if not batch:
                break
            after = batch[-1].seq
            embedded = await _embed_batch(embedder, batch)
            await self.stored.embed(embedded)
            done += len(embedded)
            if not embedder.is_well:
                break
        return done

    async def keep_embedded(self, leases: Leases | None = None, *, every_s: float = EMBEDDED_EVERY_S) -> None:
        """Until it is cancelled; while the store fails, what is not embedded waits. With `leases` one of all workers
        does it."""
        holder = new_id("embedding")
        while self.embedder is not None:
            try:
                if leases is None:
                    await self.embed_missing()
                elif await self._take_turn(leases, holder, every_s):
                    await self.embed_missing()
                    await leases.release(*TURN, holder=holder, at=self._clock.wall(), error=None)
            except JackfieldError as error:
                log.warning("memories are not embedded", reason=error.message)
            await asyncio.sleep(every_s)

    async def _take_turn(self, leases: Leases, holder: str, every_s: float) -> bool:
        """Unless another has had it within this time."""
        now = self._clock.wall()
        await leases.introduce(*TURN, at=now - every_s)
        taken = await leases.take(
            *TURN, holder=holder, due=now, latest=now - every_s, at=now, until=now + LONGEST_TURN_S, since=now
        )
        return taken is not None

    async def _embed(self, text: str) -> Vector | None:
        vectors = await self.embedder.vectors([text]) if self.embedder is not None else None
        return vectors[0] if vectors else None

    def _announce(self, type: str, memory: StoredMemory) -> None:  # noqa: A002 - the guide's word
        told = {"memoryId": memory.id, "userId": memory.user, "type": memory.type, "importance": memory.importance}
        self._announcer.announce(type, told)


async def _embed_batch(embedder: Embedder, batch: Sequence[Unembedded]) -> list[tuple[Unembedded, Vector]]:
    """One by one where together they cannot be."""
    vectors = await embedder.vectors([memory.content for memory in batch])
    if vectors is not None:
        return list(zip(batch, vectors, strict=True))
    embedded: list[tuple[Unembedded, Vector]] = []
    for memory in batch:
        if not embedder.is_well:
            break
        if (alone := await embedder.vectors([memory.content])) is not None:
            embedded.append((memory, alone[0]))
    return embedded


class PluginMemories:
    """`Memories` for one plugin."""

    __slots__ = ("_allowance", "_recollection")

    def __init__(self, allowance: Allowance, recollection: Recollection) -> None:
        self._allowance, self._recollection = allowance, recollection

    async def search(self, query: str, user: str, limit: int = 10) -> tuple[Memory, ...]:
        self._begin(READ, user)
        if not isinstance(query, str):
            raise ValueError(f"query: is {type(query).__name__}, not text")
        check_whole("limit", limit, MOST_FOUND)
        async with self._deadline("search"):
            return await self._recollection.search(user, query, limit)

    async def create(self, user: str, content: str, type: MemoryType, importance: int = 5) -> str:  # noqa: A002
        self._begin(WRITE, user)
        check_content(content)
        if type not in TYPES:
            raise ValueError(f"type: {type!r:.100} is none of {', '.join(TYPES)}")
        check_whole("importance", importance, MOST_IMPORTANT)
        async with self._deadline("create"):
            source = f"plugin:{self._allowance.plugin}"
            return await self._recollection.create(user, content, type, importance, source)

    def _begin(self, permission: str, user: str) -> None:
        self._allowance.take(permission)
        check_text("user", user, LONGEST_USER)
        self._allowance.check_user(user)

    @asynccontextmanager
    async def _deadline(self, verb: str) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout(self._recollection.deadline_s):
                yield
        except TimeoutError as error:
            told = f"memory.{verb} took more than {self._recollection.deadline_s:g} s"
            raise DeadlineExceeded(told, plugin=self._allowance.plugin) from error


def check_content(content: str) -> None:
    """Raises `ValueError`."""
    check_text("content", content, LARGEST_CONTENT)
    if content.isspace():
        raise ValueError("content: is blank")


def check_text(name: str, text: str, most: int) -> None:
    """Whether it can be kept everywhere. Raises `ValueError`."""
    if not isinstance(text, str):
        raise ValueError(f"{name}: is {type(text).__name__}, not text")
    try:
        size = len(text.encode())
    except UnicodeEncodeError as error:
        raise ValueError(f"{name}: is not valid Unicode") from error
    if not 1 <= size <= most:
        raise ValueError(f"{name}: has {size:,} bytes; 1 to {most:,} are kept")
    if "\0" in text:
        raise ValueError(f"{name}: holds a NUL")


def check_whole(name: str, number: int, most: int) -> None:
    """Raises `ValueError`."""
    if type(number) is not int or not 1 <= number <= most:
        raise ValueError(f"{name}: {number!r:.100} is no whole number from 1 to {most}")


def _tell(memory: StoredMemory, similarity: float) -> Memory:
    return Memory(
        id=memory.id,
        content=memory.content,
        type=cast(MemoryType, memory.type),
        importance=memory.importance,
        similarity=similarity,
        created_at=datetime.fromtimestamp(memory.created_at, UTC),
    )
