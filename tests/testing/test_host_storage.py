"""Storage in memory keeps the rules of the gateway's own: the same tests hold for both."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from jackfield.errors import RateLimited
from jackfield.sdk.services import KeyValue, NotGranted, QuotaExceeded
from jackfield.services.allowance import Allowance
from jackfield.services.kv import PluginStorage
from jackfield.stores.database import Database
from jackfield.stores.kv import Amount, KeyValueStore
from jackfield.testing.memory import HandClock, MemoryStore

BOTH = frozenset({"storage:read", "storage:write", "users:any"})


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture(params=["memory", "sqlite"])
async def store(request: pytest.FixtureRequest, clock: HandClock, tmp_path: Path) -> AsyncIterator[KeyValueStore]:
    if request.param == "memory":
        yield MemoryStore(clock)
        return
    database = await Database.open("sqlite", tmp_path)
    try:
        yield KeyValueStore(database, clock)
    finally:
        await database.dispose()


@pytest.fixture
def kv(store: KeyValueStore, clock: HandClock) -> KeyValue:
    return PluginStorage(Allowance.of("tested", BOTH, clock), store)


@pytest.mark.parametrize("value", [1, "x", None, [1, {"a": 2.5}], b"\x00", datetime(2026, 1, 2, tzinfo=UTC)])
async def test_values_come_back_as_they_were(kv: KeyValue, value: Any) -> None:
    await kv.set("key", value)
    assert await kv.get("key", "nothing") == value


async def test_what_is_stored_is_nobody_elses_to_change(kv: KeyValue) -> None:
    value = {"list": [1]}
    await kv.set("key", value)
    value["list"].append(2)
    (await kv.get("key"))["list"].append(3)
    assert await kv.get("key") == {"list": [1]}


async def test_scopes_are_apart(kv: KeyValue) -> None:
    await kv.set("key", 1)
    await kv.set("key", 2, user="ada")
    await kv.set("key", 3, namespace="other")
    assert [await kv.get("key"), await kv.get("key", user="ada"), await kv.get("key", namespace="other")] == [1, 2, 3]
    assert await kv.clear(user="ada") == 1
    assert await kv.list() == ("key",)


async def test_keys_are_listed_by_their_plain_beginning(kv: KeyValue) -> None:
    for key in ("a%b", "a_c", "b"):
        await kv.set(key, 1)
    assert await kv.list("a") == ("a%b", "a_c")
    assert await kv.list("a%") == ("a%b",)
    assert (await kv.delete("b"), await kv.delete("b")) == (True, False)


async def test_what_has_expired_is_gone(kv: KeyValue, clock: HandClock) -> None:
    await kv.set("short", 1, ttl_s=10)
    assert await kv.increment("count", ttl_s=10) == 1
    clock.advance(9)
    assert await kv.increment("count") == 2
    clock.advance(2)
    assert (await kv.get("short"), await kv.list()) == (None, ())
    assert (await kv.delete("short"), await kv.increment("count")) == (False, 1)


async def test_comparing_before_setting(kv: KeyValue) -> None:
    assert await kv.compare_and_set("key", None, 1)
    assert not await kv.compare_and_set("key", 1.0, 2)
    assert await kv.compare_and_set("key", 1, 2)
    assert await kv.get("key") == 2


@pytest.mark.parametrize(("key", "value"), [("", 1), ("x" * 513, 1), ("x", {1, 2}), ("x", {"a": object()})])
async def test_what_cannot_be_kept_is_refused(kv: KeyValue, key: str, value: Any) -> None:
    with pytest.raises(ValueError, match=r"key|value"):
        await kv.set(key, value)


async def test_only_so_much_fits(store: KeyValueStore, clock: HandClock) -> None:
    quota = Amount(keys=2, size=100)
    await store.set("tested", "a", "x", quota=quota, ttl_s=1)
    await store.set("tested", "b", "x", quota=quota)
    with pytest.raises(QuotaExceeded):
        await store.set("tested", "c", "x", quota=quota)
    with pytest.raises(QuotaExceeded):
        await store.set("tested", "b", "x" * 200, quota=quota)
    clock.advance(2)
    await store.set("tested", "c", "x", quota=quota)
    assert await store.usage("tested") == Amount(keys=2, size=8)
    await store.forget("tested")
    assert await store.usage("tested") == Amount(keys=0, size=0)


async def test_each_verb_needs_its_permission(store: KeyValueStore, clock: HandClock) -> None:
    reader = PluginStorage(Allowance.of("reader", frozenset({"storage:read"}), clock), store)
    with pytest.raises(NotGranted, match="storage:write"):
        await reader.set("key", 1)


async def test_only_so_often(kv: KeyValue, clock: HandClock) -> None:
    for _ in range(100):
        await kv.get("key")
    with pytest.raises(RateLimited):
        await kv.get("key")
    clock.advance(61)
    assert await kv.get("key") is None
