"""The model that memories are embedded with, and how it may fail."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence

import pytest

from jackfield.services.embedding import FAILURES, Embedder
from jackfield.stores.vectors import LONGEST_EMBEDDED

from .conftest import HandClock
from .remembering import Words


async def test_each_text_has_its_vector(clock: HandClock) -> None:
    embedder = Embedder(Words(), clock)
    one, other = await embedder.vectors(["tea", "coffee"]) or ()
    assert (one.model, one.dimensions, embedder.dimensions) == ("words", 256, 256)
    assert one.packed != other.packed
    assert embedder.failures == 0


async def test_of_a_long_text_the_beginning_stands_for_it(clock: HandClock) -> None:
    words = Words()
    await Embedder(words, clock).vectors(["x" * 50_000])
    assert words.asked == [("x" * LONGEST_EMBEDDED,)]


@pytest.mark.parametrize(
    "answer", [[], [[1.0], [1.0]], [[]], [[0.0, 0.0]], [[float("nan")]], [["x"]], None, RuntimeError("broken")]
)
async def test_whatever_goes_wrong_is_counted_and_no_more(clock: HandClock, answer: object) -> None:
    class Odd:
        model = "odd"

        async def __call__(self, texts: Sequence[str]) -> Sequence[Sequence[float]]:
            if isinstance(answer, Exception):
                raise answer
            return answer  # type: ignore[return-value]

    embedder = Embedder(Odd(), clock)
    assert await embedder.vectors(["tea"]) is None
    assert embedder.failures == 1


async def test_a_model_that_does_not_answer_is_not_waited_for(clock: HandClock) -> None:
    words = Words()
    words.hangs = True
    embedder = Embedder(words, clock, timeout_s=0.01)
    assert await asyncio.wait_for(embedder.vectors(["tea"]), 5) is None
    assert embedder.failures == 1


async def test_a_model_that_keeps_failing_is_left_alone_for_a_while(clock: HandClock) -> None:
    words = Words()
    words.error = RuntimeError("down")
    embedder = Embedder(words, clock)
    for _ in range(FAILURES + 2):
        assert await embedder.vectors(["tea"]) is None
    assert len(words.asked) == FAILURES == embedder.failures
    assert not embedder.is_well
    words.error = None
    clock.now += 6
    assert await embedder.vectors(["tea"]) is not None
    assert embedder.is_well


async def test_who_leaves_is_no_failure(clock: HandClock) -> None:
    words = Words()
    words.hangs = True
    embedder = Embedder(words, clock)
    task = asyncio.create_task(embedder.vectors(["tea"]))
    await asyncio.sleep(0)
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    assert (embedder.failures, embedder.is_well) == (0, True)


async def test_what_sees_the_request_for_an_embedding_does_not_ask_for_another(clock: HandClock) -> None:
    inner: list[object] = []

    class Nested(Words):
        async def __call__(self, texts: Sequence[str]) -> Sequence[Sequence[float]]:
            inner.append(await embedder.vectors(["seen"]))
            return await super().__call__(texts)

    embedder = Embedder(Nested(), clock)
    assert await embedder.vectors(["tea"]) is not None
    assert inner == [None]
    assert embedder.failures == 0
