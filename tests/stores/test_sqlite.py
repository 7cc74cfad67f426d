"""SQLite in a file: who may read it, how it is kept, and what happens when it cannot be."""

from __future__ import annotations

import fcntl
import sqlite3
import stat
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import text

from jackfield.errors import ConfigError, Unavailable
from jackfield.stores.database import Database
from jackfield.stores.sqlite import SqliteBackend


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    database = await Database.open("sqlite", tmp_path / "data")
    yield database
    await database.dispose()


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
