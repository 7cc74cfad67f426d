"""Percentiles of what was recorded, by nearest rank."""

from __future__ import annotations

import math
import random
from typing import Any

import msgspec
import pytest

from jackfield.stores.database import Database
from jackfield.stores.journal import COLUMNS
from jackfield.stores.ledger import SHARES, Ledger, Ranks, UsageFilter


async def keep(database: Database, *records: dict[str, Any]) -> Ledger:
    rows = [[{"id": f"r{number}", "at": float(number), **record}.get(name) for name in COLUMNS]
            for number, record in enumerate(records)]  # fmt: skip
    ledger = Ledger(database)
    await ledger.append(msgspec.json.encode(rows), len(rows))
    return ledger


def nearest_rank(values: list[float], share: int) -> float:
    return sorted(values)[math.ceil(len(values) * share / 100) - 1]


@pytest.mark.parametrize("size", [1, 2, 99, 100, 101, 250])
async def test_each_is_the_value_at_its_rank(database: Database, size: int) -> None:
    values = [float(random.Random(size + number).randrange(1000)) for number in range(size)]
    ledger = await keep(database, *({"total_ms": value} for value in values))
    ranks = await ledger.ranks(UsageFilter(), "total_ms")
    (row,) = ranks.groups
    assert (row["records"], row["least"], row["most"]) == (size, min(values), max(values))
    assert row["mean"] == pytest.approx(sum(values) / size)
    assert [row[f"p{share}"] for share in SHARES] == [nearest_rank(values, share) for share in SHARES]
    assert (ranks.truncated, ranks.sampled) == (False, False)


async def test_each_group_has_its_own(database: Database) -> None:
    slow, fast = (
        ({"model": "slow", "total_ms": 100.0 + number} for number in range(20)),
        [{"model": "fast", "total_ms": float(number)} for number in range(10)],
    )
    ledger = await keep(database, *slow, *fast)
    found = (await ledger.ranks(UsageFilter(), "total_ms", group_by=["model"])).groups
    assert [(row["model"], row["records"], row["p50"], row["p99"]) for row in found] == [
        ("slow", 20, 109.0, 119.0),
        ("fast", 10, 4.0, 9.0),
    ]


async def test_later_times_come_first(database: Database) -> None:
    ledger = await keep(database, *({"at": at, "cost_nanousd": 7} for at in (0.0, 3600.0, 3601.0, 7200.0)))
    found = (await ledger.ranks(UsageFilter(), "cost_nanousd", group_by=["hour"])).groups
    assert [(row["hour"], row["records"], row["p50"]) for row in found] == [(7200, 1, 7), (3600, 2, 7), (0, 1, 7)]


async def test_records_without_the_value_have_no_part_in_it(database: Database) -> None:
    ledger = await keep(database, {"total_ms": 3.0}, {"first_byte_ms": 1.0, "total_ms": 4.0})
    (row,) = (await ledger.ranks(UsageFilter(), "first_byte_ms")).groups
    assert (row["records"], row["p99"]) == (1, 1.0)


async def test_of_nothing_there_are_none(database: Database) -> None:
    ledger = await keep(database)
    assert await ledger.ranks(UsageFilter(), "total_ms") == Ranks([], truncated=False, sampled=False)


async def test_only_what_was_chosen_is_ranked(database: Database) -> None:
    ledger = await keep(database, *({"app": app, "total_ms": 1.0} for app in ("shop", "shop", "other")))
    (row,) = (await ledger.ranks(UsageFilter(app="shop"), "total_ms")).groups
    assert row["records"] == 2


async def test_of_too_many_records_the_newest_are_ranked_and_that_is_told(database: Database) -> None:
    ledger = await keep(database, *({"total_ms": float(number)} for number in range(10)))
    whole = await ledger.ranks(UsageFilter(), "total_ms", most=10)
    part = await ledger.ranks(UsageFilter(), "total_ms", most=9)
    assert (whole.sampled, whole.groups[0]["least"]) == (False, 0.0)
    assert (part.sampled, part.groups[0]["most"]) == (True, 9.0)


async def test_more_groups_than_asked_for_are_told(database: Database) -> None:
    ledger = await keep(database, *({"model": f"m{number}", "total_ms": 1.0} for number in range(3)))
    found = await ledger.ranks(UsageFilter(), "total_ms", group_by=["model"], limit=2)
    assert (len(found.groups), found.truncated) == (2, True)
