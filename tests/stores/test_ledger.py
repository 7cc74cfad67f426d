"""Usage records: written once, found, summed and forgotten."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import msgspec
import pytest
from sqlalchemy import text

from jackfield.stores.database import Database
from jackfield.stores.journal import COLUMNS, Journal
from jackfield.stores.ledger import Ledger, UsageFilter

DAY = 86_400
USUAL: dict[str, Any] = {
    "namespace": "default",
    "key_id": "key_1",
    "app": "shop",
    "operation": "chat",
    "model": "gpt-4o",
    "provider": "openai",
    "upstream": "local",
    "stream": False,
    "status": 200,
    "input_tokens": 10,
    "cached_tokens": 4,
    "output_tokens": 5,
    "cost_nanousd": 100,
}


def batch(*records: dict[str, Any]) -> tuple[bytes, int]:
    rows = [[{**USUAL, **record}.get(name) for name in COLUMNS] for record in records]
    return msgspec.json.encode(rows), len(rows)


async def append(database: Database, *records: dict[str, Any]) -> Ledger:
    ledger = Ledger(database)
    await ledger.append(*batch(*records))
    return ledger


async def ids(ledger: Ledger, **chosen: Any) -> list[str]:
    return [found["id"] for found in (await ledger.page(UsageFilter(**chosen))).records]


async def test_a_record_comes_back_as_it_was_written(database: Database) -> None:
    written = {**USUAL, "id": "r1", "at": 1.25, "stream": True, "error": 'quote " and ü', "hooks_ms": 0.5}
    ledger = await append(database, written)
    (found,) = (await ledger.page(UsageFilter())).records
    assert found == {name: written.get(name) for name in COLUMNS}
    assert found["stream"] is True


async def test_a_record_is_kept_once_however_often_it_is_written(database: Database) -> None:
    ledger = await append(database, {"id": "r1", "at": 1}, {"id": "r1", "at": 1})
    await ledger.append(*batch({"id": "r1", "at": 1, "status": 500}, {"id": "r2", "at": 2}))
    found = (await ledger.page(UsageFilter())).records
    assert [(record["id"], record["status"]) for record in found] == [("r2", 200), ("r1", 200)]


async def test_what_no_database_keeps_in_a_text_keeps_no_record_out(database: Database) -> None:
    ledger = await append(database, {"id": "r1", "at": 1, "model": "a\0b"}, {"id": "r2", "at": 2, "model": "a\\u0000"})
    found = {record["id"]: record["model"] for record in (await ledger.page(UsageFilter())).records}
    assert found == {"r1": "a\ufffdb", "r2": "a\\u0000"}


async def test_an_empty_batch_is_nothing(database: Database) -> None:
    ledger = await append(database)
    assert await ids(ledger) == []


@pytest.mark.parametrize(
    ("chosen", "record"),
    [
        ({"key_id": "key_2"}, {"key_id": "key_2"}),
        ({"namespace": "other"}, {"namespace": "other"}),
        ({"app": "blog"}, {"app": "blog"}),
        ({"user": "u"}, {"user": "u"}),
        ({"model": "o3"}, {"model": "o3"}),
        ({"provider": "anthropic"}, {"provider": "anthropic"}),
        ({"upstream": "remote"}, {"upstream": "remote"}),
        ({"operation": "embeddings"}, {"operation": "embeddings"}),
        ({"plugin": "no_shouting"}, {"plugin": "no_shouting"}),
        ({"stream": True}, {"stream": True}),
        ({"status_class": 4}, {"status": 499}),
        ({"status_class": 5}, {"status": 500}),
        ({"since": 5.0}, {"at": 5.0}),
        ({"until": 0.5}, {"at": 0.25}),
        ({"key_id": "key_2", "since": 2.0}, {"key_id": "key_2", "at": 3.0}),
    ],
)
async def test_a_filter_finds_what_fits_it(database: Database, chosen: dict[str, Any], record: dict[str, Any]) -> None:
    ledger = await append(database, {"id": "other", "at": 1.0}, {"at": 1.0, **record, "id": "wanted"})
    assert await ids(ledger, **chosen) == ["wanted"]


async def test_pages_go_from_the_newest_to_the_oldest_and_miss_nothing(database: Database) -> None:
    ledger = await append(database, *({"id": f"r{n:02}", "at": float(n // 3)} for n in range(20)))
    found, cursor = [], None
    for _ in range(7):
        page = await ledger.page(UsageFilter(), limit=3, after=cursor)
        found += [record["id"] for record in page.records]
        cursor = page.next
    assert found == [f"r{n:02}" for n in reversed(range(20))]
    assert cursor is None


async def test_records_written_meanwhile_do_not_move_the_next_page(database: Database) -> None:
    ledger = await append(database, {"id": "a", "at": 1}, {"id": "b", "at": 2})
    page = await ledger.page(UsageFilter(), limit=1)
    await ledger.append(*batch({"id": "c", "at": 3}))
    after = await ledger.page(UsageFilter(), limit=1, after=page.next)
    assert [record["id"] for record in after.records] == ["a"]


async def test_sums_are_taken_by_group(database: Database) -> None:
    ledger = await append(
        database,
        {"id": "1", "at": 1},
        {"id": "2", "at": 2, "status": 502, "cost_nanousd": None, "input_tokens": 0},
        {"id": "3", "at": 3, "model": "o3", "cost_nanousd": 7},
    )
    sums = await ledger.sums(UsageFilter(), group_by=["model"])
    assert sums.groups == [
        {
            "model": "gpt-4o",
            "requests": 2,
            "errors": 1,
            "input_tokens": 10,
            "cached_tokens": 8,
            "cache_write_tokens": 0,
            "output_tokens": 10,
            "reasoning_tokens": 0,
            "cost_nanousd": 100,
            "unpriced": 1,
        },
        {
            "model": "o3",
            "requests": 1,
            "errors": 0,
            "input_tokens": 10,
            "cached_tokens": 4,
            "cache_write_tokens": 0,
            "output_tokens": 5,
            "reasoning_tokens": 0,
            "cost_nanousd": 7,
            "unpriced": 0,
        },
    ]


async def test_sums_without_a_group_are_the_total(database: Database) -> None:
    ledger = await append(database, {"id": "1", "at": 1}, {"id": "2", "at": 2})
    (total,) = (await ledger.sums(UsageFilter())).groups
    assert (total["requests"], total["cost_nanousd"]) == (2, 200)


async def test_time_groups_start_at_whole_buckets_and_come_newest_first(database: Database) -> None:
    ledger = await append(
        database,
        {"id": "1", "at": DAY + 0.5},
        {"id": "2", "at": 2 * DAY - 0.5},
        {"id": "3", "at": 2 * DAY},
        {"id": "4", "at": 2 * DAY + 3600.0, "key_id": "key_2"},
    )
    days = (await ledger.sums(UsageFilter(), group_by=["day"])).groups
    assert [(row["day"], row["requests"]) for row in days] == [(2 * DAY, 2), (DAY, 2)]
    hours = (await ledger.sums(UsageFilter(since=2 * DAY), group_by=["hour", "key"])).groups
    assert [(row["hour"], row["key"]) for row in hours] == [(2 * DAY + 3600, "key_2"), (2 * DAY, "key_1")]


async def test_more_groups_than_asked_for_are_cut_and_it_is_said(database: Database) -> None:
    ledger = await append(database, *({"id": str(n), "at": n, "model": f"m{n}"} for n in range(4)))
    cut = await ledger.sums(UsageFilter(), group_by=["model"], limit=3)
    assert (len(cut.groups), cut.truncated) == (3, True)
    whole = await ledger.sums(UsageFilter(), group_by=["model"], limit=4)
    assert (len(whole.groups), whole.truncated) == (4, False)


async def test_what_is_older_than_the_retention_is_forgotten(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jackfield.stores.ledger.DELETED_AT_ONCE", 3)
    ledger = await append(database, *({"id": f"r{n}", "at": n} for n in range(10)))
    assert await ledger.delete_older_than(8) == 8
    assert await ids(ledger) == ["r9", "r8"]


async def test_forgetting_takes_apart_only_what_may_be_old(database: Database) -> None:
    ledger, journal = Ledger(database), Journal(database)
    for at in (5, 20, 30):
        await ledger.append(*batch({"id": f"r{at}", "at": at}))
    assert await journal.oldest() == 5

    assert await ledger.delete_older_than(4) == 0
    assert await journal.waiting() == 3

    await ledger.unfold_all()
    await ledger.append(*batch({"id": "r40", "at": 40}))
    assert await ledger.delete_older_than(25) == 2
    assert await journal.waiting() == 1


@pytest.mark.parametrize("place", ["sqlite"], indirect=True)
@pytest.mark.parametrize(
    ("condition", "index"),
    [
        ("at >= 5", "usage_at"),
        ("key_id = 'k' AND at >= 5", "usage_key"),
        ("app = 'a' AND at >= 5", "usage_app"),
    ],
)
async def test_the_usual_questions_use_an_index(database: Database, condition: str, index: str) -> None:
    async with database.reading() as connection:
        plan = await connection.execute(
            text(f"EXPLAIN QUERY PLAN SELECT * FROM usage WHERE {condition} ORDER BY at DESC LIMIT 9")
        )
        assert index in " ".join(str(row) for row in plan)


async def test_a_large_batch_is_durable_soon_though_the_loop_is_busy(database: Database) -> None:
    ledger = Ledger(database)
    done = False

    async def spin() -> None:
        while not done:
            until = time.perf_counter() + 0.0001
            while time.perf_counter() < until:
                pass
            await asyncio.sleep(0)

    spinning = asyncio.create_task(spin())
    took = []
    for attempt in range(8):
        records = batch(*({"id": f"{attempt}-{n}", "at": n} for n in range(2000)))
        start = time.perf_counter()
        await ledger.append(*records)
        took.append(time.perf_counter() - start)
    done = True
    await spinning
    assert min(took) < 0.2
