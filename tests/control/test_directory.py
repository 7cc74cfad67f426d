"""Who a key stands for: known in memory, following the store."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from pathlib import Path

import pytest

from jackfield.control.credentials import Credentials
from jackfield.control.directory import Directory
from jackfield.errors import Unavailable
from jackfield.stores.database import Database

from .conftest import SECRET, SetClock


async def issue(credentials: Credentials, name: str = "one", **more: object) -> str:
    return (await credentials.create(name=name, actor="test", **more)).text


@pytest.fixture
def directory(database: Database, clock: SetClock) -> Directory:
    return Directory(database, SECRET, clock)


async def until(directory: Directory, text: str, known: bool) -> None:
    async with asyncio.timeout(10):
        while (directory.identify(text) is not None) is not known:
            await asyncio.sleep(0.01)


async def test_a_key_is_known_as_text_and_as_bytes(credentials: Credentials, directory: Directory) -> None:
    text = await issue(credentials, app="shop")
    await directory.refresh()
    found = directory.identify(text)
    assert found is not None
    assert (found.name, found.app) == ("one", "shop")
    assert directory.identify(text.encode()) is found


@pytest.mark.parametrize("presented", ["", "jf-", "jf-unknown", "ü", "\ud800", b"", b"\xff\x00"])
async def test_what_is_no_key_is_nobody(credentials: Credentials, directory: Directory, presented: str | bytes) -> None:
    await issue(credentials)
    await directory.refresh()
    assert directory.identify(presented) is None


async def test_a_key_is_nobody_from_the_moment_it_expires(
    credentials: Credentials, directory: Directory, clock: SetClock
) -> None:
    text = await issue(credentials, expires_at=2000.0)
    await directory.refresh()
    clock.now = 1999.9
    assert directory.identify(text) is not None
    clock.now = 2000.0
    assert directory.identify(text) is None


async def test_a_revoked_key_is_nobody_and_others_stay(credentials: Credentials, directory: Directory) -> None:
    one, two = await issue(credentials, "one"), await issue(credentials, "two")
    await directory.refresh()
    await credentials.revoke("one", actor="test")
    await directory.refresh()
    assert directory.identify(one) is None
    assert directory.identify(two) is not None


async def test_a_revoked_credential_does_not_take_another_with_the_same_key_along(
    credentials: Credentials, directory: Directory
) -> None:
    await credentials.first_keys("admin-key", "api-key")
    await directory.refresh()
    await credentials.first_keys("other-admin-key", "api-key")
    await directory.refresh()
    assert directory.identify("admin-key") is None
    assert directory.identify("other-admin-key") is not None


async def test_changes_made_elsewhere_are_followed(database: Database, clock: SetClock, tmp_path: Path) -> None:
    elsewhere = await Database.open("sqlite", tmp_path / "data")
    others = Credentials(elsewhere, SECRET, clock)
    async with Directory(database, SECRET, clock) as directory:
        text = await issue(others)
        changed = time.monotonic()
        await until(directory, text, known=True)
        assert time.monotonic() - changed < 2
        await others.revoke("one", actor="test")
        await until(directory, text, known=False)
    await elsewhere.dispose()


async def test_nothing_is_read_again_while_nothing_changes(
    credentials: Credentials, directory: Directory, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = await issue(credentials)
    await directory.refresh()
    monkeypatch.delattr("jackfield.stores.objects.Objects.changes_since")
    await directory.refresh()
    assert directory.identify(text) is not None


async def test_the_last_good_view_stays_while_the_store_is_down(
    credentials: Credentials, directory: Directory, clock: SetClock, tmp_path: Path
) -> None:
    text = await issue(credentials)
    await directory.refresh()
    broken = sqlite3.connect(tmp_path / "data" / "jackfield.db")
    broken.execute("ALTER TABLE revisions RENAME TO hidden")
    clock.now = 1200.0
    await directory.refresh_or_stay()
    clock.now = 1300.0
    await directory.refresh_or_stay()
    assert directory.stale_since == 1200.0
    assert directory.identify(text) is not None
    broken.execute("ALTER TABLE hidden RENAME TO revisions")
    broken.close()
    await issue(credentials, "two")
    await directory.refresh_or_stay()
    assert directory.stale_since is None


async def test_a_store_that_is_down_at_the_start_is_an_error(directory: Directory, tmp_path: Path) -> None:
    broken = sqlite3.connect(tmp_path / "data" / "jackfield.db")
    broken.execute("DROP TABLE revisions")
    broken.close()
    with pytest.raises(Unavailable, match="no such table: revisions"):
        await directory.__aenter__()


async def test_a_key_that_is_not_understood_is_nobody_and_harms_no_other(
    credentials: Credentials, directory: Directory, database: Database, tmp_path: Path
) -> None:
    odd, good = await issue(credentials, "odd"), await issue(credentials, "good")
    connection = sqlite3.connect(tmp_path / "data" / "jackfield.db")
    connection.execute("""UPDATE objects SET body = '{"future": 1}' WHERE body LIKE '%"odd"%'""")
    connection.commit()
    connection.close()
    await directory.refresh()
    assert directory.identify(odd) is None
    assert directory.identify(good) is not None


async def test_keys_made_with_another_secret_are_nobody(
    database: Database, directory: Directory, clock: SetClock
) -> None:
    text = await issue(Credentials(database, b"quite another secret", clock))
    await directory.refresh()
    assert directory.identify(text) is None


async def test_leaving_ends_the_following(database: Database, clock: SetClock) -> None:
    async with Directory(database, SECRET, clock):
        assert "directory" in {task.get_name() for task in asyncio.all_tasks()}
    assert "directory" not in {task.get_name() for task in asyncio.all_tasks()}
