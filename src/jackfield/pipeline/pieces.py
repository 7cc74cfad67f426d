"""A stream in a framing of its provider's own, as the events of its format."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress

from jackfield.pipeline.exchange import State
from jackfield.sdk.providers import StreamReader

# Who has said all is let end by itself, so that the connection can be used again.
LEAVING_S = 0.1


class ReadPieces:
    """An iterator and no generator: who leaves it has nothing to close but the answer."""

    __slots__ = ("_over", "_pieces", "_reader", "_state")

    def __init__(self, pieces: AsyncIterator[bytes], reader: StreamReader, state: State) -> None:
        self._pieces, self._reader, self._state = pieces, reader, state
        self._over = False

    def __aiter__(self) -> ReadPieces:
        return self

    async def __anext__(self) -> bytes:
        reader = self._reader
        while not self._over:
            if reader.ended:
                return await self._leave()
            piece = await anext(self._pieces, None)
            self._over = piece is None
            passed = reader.finish() if piece is None else reader.feed(piece)
            self._state.stated_cost_usd = reader.cost_usd
            if passed:
                return passed
        raise StopAsyncIteration

    async def _leave(self) -> bytes:
        """Nothing that comes after the end is of any interest."""
        self._over = True
        with suppress(TimeoutError):
            async with asyncio.timeout(LEAVING_S):
                while await anext(self._pieces, None) is not None:
                    continue
        raise StopAsyncIteration
