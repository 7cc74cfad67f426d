"""Many who remember the same at once: other tasks, and other connections as another worker has them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest

from jackfield.sdk.memory import TooManyMemories
from jackfield.stores import memories as shelf
from jackfield.stores.memories import StoredMemories

from .conftest import Place
from .remembered import contents, keep

ALIKE = (
    "prefers dark mode at night",
    "at night prefers dark mode",
    "Prefers dark mode at night.",
    "mode dark at night prefers",
)


@pytest.fixture
async def workers(place: Place) -> AsyncIterator[list[StoredMemories]]:
    async with AsyncExitStack() as stack:
        yield [StoredMemories(await stack.enter_async_context(place.open())) for _ in range(2)]


@pytest.mark.parametrize("meant", [False, True])
async def test_of_the_same_memory_one_is_made(workers: list[StoredMemories], meant: bool) -> None:
    texts = ALIKE if meant else ("Likes tea", "likes  tea", "likes tea.", "LIKES TEA")
    kept = await asyncio.gather(
        *(
            keep(worker, text, meant=meant, importance=place)
            for worker in workers
            for place, text in enumerate(texts, 1)
        )
    )
    assert sum(one.created for one in kept) == 1
    assert len({one.memory.id for one in kept}) == 1
    (memory,) = await workers[0].page("u", 10)
    assert memory.importance == len(texts)


async def test_the_limit_holds(workers: list[StoredMemories], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shelf, "MOST_OF_A_USER", 5)
    tries = [keep(worker, f"{place} {number}") for place, worker in enumerate(workers) for number in range(6)]
    kept = await asyncio.gather(*tries, return_exceptions=True)
    assert sum(isinstance(one, TooManyMemories) for one in kept) == 7
    assert len(await contents(workers[0])) == 5


async def test_who_forgets_and_who_remembers_do_not_meet_half_way(workers: list[StoredMemories]) -> None:
    one, other = workers
    await keep(one, "likes tea", meant=True)
    again = [keep(worker, "Likes tea", meant=True) for worker in workers for _ in range(4)]
    gone, *kept = await asyncio.gather(other.forget_user("u", actor="a", at=0.0), *again)
    assert gone == 1
    assert sum(kept_one.created for kept_one in kept) == len(await contents(one)) <= 1
