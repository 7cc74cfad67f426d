"""Batches on their way to the table: each record arrives once, whatever happens in between."""

from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path
from typing import Any

import msgspec
import pytest
from sqlalchemy import text

from jackfield.errors import Unavailable
from jackfield.stores.database import Database
from jackfield.stores.journal import COLUMNS, Journal
from jackfield.stores.ledger import Ledger, UsageFilter
from jackfield.stores.sqlite import SqliteBackend

from .conftest import Place


def batch(*numbers: int, **more: Any) -> tuple[bytes, int]:
    rows = [[{"id": f"r{number}", "at": number, **more}.get(name) for name in COLUMNS] for number in numbers]
    return msgspec.json.encode(rows), len(rows)


async def arrived(database: Database) -> list[str]:
    async with database.reading() as connection:
        return list((await connection.execute(text("SELECT id FROM usage ORDER BY at"))).scalars())


async def journaled(database: Database) -> list[tuple[int, int]]:
    async with database.reading() as connection:
        rows = await connection.execute(text("SELECT seq, records FROM usage_journal ORDER BY seq"))
        return [(seq, records) for seq, records in rows]


async def test_a_batch_is_one_row_until_it_is_taken_apart(database: Database) -> None:
    journal = Journal(database)
    await journal.append(*batch(1, 2, 3))
    assert (await journaled(database), await arrived(database), await journal.waiting()) == ([(1, 3)], [], 3)
    assert await journal.unfold() == 3
    assert (await journaled(database), await arrived(database)) == ([], ["r1", "r2", "r3"])
    assert (await journal.unfold(), await journal.waiting()) == (0, 0)


@pytest.mark.parametrize("stands_back", [False, True])
async def test_the_oldest_batches_go_first_and_only_so_many_at_once(
    database: Database, monkeypatch: pytest.MonkeyPatch, stands_back: bool
) -> None:
    monkeypatch.setattr("jackfield.stores.journal.AT_ONCE", 4)
    monkeypatch.setattr("jackfield.stores.journal.AT_ONCE_STANDING_BACK", 4)
    journal = Journal(database)
    for number in range(1, 10, 3):
        await journal.append(*batch(number, number + 1, number + 2))
    assert await journal.unfold(stands_back=stands_back) == 6
    assert await arrived(database) == [f"r{number}" for number in range(1, 7)]
    assert await journal.unfold(stands_back=stands_back) == 3
    assert await journal.unfold(stands_back=stands_back) == 0


async def test_reading_finds_what_is_still_in_the_journal(database: Database) -> None:
    ledger = Ledger(database)
    await ledger.append(*batch(1))
    assert [record["id"] for record in (await ledger.page(UsageFilter())).records] == ["r1"]
    await ledger.append(*batch(2))
    assert (await ledger.sums(UsageFilter())).groups[0]["requests"] == 2
    await ledger.append(*batch(3))
    assert await ledger.delete_older_than(4) == 3
    assert (await journaled(database), await arrived(database)) == ([], [])


async def test_a_transaction_that_fails_half_way_moves_nothing(database: Database) -> None:
    journal = Journal(database)
    await journal.append(*batch(1, 2))
    (move, mentions), _ = journal._unfolding
    with pytest.raises(Unavailable, match="nowhere"):
        await database.run_together((move, (10,) * mentions), ("DELETE FROM nowhere", ()))
    assert (await journaled(database), await arrived(database)) == ([(1, 2)], [])
    assert await journal.unfold() == 2
    assert await arrived(database) == ["r1", "r2"]


async def test_a_batch_that_was_written_twice_arrives_once(database: Database) -> None:
    journal = Journal(database)
    for _ in range(2):
        await journal.append(*batch(1, 2))
    await journal.unfold_all()
    await journal.append(*batch(2, 3))
    await journal.unfold_all()
    assert await arrived(database) == ["r1", "r2", "r3"]


async def test_workers_take_apart_one_journal_at_the_same_time(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jackfield.stores.journal.AT_ONCE", 10)
    monkeypatch.setattr("jackfield.stores.journal.AT_ONCE_STANDING_BACK", 10)
    databases = [await Database.open(place.url, place.data_dir) for _ in range(3)]
    journals = [Journal(database) for database in databases]
    for number in range(60):
        await journals[number % 3].append(*batch(*range(number * 5, number * 5 + 5)))
    moved = await asyncio.gather(*(journal.unfold(stands_back=turn == 0) for turn, journal in enumerate(journals)))
    assert moved == [10, 10, 10]
    await asyncio.gather(*(journal.unfold_all() for journal in journals))
    assert await arrived(databases[0]) == [f"r{number}" for number in range(300)]
    assert await journaled(databases[0]) == []
    for database in databases:
        await database.dispose()


async def test_a_batch_that_the_disk_spoilt_stays_and_keeps_no_other_out(database: Database) -> None:
    journal = Journal(database)
    await journal.append(*batch(1))
    await journal.append(b'[["r2", 2', 1)
    await journal.append(*batch(3))
    await journal.unfold_all()
    assert await arrived(database) == ["r1", "r3"]
    assert (await journaled(database), await journal.waiting()) == ([(2, 0)], 0)


async def test_a_record_without_a_time_keeps_no_other_out(database: Database) -> None:
    journal = Journal(database)
    body, _ = batch(1, 2, 3)
    await journal.append(body.replace(b'["r2",2,', b'["r2",null,'), 3)
    await journal.unfold_all()
    assert await arrived(database) == ["r1", "r3"]


async def test_a_store_that_another_holds_leaves_the_batches_where_they_are(tmp_path: Path) -> None:
    database = await Database.over(SqliteBackend(tmp_path / "store.db", busy_s=0.02))
    journal = Journal(database)
    await journal.append(*batch(1))
    other = sqlite3.connect(tmp_path / "store.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(Unavailable, match="database is locked"):
        await journal.unfold()
    other.execute("ROLLBACK")
    other.close()
    assert await journal.unfold() == 1
    await database.dispose()
