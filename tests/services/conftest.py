"""A store, a clock that only the test moves, a factory over both, and an internet to send requests to."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from jackfield.sdk.services import Services
from jackfield.services.allowance import Allowance
from jackfield.services.grants import Asker, Offer, ServiceFactory
from jackfield.services.http import AGENT, OUTBOUND, PluginHttp, open_egress
from jackfield.services.kv import STORAGE, PluginStorage
from jackfield.services.secrets import Secrets
from jackfield.stores.database import Database
from jackfield.stores.kv import KeyValueStore
from jackfield.transport import HttpClient

from .internet import Internet, end, trust

MakeHttp = Callable[..., PluginHttp]
NO_SECRETS = Secrets({})


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


@pytest.fixture
async def internet(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Internet]:
    async with Internet() as internet:
        internet.watch(monkeypatch)
        yield internet


@pytest.fixture
async def egress(internet: Internet) -> AsyncIterator[HttpClient]:
    client = open_egress(internet, trust())
    yield client
    await end(client)


@pytest.fixture
def make_http(egress: HttpClient, clock: HandClock) -> MakeHttp:
    """What several plugins use of it, over one client."""

    def make(
        hosts: tuple[str, ...] | None = None,
        *,
        plugin: str = "scout",
        permission: str = OUTBOUND,
        agent: str = AGENT,
        secrets: Secrets = NO_SECRETS,
    ) -> PluginHttp:
        return PluginHttp(Allowance.of(plugin, frozenset({permission}), clock), egress, secrets, hosts, agent=agent)

    return make


@pytest.fixture
def http(make_http: MakeHttp) -> PluginHttp:
    return make_http()
