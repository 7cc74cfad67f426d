"""A fresh SQLite store for each test."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from jackfield.stores.database import Database


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    database = await Database.open("sqlite", tmp_path / "data")
    yield database
    await database.dispose()
