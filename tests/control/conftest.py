"""A fresh store, a clock that the test sets, and credentials over both."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from jackfield.control.credentials import Credentials
from jackfield.stores.database import Database

SECRET = b"a secret of the tests, long enough"


class SetClock:
    """Stands still until it is set."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now

    def wall(self) -> float:
        return self.now


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    database = await Database.open("sqlite", tmp_path / "data")
    yield database
    await database.dispose()


@pytest.fixture
def clock() -> SetClock:
    return SetClock()


@pytest.fixture
def credentials(database: Database, clock: SetClock) -> Credentials:
    return Credentials(database, SECRET, clock)
