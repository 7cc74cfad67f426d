"""What a client that waits is told."""

from __future__ import annotations

import asyncio

from jackfield.mcp.progress import MOST_WAITING, ProgressTeller, progress_told
from jackfield.sdk.tools import progress_listener

Told = list[tuple[float, str | None]]


def teller(told: Told, heartbeat_s: float = 60.0) -> ProgressTeller:
    async def report(progress: float, total: float | None, message: str | None) -> None:
        told.append((progress, message))

    return ProgressTeller(report, heartbeat_s)


async def test_numbers_only_grow_whatever_the_tool_says() -> None:
    told: Told = []
    telling = teller(told)
    for fraction in (0.5, 0.5, 0.2, float("nan"), 7, 7, "x"):
        telling.hear(fraction, str(fraction))  # type: ignore[arg-type]
    telling.finish()
    await telling.run()
    numbers = [number for number, _ in told]
    assert numbers == sorted(set(numbers))
    assert [message for _, message in told] == ["started", "0.5", "0.5", "0.2", "7"]
    assert numbers[-1] == 1


async def test_a_tool_that_says_nothing_is_still_running() -> None:
    told: Told = []
    telling = teller(told, heartbeat_s=0.001)
    running = asyncio.create_task(telling.run())
    async with asyncio.timeout(5):
        while len(told) < 4:
            await asyncio.sleep(0)
    telling.finish()
    await running
    assert {message for _, message in told[1:]} == {"still running"}
    assert 0 < told[-1][0] < 1


async def test_of_a_flood_the_newest_is_told() -> None:
    told: Told = []
    telling = teller(told)
    for number in range(100_000):
        telling.hear(number / 100_000)
    telling.finish()
    await telling.run()
    assert len(told) == 1 + MOST_WAITING
    assert told[-1][0] == 0.99999


async def test_nobody_listens_where_nothing_is_wanted() -> None:
    async def report(progress: float, total: float | None, message: str | None) -> None:
        raise AssertionError

    async with progress_told(report, wanted=False):
        assert progress_listener() is None


async def test_a_client_that_cannot_be_told_fails_the_call_and_leaves_no_task() -> None:
    async def report(progress: float, total: float | None, message: str | None) -> None:
        raise ConnectionError

    before = asyncio.all_tasks()
    try:
        async with progress_told(report, wanted=True):
            await asyncio.sleep(0)
    except ConnectionError:
        pass
    await asyncio.sleep(0)
    assert asyncio.all_tasks() == before
