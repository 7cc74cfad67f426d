"""Of all that could do something, one does: on every store."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from jackfield.stores.leases import UNFINISHED, Leases

from .conftest import Place

OWNER, NAME = "plugin:a", "tidy"


@pytest.fixture
async def leases(place: Place) -> AsyncIterator[Leases]:
    async with place.open() as database:
        yield Leases(database)


@pytest.fixture
async def others(place: Place) -> AsyncIterator[Leases]:
    """Those of another gateway on the same store."""
    async with place.open() as database:
        yield Leases(database)


async def take(leases: Leases, holder: str, due: float, **other: Any) -> bool:
    at = other.get("at", due)
    times = {"at": at, "until": at + 15, "since": 0.0, "latest": due - 0.001} | other
    return await leases.take(OWNER, NAME, holder=holder, due=due, **times) is not None


async def test_of_many_that_try_one_has_it(leases: Leases, others: Leases) -> None:
    await leases.introduce(OWNER, NAME, at=100.0)
    tries = [take(each, f"{n}", 160.0) for n in range(8) for each in (leases, others)]
    assert sorted(await asyncio.gather(*tries)) == [False] * 15 + [True]
    lease = await others.find(OWNER, NAME)
    assert lease is not None
    assert (lease.anchor, lease.until, lease.last_run, lease.runs) == (160.0, 175.0, 160.0, 1)


async def test_a_due_time_that_was_had_once_is_never_had_again(leases: Leases, others: Leases) -> None:
    await leases.introduce(OWNER, NAME, at=100.0)
    assert await take(leases, "one", 160.0)
    assert await leases.release(OWNER, NAME, holder="one", at=161.0, error=None)
    assert not await take(others, "other", 160.0, at=162.0)
    assert await take(others, "other", 220.0)


async def test_what_happened_since_it_was_reckoned_makes_it_not_due(leases: Leases, others: Leases) -> None:
    await leases.introduce(OWNER, NAME, at=100.0)
    assert await take(leases, "one", 160.0, latest=100.0)
    await leases.release(OWNER, NAME, holder="one", at=165.0, error=None)
    assert not await take(others, "other", 220.0, latest=160.0)
    assert await take(others, "other", 225.0, latest=165.0)


async def test_what_became_due_during_a_run_is_not_made_up_for(leases: Leases, others: Leases) -> None:
    await leases.introduce(OWNER, NAME, at=100.0)
    assert await take(leases, "one", 160.0, until=500.0)
    assert not await take(others, "other", 220.0)
    await leases.release(OWNER, NAME, holder="one", at=230.0, error="no")
    assert not await take(others, "other", 220.0, at=231.0)
    lease = await leases.find(OWNER, NAME)
    assert lease is not None
    assert (lease.anchor, lease.last_error, lease.holder) == (230.0, "no", "")


async def test_the_lease_of_one_that_is_gone_falls_free(leases: Leases, others: Leases) -> None:
    await leases.introduce(OWNER, NAME, at=100.0)
    assert await take(leases, "gone", 160.0)
    assert not await take(others, "other", 170.0)
    assert await take(others, "other", 176.0)
    assert not await leases.renew(OWNER, NAME, holder="gone", until=999.0)
    assert not await leases.release(OWNER, NAME, holder="gone", at=177.0, error=None)
    lease = await leases.find(OWNER, NAME)
    assert lease is not None
    assert (lease.holder, lease.until, lease.last_error, lease.runs) == ("other", 191.0, UNFINISHED, 2)


async def test_a_lease_that_is_renewed_stays(leases: Leases, others: Leases) -> None:
    await leases.introduce(OWNER, NAME, at=100.0)
    assert await take(leases, "one", 160.0)
    assert await leases.renew(OWNER, NAME, holder="one", until=190.0)
    assert not await take(others, "other", 180.0)


async def test_what_is_there_keeps_its_anchor_unless_it_begins_afresh(leases: Leases) -> None:
    assert await leases.introduce(OWNER, NAME, at=100.0) == 100.0
    assert await leases.introduce(OWNER, NAME, at=130.0) == 100.0
    assert await leases.introduce(OWNER, NAME, at=140.0, afresh=True) == 140.0


async def test_an_end_holds_for_who_knew_it_before(leases: Leases, others: Leases) -> None:
    await leases.introduce(OWNER, NAME, at=100.0)
    await leases.end(OWNER, NAME, at=150.0, keep_s=3600)
    assert not await take(others, "other", 160.0, since=100.0)
    assert await leases.introduce(OWNER, NAME, at=155.0) == 155.0
    assert await leases.introduce(OWNER, NAME, at=156.0) == 155.0
    assert not await take(others, "other", 170.0, since=100.0)
    assert await take(others, "other", 170.0, since=155.0)


async def test_the_last_run_of_all_is_its_end(leases: Leases, others: Leases) -> None:
    await leases.introduce(OWNER, NAME, at=100.0)
    await take(leases, "one", 160.0)
    await leases.release(OWNER, NAME, holder="one", at=165.0, error=None, keep_s=60)
    assert not await take(others, "other", 170.0, since=100.0)
    await leases.introduce(OWNER, "other", at=300.0)
    assert set(await leases.of(OWNER)) == {"other"}


async def test_an_owner_that_is_gone_leaves_nothing(leases: Leases) -> None:
    await leases.introduce(OWNER, NAME, at=100.0)
    await leases.introduce("plugin:b", NAME, at=100.0)
    await leases.forget(OWNER)
    assert await leases.of(OWNER) == {}
    assert set(await leases.of("plugin:b")) == {NAME}


async def test_a_clock_that_was_set_back_gives_no_time_twice(leases: Leases) -> None:
    await leases.introduce(OWNER, NAME, at=100.0)
    await take(leases, "one", 160.0)
    await leases.release(OWNER, NAME, holder="one", at=90.0, error=None)
    assert not await take(leases, "two", 160.0)


async def test_failures_in_a_row_are_counted_and_put_the_next_time_off(leases: Leases, others: Leases) -> None:
    async def run(each: Leases, due: float, error: str | None) -> int | None:
        times = {"latest": due - 0.001, "at": due, "until": due + 15, "since": 0.0}
        failures = await each.take(OWNER, NAME, holder="x", due=due, **times)
        await each.release(OWNER, NAME, holder="x", at=due + 1, error=error, pause_s=20.0)
        return failures

    await leases.introduce(OWNER, NAME, at=100.0)
    found = [await run(each, due, "no") for each, due in ((leases, 160.0), (others, 220.0), (leases, 280.0))]
    assert found == [0, 1, 2]
    lease = await others.find(OWNER, NAME)
    assert lease is not None
    assert (lease.anchor, lease.until) == (301.0, 281.0)
    assert [await run(leases, 340.0, None), await run(others, 400.0, None)] == [3, 0]
