"""A store, a clock that only the test moves, and a factory over both."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from jackfield.services.grants import ServiceFactory
from jackfield.stores.database import Database
from jackfield.stores.kv import KeyValueStore


class HandClock:
    def __init__(self, now: float = 1_000.0) -> None:
        self.now = now

    def wall(self) -> float:
        return self.now

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
async def store(tmp_path: Path, clock: HandClock) -> AsyncIterator[KeyValueStore]:
    database = await Database.open("sqlite", tmp_path)
    yield KeyValueStore(database, clock)
    await database.dispose()


@pytest.fixture
def factory(store: KeyValueStore, clock: HandClock) -> ServiceFactory:
    return ServiceFactory(store, clock)
