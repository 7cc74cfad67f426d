"""Embeddings for the gateway's own use, by a model that it may be without at any time."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextvars import ContextVar
from typing import Protocol

import structlog

from jackfield.breaker import Breaker
from jackfield.clock import Clock
from jackfield.settings import conceal
from jackfield.stores.vectors import LONGEST_EMBEDDED, Vector
from jackfield.telemetry.text import describe_error, escape_halves

EMBEDDING_S = 5.0
# After so many failures in a row it is left alone for a while.
FAILURES = 3

# A plugin that sees the request for an embedding may remember something itself: that must not ask for another one.
_embedding: ContextVar[bool] = ContextVar("jackfield_embedding", default=False)

log = structlog.get_logger("jackfield.memory")


class Embed(Protocol):
    """Embeds texts with the model of this name. May raise anything, and take any time."""

    @property
    def model(self) -> str: ...

    async def __call__(self, texts: Sequence[str]) -> Sequence[Sequence[float]]:
        """One embedding for each text, in their order."""


class Embedder:
    """`failures` counts the calls that gave nothing; `dimensions` are those of the last embedding."""

    def __init__(self, embed: Embed, clock: Clock, *, timeout_s: float = EMBEDDING_S) -> None:
        self.model = embed.model
        self.dimensions: int | None = None
        self.failures = 0
        self._embed, self._timeout_s = embed, timeout_s
        self._breaker = Breaker(clock.monotonic, failures=FAILURES)

    @property
    def is_well(self) -> bool:
        """Unless it has failed so often that it is left alone."""
        return self._breaker.state == "closed"

    async def vectors(self, texts: Sequence[str]) -> tuple[Vector, ...] | None:
        """`None` where it failed. A boundary: whatever goes wrong is counted and logged."""
        if _embedding.get() or not self._breaker.allow():
            return None
        under_way = _embedding.set(True)
        try:
            async with asyncio.timeout(self._timeout_s):
                numbers = await self._embed([text[:LONGEST_EMBEDDED] for text in texts])
            vectors = tuple(Vector.of(self.model, one) for one in numbers)
            if len(vectors) != len(texts):
                raise ValueError(f"{len(vectors)} embeddings came for {len(texts)} texts")
        except Exception as error:  # noqa: BLE001 - a boundary: memories are found by their words then
            self._fail(f"nothing within {self._timeout_s:g} s" if isinstance(error, TimeoutError) else error)
            return None
        except BaseException:
            self._breaker.abandon()
            raise
        finally:
            _embedding.reset(under_way)
        self._breaker.success()
        self.dimensions = vectors[-1].dimensions if vectors else self.dimensions
        return vectors

    def _fail(self, error: Exception | str) -> None:
        self._breaker.failure()
        self.failures += 1
        reason = error if isinstance(error, str) else describe_error(error)
        log.warning("embedding_failed", model=self.model, reason=conceal(escape_halves(reason)))
