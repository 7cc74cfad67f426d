"""Opening a store, reading and writing in it, and what happens when it cannot be."""

from __future__ import annotations

import asyncio
import fcntl
import sqlite3
import stat
import sys
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text

from jackfield.errors import ConfigError, Unavailable
from jackfield.stores.database import Database, backend_for
from jackfield.stores.schema import MIGRATIONS, REVISIONS
from jackfield.stores.sqlite import SqliteBackend
from jackfield.stores.tables import metadata

OPEN = """
import asyncio, pathlib, sys
from jackfield.stores.database import Database

async def main():
    database = await Database.open("sqlite", pathlib.Path(sys.argv[1]))
    await database.dispose()

asyncio.run(main())
"""


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


async def set_revision(database: Database, value: int) -> None:
    async with database.writing() as transaction:
        await transaction.execute(text("UPDATE revisions SET value = :value"), {"value": value})


async def revision(database: Database) -> int:
    async with database.reading() as connection:
        return (await connection.execute(text("SELECT value FROM revisions"))).scalar_one()


async def test_what_is_made_belongs_to_its_owner_alone(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    database = await Database.open("sqlite", folder)
    await set_revision(database, 1)
    files = {path.name: mode(path) for path in folder.iterdir()}
    await database.dispose()
    assert mode(folder) == 0o700
    assert "jackfield.db" in files
    assert "jackfield.db-wal" in files
    assert set(files.values()) == {0o600}


async def test_a_store_keeps_what_was_written_before(tmp_path: Path) -> None:
    database = await Database.open("sqlite", tmp_path)
    await set_revision(database, 7)
    await database.dispose()
    database = await Database.open("sqlite", tmp_path)
    assert await revision(database) == 7
    await database.dispose()


async def test_a_url_names_another_file(tmp_path: Path) -> None:
    database = await Database.open(f"sqlite:///{tmp_path}/other/store.db", tmp_path)
    await database.dispose()
    assert (tmp_path / "other" / "store.db").exists()


async def test_every_commit_is_synced_to_a_write_ahead_log(database: Database) -> None:
    async with database.reading() as connection:
        settings = {
            name: (await connection.exec_driver_sql(f"PRAGMA {name}")).scalar()
            for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        }
    assert settings == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "busy_timeout": 5000}


async def test_many_processes_may_open_a_new_store_at_once(tmp_path: Path) -> None:
    starting = [
        asyncio.create_subprocess_exec(sys.executable, "-c", OPEN, str(tmp_path), stderr=asyncio.subprocess.PIPE)
        for _ in range(4)
    ]
    processes = await asyncio.gather(*starting)
    ends = await asyncio.wait_for(asyncio.gather(*(process.communicate() for process in processes)), 60)
    assert [process.returncode for process in processes] == [0] * 4, ends
    with sqlite3.connect(tmp_path / "jackfield.db") as connection:
        found = connection.execute("SELECT version_num FROM alembic_version").fetchall()
    connection.close()
    assert found == [(REVISIONS[-1],)]


async def test_a_newer_schema_is_refused_by_name(tmp_path: Path) -> None:
    database = await Database.open("sqlite", tmp_path)
    async with database.writing() as transaction:
        await transaction.execute(text("UPDATE alembic_version SET version_num = '0999'"))
    await database.dispose()
    with pytest.raises(ConfigError, match=rf"jackfield\.db has schema 0999, which is newer .*{REVISIONS[-1]}"):
        await Database.open("sqlite", tmp_path)


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


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("postgresql://user:hunter2@db/jackfield", "extra `postgres`"),
        ("postgres://user:hunter2@db/jackfield", "extra `postgres`"),
        ("postgresql+asyncpg://user:hunter2@db/jackfield", "extra `postgres`"),
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


async def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match=r"store\.data_dir: .*file/data cannot be made"):
        await Database.open("sqlite", tmp_path / "file" / "data")


async def test_a_file_that_is_no_database_is_named(tmp_path: Path) -> None:
    (tmp_path / "jackfield.db").write_text("not a database, but long enough to look at" * 50)
    with pytest.raises(Unavailable, match=r"jackfield\.db failed: file is not a database"):
        await Database.open("sqlite", tmp_path)


async def test_a_migration_that_does_not_end_is_waited_for_only_so_long(tmp_path: Path) -> None:
    backend = SqliteBackend(tmp_path / "store.db", migration_s=0.05)
    with (tmp_path / "store.db.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(Unavailable, match=r"another process has been migrating it for 0\.05 s"):
            await Database.over(backend)


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


async def test_a_store_that_another_holds_is_unavailable_after_a_bounded_wait(tmp_path: Path) -> None:
    database = await Database.over(SqliteBackend(tmp_path / "store.db", busy_s=0.05))
    other = sqlite3.connect(tmp_path / "store.db", isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    with pytest.raises(Unavailable, match=r"store\.db failed: database is locked"):
        await set_revision(database, 1)
    other.execute("ROLLBACK")
    other.close()
    await set_revision(database, 2)
    assert await revision(database) == 2
    await database.dispose()


async def test_a_cancelled_write_leaves_the_store_usable(tmp_path: Path) -> None:
    database = await Database.open("sqlite", tmp_path)
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
    await database.dispose()
