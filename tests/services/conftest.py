"""A store, a clock that only the test moves, and a factory over both."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from jackfield.sdk.services import Services
from jackfield.services.grants import Asker, Offer, ServiceFactory
from jackfield.services.kv import STORAGE, PluginStorage
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


class Factory:
    """Only what is stored; `build` hands out the services themselves."""

    def __init__(self, store: KeyValueStore, clock: HandClock) -> None:
        kv = Offer(STORAGE, lambda grant: PluginStorage(grant.allowance, store))
        self._factory = ServiceFactory({"kv": kv}, clock)

    def build(self, plugin: str, approved: frozenset[str]) -> Services:
        return self._factory.build(Asker(plugin=plugin, approved=approved)).services


@pytest.fixture
def factory(store: KeyValueStore, clock: HandClock) -> Factory:
    return Factory(store, clock)
