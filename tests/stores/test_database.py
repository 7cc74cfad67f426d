"""Opening a store, reading and writing in it."""

from __future__ import annotations

import asyncio
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, create_engine, text

from jackfield.errors import ConfigError
from jackfield.stores.database import Database, backend_for
from jackfield.stores.schema import MIGRATIONS, REVISIONS, creation, upgrade
from jackfield.stores.tables import metadata

from .conftest import Place

OPEN = """
import asyncio, pathlib, sys
from jackfield.stores.database import Database

async def main():
    database = await Database.open(sys.argv[1], pathlib.Path(sys.argv[2]))
    await database.dispose()

asyncio.run(main())
"""


async def set_revision(database: Database, value: int) -> None:
    async with database.writing() as transaction:
        await transaction.execute(text("UPDATE revisions SET value = :value"), {"value": value})


async def revision(database: Database) -> int:
    async with database.reading() as connection:
        return (await connection.execute(text("SELECT value FROM revisions"))).scalar_one()


async def test_a_store_keeps_what_was_written_before(place: Place) -> None:
    async with place.open() as database:
        await set_revision(database, 7)
    async with place.open() as database:
        assert await revision(database) == 7


@pytest.mark.parametrize("place", ["sqlite", "bare postgres"], indirect=True)
async def test_many_processes_may_open_a_new_store_at_once(place: Place) -> None:
    command = [sys.executable, "-c", OPEN, place.url, str(place.data_dir)]
    starting = [asyncio.create_subprocess_exec(*command, stderr=asyncio.subprocess.PIPE) for _ in range(3)]
    processes = await asyncio.gather(*starting)
    ends = await asyncio.wait_for(asyncio.gather(*(process.communicate() for process in processes)), 60)
    assert [process.returncode for process in processes] == [0] * 3, ends
    async with place.open() as database, database.reading() as connection:
        found = (await connection.execute(text("SELECT version_num FROM alembic_version"))).scalars().all()
    assert found == [REVISIONS[-1]]


async def test_a_newer_schema_is_refused_by_name(place: Place) -> None:
    async with place.open() as database:
        async with database.writing() as transaction:
            await transaction.execute(text("UPDATE alembic_version SET version_num = '0999'"))
        told = f"{re.escape(database.backend.place)} has schema 0999, which is newer .*{REVISIONS[-1]}"
    with pytest.raises(ConfigError, match=told):
        await Database.open(place.url, place.data_dir)


def test_the_known_revisions_are_those_of_the_migrations() -> None:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    scripts = ScriptDirectory.from_config(config).walk_revisions()
    assert tuple(reversed([script.revision for script in scripts])) == REVISIONS


async def test_migrations_make_the_tables_that_the_code_expects(database: Database) -> None:
    def differences(connection: Connection) -> list[object]:
        return compare_metadata(MigrationContext.configure(connection), metadata)

    async with database.reading() as connection:
        assert await connection.run_sync(differences) == []


def test_a_new_sqlite_database_is_what_the_migrations_make() -> None:
    """It is made without them. Only the order of columns may be another."""
    made = _contents(_create)
    assert made == _contents(upgrade)
    assert len(made) > len(metadata.tables)


def _create(connection: Connection) -> None:
    for statement in creation():
        connection.exec_driver_sql(statement)


def _contents(bring: Callable[[Connection], None]) -> list[list[Any]]:
    with create_engine("sqlite://").begin() as connection:
        bring(connection)
        told = connection.execute(text("SELECT type, name, tbl_name, sql FROM sqlite_master ORDER BY 1, 2")).all()
        rows = [connection.execute(text(f"SELECT * FROM {name}")).all() for name in metadata.tables]
        version = connection.execute(text("SELECT version_num FROM alembic_version")).all()
    return [[_in_any_order(value) for value in row] for row in told] + [rows, version]


def _in_any_order(value: Any) -> Any:
    return sorted(re.split(r"[\s,()]+", value)) if isinstance(value, str) else value


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("postgresql://user:hunter2/x@db/jackfield", "write @ / .* as %40 %2F"),
        ("postgresql://user:12/hunter2@db/jackfield", "write @ / "),
        ("postgresql://user:hunter2#x@db/jackfield", "write @ / "),
        ("postgresql://user:hunter2@x@db/jackfield", "write @ / "),
        ("postgresql://user:hunter2/jackfield", "port that is not a number"),
        ("postgresql://[user:hunter2@db/jackfield", "is not a URL"),
        ("postgresql://user@db/jackfield?password=hunter2", "password in the query"),
        ("mysql://user:hunter2@db/jackfield", "no store is called 'mysql'"),
        ("sqlite://", "is a file"),
        ("sqlite:///:memory:", "is a file"),
        ("sqllite", "no store is called 'sqllite'"),
    ],
)
def test_other_urls_are_refused_without_their_secrets(url: str, told: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=told) as refused:
        backend_for(url, tmp_path)
    assert refused.value.field == "store.url"
    assert "hunter2" not in str(refused.value)


async def test_a_transaction_that_fails_leaves_nothing(database: Database) -> None:
    async def fail_half_way() -> None:
        async with database.writing() as transaction:
            await transaction.execute(text("UPDATE revisions SET value = 9"))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail_half_way()
    assert await revision(database) == 0


async def test_writers_of_one_process_wait_for_one_another(database: Database) -> None:
    async def increment() -> None:
        async with database.writing() as transaction:
            value = (await transaction.execute(text("SELECT value FROM revisions"))).scalar_one()
            await asyncio.sleep(0)
            await transaction.execute(text("UPDATE revisions SET value = :value"), {"value": value + 1})

    await asyncio.gather(*(increment() for _ in range(20)))
    assert await revision(database) == 20


async def test_a_cancelled_write_leaves_the_store_usable(database: Database) -> None:
    inside = asyncio.Event()

    async def write_forever() -> None:
        async with database.writing() as transaction:
            await transaction.execute(text("UPDATE revisions SET value = 5"))
            inside.set()
            await asyncio.Event().wait()

    writing = asyncio.create_task(write_forever())
    await asyncio.wait_for(inside.wait(), 10)
    writing.cancel()
    await asyncio.wait([writing])
    assert writing.cancelled()
    assert await revision(database) == 0
    await set_revision(database, 6)
    assert await revision(database) == 6
