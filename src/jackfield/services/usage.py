"""What one plugin may know of usage and prices."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import msgspec

from jackfield.control.prices import PriceTable
from jackfield.control.usage import UsageHistory, UsageQuery
from jackfield.errors import DeadlineExceeded, Malformed
from jackfield.sdk.prices import Price
from jackfield.services.allowance import Allowance

READ = "usage:read"
DEADLINE_S = 10.0


class Books(msgspec.Struct, frozen=True):
    """What a gateway has recorded and what it reckons with. `flush` writes what this worker still has in memory."""

    history: UsageHistory
    prices: PriceTable
    flush: Callable[[], Awaitable[object]]


class PluginLedger:
    """`Ledger` for one plugin."""

    __slots__ = ("_allowance", "_books")

    def __init__(self, allowance: Allowance, books: Books) -> None:
        self._allowance, self._books = allowance, books

    async def query(self, asked: Mapping[str, str]) -> Mapping[str, Any]:
        self._allowance.take(READ)
        query = _parse(asked)
        async with _in_time():
            await self._books.flush()
            return await self._books.history.tell(query)

    async def percentiles(self, measure: str, asked: Mapping[str, str]) -> Mapping[str, Any]:
        self._allowance.take(READ)
        query = _parse(asked)
        async with _in_time():
            await self._books.flush()
            try:
                ranks = await self._books.history.rank(query, measure)
            except Malformed as error:
                raise ValueError(error.message) from error
        return msgspec.structs.asdict(ranks)

    async def prices(self) -> tuple[tuple[Price, ...], ...]:
        self._allowance.take(READ)
        return self._books.prices.lists


def _parse(asked: Mapping[str, str]) -> UsageQuery:
    """Raises `ValueError`."""
    if not all(isinstance(text, str) for pair in asked.items() for text in pair):
        raise ValueError("what is asked for is parameters and their values, each as text")
    try:
        return UsageQuery.parse(asked)
    except Malformed as error:
        raise ValueError(error.message) from error


@asynccontextmanager
async def _in_time() -> AsyncIterator[None]:
    """Raises `DeadlineExceeded`."""
    try:
        async with asyncio.timeout(DEADLINE_S):
            yield
    except TimeoutError as error:
        raise DeadlineExceeded(f"the ledger did not answer within {DEADLINE_S:g} s") from error
