"""PostgreSQL: several gateways on one database, and what happens when it cannot be."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import asyncpg
import msgspec
import pytest
from sqlalchemy import event, text

from jackfield.errors import ConfigError, Conflict, Unavailable, Unprocessable
from jackfield.stores.database import Database
from jackfield.stores.generations import Generation, Generations
from jackfield.stores.journal import COLUMNS, Journal
from jackfield.stores.objects import Objects
from jackfield.stores.postgres import PostgresBackend, key_of

from .conftest import Place

NOWHERE = "postgresql://somebody:hunter2@127.0.0.1:1/jackfield"


@pytest.fixture(params=["postgres"])
def place(place: Place) -> Place:
    return place


@pytest.fixture
async def gateways(place: Place) -> AsyncIterator[list[Database]]:
    async with AsyncExitStack() as stack:
        yield [await stack.enter_async_context(place.open()) for _ in range(3)]


def batch(number: int) -> tuple[bytes, int]:
    return msgspec.json.encode([[{"id": f"r{number}", "at": number}.get(name) for name in COLUMNS]]), 1


async def arrived(database: Database) -> list[str]:
    async with database.reading() as connection:
        return list((await connection.execute(text("SELECT id FROM usage ORDER BY at"))).scalars())


async def put(database: Database, name: str, body: dict[str, str]) -> int:
    async with database.writing() as transaction:
        change = await Objects(database).put(transaction, "thing", name, body, namespace="default", at=1.0)
    return change.after.revision


async def test_gateways_count_revisions_together(gateways: list[Database]) -> None:
    puts = (put(database, f"{turn}-{place}", {}) for turn in range(5) for place, database in enumerate(gateways))
    assert sorted(await asyncio.gather(*puts)) == list(range(1, 16))
    assert [found.revision for found in await Objects(gateways[0]).changes_since(0)] == list(range(1, 16))


async def test_of_gateways_that_make_the_same_generation_one_does(gateways: list[Database]) -> None:
    async def append(database: Database) -> bool:
        generation = Generation(number=1, at=1.0, actor="a", action="install", plugins=("p",), body={})
        try:
            await Generations(database).append(generation, ())
        except Conflict:
            return False
        return True

    assert sorted(await asyncio.gather(*map(append, gateways))) == [False, False, True]
    assert await Objects(gateways[0]).revision() == 1


async def test_records_arrive_once_while_all_write_and_take_apart(
    gateways: list[Database], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jackfield.stores.journal.AT_ONCE", 4)
    journals = [Journal(database) for database in gateways]

    async def write_and_move(turn: int, journal: Journal) -> None:
        for number in range(turn, 60, 3):
            await journal.append(*batch(number))
            await journal.unfold()

    await asyncio.gather(*(write_and_move(turn, journal) for turn, journal in enumerate(journals)))
    await journals[0].unfold_all()
    assert await arrived(gateways[0]) == [f"r{number}" for number in range(60)]


async def test_a_batch_that_appears_behind_a_later_one_is_not_lost(gateways: list[Database]) -> None:
    """Numbers are given when a row is written, and rows appear when their transaction ends."""
    journal, (copy, mentions), (remove, _) = Journal(gateways[0]), *Journal(gateways[0])._unfolding
    insert = text("INSERT INTO usage_journal (records, body) VALUES (1, :body)")
    async with gateways[1].writing("pause") as pause, gateways[2].writing() as late:
        await late.execute(insert, {"body": batch(1)[0].decode()})
        await journal.append(*batch(2))
        wait = (f"SELECT pg_advisory_xact_lock({key_of('pause')})", ())
        moving = asyncio.create_task(gateways[0].run_together((copy, (9,) * mentions), wait, (remove, (9,) * mentions)))
        async with asyncio.timeout(5):
            while not await waits_for(pause, "pause"):
                await asyncio.sleep(0.01)
        await late.commit()
        await pause.commit()
        assert await asyncio.wait_for(moving, 5) == [(1,)]
    await journal.unfold_all()
    assert await arrived(gateways[0]) == ["r1", "r2"]


async def waits_for(connection: object, subject: str) -> bool:
    query = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted AND objid = :low"
    found = await connection.execute(text(query), {"low": key_of(subject) & 0xFFFFFFFF})  # type: ignore[attr-defined]
    return bool(found.scalar_one())


async def test_connections_that_the_server_closed_are_replaced_and_nobody_notices(database: Database) -> None:
    opened: list[asyncpg.Connection] = []
    event.listen(database.engine.sync_engine, "checkout", lambda found, *_: opened.append(found.driver_connection))
    await put(database, "a", {})
    await database.run_alone("DELETE FROM audit")
    opened.append(database._lane._connection)  # type: ignore[attr-defined]
    other = await asyncpg.connect(database.backend._url)  # type: ignore[attr-defined]
    await other.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
    await other.close()
    async with asyncio.timeout(5):
        while not all(connection.is_closed() for connection in opened):
            await asyncio.sleep(0.01)
    assert await Objects(database).get("thing", "a") is not None
    await database.run_alone("DELETE FROM audit")
    assert await put(database, "b", {}) == 2


async def test_what_was_begun_in_a_lane_ends_though_its_caller_is_cancelled(gateways: list[Database]) -> None:
    async with gateways[1].writing("o"):
        insert = ("INSERT INTO traces (body) VALUES ('{}')", ())
        writing = asyncio.create_task(gateways[0].run_together(insert, subject="o"))
        assert (await asyncio.wait([writing], timeout=0.05))[0] == set()
        writing.cancel()
        await asyncio.wait([writing])
    assert writing.cancelled()
    await gateways[0].run_together(("SELECT 1", ()), subject="o")
    assert await gateways[0].read_alone("SELECT count(*) FROM traces") == [(1,)]


async def test_waiting_for_another_gateway_is_bounded(place: Place, database: Database) -> None:
    impatient = await Database.over(PostgresBackend(place.url, busy_s=0.3))
    async with database.writing("o"):
        with pytest.raises(Unavailable, match="lock timeout"):
            await impatient.run_together(("SELECT 1", ()), subject="o")
        with pytest.raises(Unavailable, match="lock timeout"):
            async with impatient.writing("o"):
                pass
    assert await impatient.run_together(("SELECT 1", ()), subject="o") == [(1,)]
    await impatient.dispose()


async def test_a_migration_that_does_not_end_is_waited_for_only_so_long(place: Place) -> None:
    backend = PostgresBackend(place.url, migration_s=0.05)
    async with backend.migrating():
        with pytest.raises(Unavailable, match=r"another process has been migrating it for 0\.05 s"):
            await Database.over(PostgresBackend(place.url, migration_s=0.05))
    await (await Database.over(backend)).dispose()


async def test_a_character_that_cannot_be_kept_is_told_and_changes_nothing(database: Database) -> None:
    assert await put(database, "a", {"text": "a\\u0000b"}) == 1
    with pytest.raises(Unprocessable, match="there is a NUL in it"):
        await put(database, "a", {"text": "a\0b"})
    found = await Objects(database).get("thing", "a")
    assert found is not None
    assert (found.revision, found.body) == (1, {"text": "a\\u0000b"})


async def test_a_database_that_is_too_old_is_refused(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jackfield.stores.postgres.OLDEST", 99_00_00)
    with pytest.raises(ConfigError, match=r"store\.url: postgresql://.* is PostgreSQL \d+: 99 or newer is needed"):
        await Database.open(place.url, place.data_dir)


async def test_a_database_that_is_not_there_is_named(place: Place, tmp_path: Path) -> None:
    url = place.url.replace("postgres@", "postgres:hunter2@").rpartition("/")[0] + "/nowhere"
    with pytest.raises(ConfigError, match=r'postgresql://127\.0\.0\.1:\d+/nowhere refuses: .*"nowhere"') as told:
        await Database.open(url, tmp_path)
    assert "hunter2" not in str(told.value)


async def test_a_server_that_is_not_there_is_named_without_its_credentials(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match=r"postgresql://127\.0\.0\.1:1/jackfield cannot be reached") as told:
        await Database.open(NOWHERE, tmp_path)
    assert "hunter2" not in str(told.value)
    assert "somebody" not in str(told.value)


async def test_a_missing_driver_is_named_with_the_command_that_installs_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jackfield.stores.extras.find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"store\.url: .*pip install 'jackfield\[postgres\]'"):
        await Database.open(NOWHERE, tmp_path)


async def test_a_look_tells_whether_it_is_made_and_makes_nothing(place: Place, postgres_url: str) -> None:
    assert await PostgresBackend(place.url).is_made()
    for _ in range(2):
        assert not await PostgresBackend(postgres_url).is_made()


def test_a_lock_is_called_the_same_by_every_version() -> None:
    assert key_of("usage_journal") == -2886802023085145624
