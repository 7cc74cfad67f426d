"""The storage that a plugin is handed."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import pytest

from jackfield.errors import DeadlineExceeded, RateLimited
from jackfield.sdk.caller import Caller, acting_for
from jackfield.sdk.services import KeyValue, NotGranted, QuotaExceeded
from jackfield.services.allowance import Allowance
from jackfield.services.kv import QUOTA, VERBS, PluginStorage, owner_of
from jackfield.stores.database import Database
from jackfield.stores.kv import Amount, KeyValueStore

from .conftest import Factory, HandClock

BOTH = frozenset({"storage:read", "storage:write", "users:any"})
CALLS: dict[str, Callable[[KeyValue], Awaitable[Any]]] = {
    "get": lambda kv: kv.get("k"),
    "list": lambda kv: kv.list(),
    "set": lambda kv: kv.set("k", 1),
    "delete": lambda kv: kv.delete("k"),
    "clear": lambda kv: kv.clear(),
    "increment": lambda kv: kv.increment("n"),
    "compare_and_set": lambda kv: kv.compare_and_set("c", None, 1),
}


@pytest.fixture
def kv(factory: Factory) -> KeyValue:
    return factory.build("notes", BOTH).kv


def test_every_verb_has_its_permissions() -> None:
    verbs = {name for name, member in inspect.getmembers(KeyValue, inspect.isfunction) if not name.startswith("_")}
    assert verbs == set(VERBS) == set(CALLS)


@pytest.mark.parametrize("verb", sorted(CALLS))
@pytest.mark.parametrize("approved", [frozenset({"storage:read"}), frozenset({"storage:write"}), BOTH])
async def test_each_verb_asks_for_its_own_permissions(factory: Factory, verb: str, approved: frozenset[str]) -> None:
    kv = factory.build("notes", approved).kv
    missing = [permission for permission in VERBS[verb] if permission not in approved]
    if not missing:
        await CALLS[verb](kv)
        return
    with pytest.raises(NotGranted, match=f"plugin notes has no permission '{missing[0]}'") as refused:
        await CALLS[verb](kv)
    assert (refused.value.plugin, refused.value.permission) == ("notes", missing[0])


@pytest.mark.parametrize("value", [{"a": [1, 2.5, None]}, b"\x00", datetime(2026, 1, 1, 12, 30, tzinfo=UTC)])
async def test_values_come_back_as_they_were(kv: KeyValue, value: Any) -> None:
    await kv.set("k", value, user="u", namespace="n")
    assert await kv.get("k", user="u", namespace="n") == value
    assert await kv.get("k", "none", user="someone else", namespace="n") == "none"
    assert await kv.get("k", "none", namespace="n") == "none"


async def test_what_json_cannot_hold_is_refused_by_its_place(kv: KeyValue) -> None:
    with pytest.raises(ValueError, match=r"value\['tags'\]\[1\]: set is not JSON"):
        await kv.set("k", {"tags": ["a", {"b"}]})


async def test_all_verbs_work_together(kv: KeyValue, clock: HandClock) -> None:
    assert [await kv.increment("n", 2, ttl_s=10), await kv.increment("n")] == [2, 3]
    assert await kv.compare_and_set("lock", None, "mine", ttl_s=5)
    assert not await kv.compare_and_set("lock", None, "yours")
    assert await kv.list() == ("lock", "n")
    clock.now += 5
    assert await kv.list() == ("n",)
    assert await kv.delete("n")
    await kv.set("k", 1, ttl_s=1)
    assert await kv.clear() == 1


async def test_one_plugin_does_not_see_what_another_stored(factory: Factory) -> None:
    mine, yours = factory.build("mine", BOTH).kv, factory.build("yours", BOTH).kv
    await mine.set("k", "secret")
    assert await yours.get("k") is None
    assert await yours.list() == ()
    assert await yours.clear() == 0
    assert await mine.get("k") == "secret"


async def test_a_plugin_does_not_share_what_a_part_of_jackfield_stores(factory: Factory, store: KeyValueStore) -> None:
    await store.set("rings", "k", "shared")
    assert await factory.build("rings", BOTH).kv.get("k") is None


async def test_a_plugin_may_have_a_thousand_keys_over_all_scopes(factory: Factory, store: KeyValueStore) -> None:
    for number in range(QUOTA.keys - 1):
        await store.set(owner_of("notes"), f"k{number}", 1, namespace=str(number % 3), user=f"u{number % 5}")
    kv = factory.build("notes", BOTH).kv
    await kv.set("the last", 1)
    with pytest.raises(QuotaExceeded, match=r"plugin:notes cannot store 'more': .* 1,000 keys or 10,485,760 bytes"):
        await kv.set("more", 1, namespace="elsewhere")
    with pytest.raises(QuotaExceeded):
        await kv.increment("more")
    with pytest.raises(QuotaExceeded):
        await kv.compare_and_set("more", None, 1)
    await kv.set("the last", 2)
    await factory.build("another", BOTH).kv.set("k", 1)


async def test_a_plugin_may_have_ten_megabytes_to_the_byte(kv: KeyValue, store: KeyValueStore) -> None:
    half = QUOTA.size // 2
    await kv.set("a", bytes(half - 1))
    with pytest.raises(QuotaExceeded):
        await kv.set("b", bytes(half), user="u")
    await kv.set("b", bytes(half - 1), user="u")
    assert await store.usage("plugin:notes") == Amount(2, QUOTA.size)


async def test_operations_are_counted_over_reloads_and_not_for_others(factory: Factory, clock: HandClock) -> None:
    kv = factory.build("notes", BOTH).kv
    for _ in range(60):
        await kv.get("k")
    kv = factory.build("notes", BOTH).kv
    for _ in range(40):
        await kv.list()
    with pytest.raises(RateLimited, match="plugin notes has done 100 operations"):
        await kv.get("k")
    assert await factory.build("another", BOTH).kv.get("k") is None
    clock.now += 60
    assert await kv.get("k") is None


async def test_what_was_not_granted_is_no_operation(factory: Factory) -> None:
    kv = factory.build("notes", frozenset({"storage:read"})).kv
    for _ in range(200):
        with pytest.raises(NotGranted):
            await kv.set("k", 1)
    assert await kv.get("k") is None


def reachable(root: object) -> set[type]:
    """The types of what public attributes lead to, and of what those lead to."""
    seen: dict[int, object] = {}
    left = [root]
    while left:
        value = left.pop()
        if id(value) in seen or isinstance(value, type | str | int):
            continue
        seen[id(value)] = value
        for name in dir(value):
            with suppress(NotGranted):
                left += [getattr(value, name)] if not name.startswith("_") else []
    return {type(value) for value in seen.values()}


def test_nothing_public_leads_to_the_store(factory: Factory) -> None:
    found = reachable(factory.build("notes", BOTH))
    assert not found & {KeyValueStore, Database, Factory, HandClock}


def test_nothing_can_be_put_in_place_of_what_was_granted(factory: Factory) -> None:
    services = factory.build("notes", frozenset({"storage:read"}))
    for target, name in ((services, "kv"), (services, "more"), (services.kv, "set"), (services.kv, "approved")):
        with pytest.raises(AttributeError):
            setattr(target, name, None)


async def test_only_the_user_who_asks_is_dealt_with(store: KeyValueStore, clock: HandClock) -> None:
    kv = PluginStorage(Allowance.of("notes", frozenset({"storage:read", "storage:write"}), clock), store)
    with acting_for(Caller(user="alice")):
        await kv.set("k", 1, user="alice")
        with pytest.raises(NotGranted, match="users:any"):
            await kv.get("k", user="bob")
    with pytest.raises(NotGranted, match="users:any"):
        await kv.get("k", user="alice")
    assert await kv.get("k") is None


async def test_a_store_that_does_not_answer_is_not_waited_for(
    store: KeyValueStore, clock: HandClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def hang(*given: Any, **named: Any) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr("jackfield.services.kv.DEADLINE_S", 0.01)
    monkeypatch.setattr(store, "get", hang)
    kv = PluginStorage(Allowance.of("notes", BOTH, clock), store)
    with pytest.raises(DeadlineExceeded, match="the storage did not answer within"):
        await kv.get("k")
