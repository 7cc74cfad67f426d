"""Keys and values in Redis: under which names, and what happens when it cannot be."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from redis.asyncio import Redis

from jackfield.errors import ConfigError, Unavailable
from jackfield.stores.database import Database
from jackfield.stores.key_values import open_key_values
from jackfield.stores.kv_base import Amount
from jackfield.stores.redis_kv import RedisKeyValueStore

from .kv_clock import HandClock

ROOT = "sentinel:plugin:weather"
OWNER = "plugin:weather"
NOWHERE = "redis://somebody:hunter2@127.0.0.1:1/0"


@pytest.fixture
async def kv(redis_url: str, clock: HandClock) -> AsyncIterator[RedisKeyValueStore]:
    async with RedisKeyValueStore.open(redis_url, clock) as kv:
        yield kv


@pytest.fixture
async def raw(redis_url: str) -> AsyncIterator[Redis]:
    async with Redis.from_url(redis_url, decode_responses=True) as raw:
        yield raw


async def names(raw: Redis) -> set[str]:
    return {name async for name in raw.scan_iter() if not name.startswith("jackfield:index:")}


async def test_a_plugin_s_keys_are_called_as_its_guide_says(kv: RedisKeyValueStore, raw: Redis) -> None:
    await kv.set(OWNER, "last_query", {"city": "Ulm"}, namespace="default")
    await kv.set(OWNER, "counter", 42, namespace="stats", user="ada")
    await kv.set(OWNER, "counter", 43, namespace="stats", user="bob")
    assert await names(raw) == {f"{ROOT}:plugin:default:last_query", f"{ROOT}:user:stats:counter"}
    assert await raw.get(f"{ROOT}:plugin:default:last_query") == '{"city":"Ulm"}'
    assert await raw.hgetall(f"{ROOT}:user:stats:counter") == {"ada": "42", "bob": "43"}


async def test_every_place_has_a_name_of_its_own(kv: RedisKeyValueStore, raw: Redis) -> None:
    places = [("", "k"), ("default", "k"), ("a", "b:c"), ("a:b", "c"), ("a%3Ab", "c"), ("*", "k"), ("", ":k")]
    for namespace, key in places:
        await kv.set(OWNER, key, [namespace, key], namespace=namespace)
        await kv.set(OWNER, key, [key], namespace=namespace, user="a:b")
    scopes = [f"{ROOT}:{scope}" for scope in ("plugin", "user")]
    spelled = [":k", "default:k", "a:b:c", "a%3Ab:c", "a%253Ab:c", "*:k", "::k"]
    assert await names(raw) == {f"{scope}:{name}" for scope in scopes for name in spelled}
    for namespace, key in places:
        assert await kv.get(OWNER, key, namespace=namespace) == [namespace, key]
        assert await kv.list(OWNER, namespace=namespace, user="a:b") == (key,) if namespace else True


async def test_owners_are_not_confused_by_how_they_are_spelled(kv: RedisKeyValueStore, raw: Redis) -> None:
    for number, owner in enumerate(("rings", "plugin:rings", "plugin:a", "plugin:a:plugin", "plugin:a%3Aplugin")):
        await kv.set(owner, "k", number, namespace="n")
    expected = {"jackfield:kv:rings:plugin:n:k", *(f"sentinel:plugin:{name}:plugin:n:k" for name in ("rings", "a"))}
    expected |= {f"sentinel:plugin:{name}:plugin:n:k" for name in ("a%3Aplugin", "a%253Aplugin")}
    assert await names(raw) == expected
    await kv.forget("plugin:a")
    assert await names(raw) == expected - {"sentinel:plugin:a:plugin:n:k"}


async def test_clearing_touches_nothing_that_is_not_the_plugin_s(kv: RedisKeyValueStore, raw: Redis) -> None:
    for name in (f"{ROOT}:plugin:*:theirs", f"{ROOT}:plugin:a:theirs", "other"):
        await raw.set(name, "x")
    await kv.set(OWNER, "k", 1, namespace="a")
    assert await kv.clear(OWNER, namespace="*") == 0
    assert await kv.clear(OWNER, namespace="a") == 1
    await kv.forget(OWNER)
    assert await names(raw) == {f"{ROOT}:plugin:*:theirs", f"{ROOT}:plugin:a:theirs", "other"}


async def test_what_is_gone_leaves_nothing_behind(kv: RedisKeyValueStore, raw: Redis, clock: HandClock) -> None:
    for number in range(5):
        await kv.set(OWNER, f"k{number}", number, ttl_s=1, user="u" if number % 2 else None)
        await kv.set("plugin:b", f"k{number}", number, user="u")
    clock.now += 1
    assert await kv.sweep() == 5
    await kv.clear("plugin:b", user="u")
    assert await raw.dbsize() == 0
    await kv.set(OWNER, "k", 1, ttl_s=1)
    await kv.forget(OWNER)
    assert await raw.dbsize() == 0


async def test_a_value_that_somebody_else_took_away_is_not_there_nor_counted(
    kv: RedisKeyValueStore, raw: Redis
) -> None:
    await kv.set(OWNER, "a", 1)
    await kv.set(OWNER, "b", 1, user="u")
    await raw.delete(f"{ROOT}:plugin::a", f"{ROOT}:user::b")
    assert await kv.get(OWNER, "a", "gone") == "gone"
    assert await kv.increment(OWNER, "b", user="u") == 1
    assert await kv.usage(OWNER) == Amount(1, 2)


async def test_large_numbers_are_counted_exactly(kv: RedisKeyValueStore) -> None:
    await kv.set(OWNER, "n", 2**53)
    assert await kv.increment(OWNER, "n") == 2**53 + 1
    assert await kv.increment(OWNER, "n", 2**63 - 2 - 2**53) == 2**63 - 1
    assert await kv.increment(OWNER, "m", -(2**63 - 1)) == -(2**63 - 1)
    with pytest.raises(ValueError, match="more than 64 bits"):
        await kv.increment(OWNER, "m", -1)
    assert await kv.get(OWNER, "m") == -(2**63 - 1)


async def test_it_goes_on_after_redis_forgot_its_scripts(kv: RedisKeyValueStore, raw: Redis) -> None:
    await kv.set(OWNER, "k", 1)
    await raw.script_flush()
    assert await kv.get(OWNER, "k") == 1


async def test_a_server_that_is_not_there_is_named_without_its_credentials(clock: HandClock) -> None:
    with pytest.raises(Unavailable, match=r"the Redis at redis://127\.0\.0\.1:1/0 failed: ") as told:
        async with RedisKeyValueStore.open(NOWHERE, clock):
            pass
    assert "hunter2" not in str(told.value)
    assert "somebody" not in str(told.value)


async def test_a_wrong_password_is_refused_without_repeating_it(redis_url: str, clock: HandClock) -> None:
    url = redis_url.replace("redis://", "redis://somebody:hunter2@")
    with pytest.raises(ConfigError, match=r"store\.redis: redis://127\.0\.0\.1:\d+/\d+ refuses: ") as told:
        async with RedisKeyValueStore.open(url, clock):
            pass
    assert "hunter2" not in str(told.value)


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("http://h", "expected redis://"),
        ("redis", "expected redis://"),
        ("redis://:hunter2/x@h/0", "write @ / "),
        ("redis://h/0?password=hunter2", "password in the query"),
        ("redis://h:hunter2/0", "port that is not a number"),
        ("redis://h/hunter2", "by what is not a number"),
    ],
)
async def test_urls_that_cannot_be_are_refused_without_their_secrets(
    url: str, told: str, database: Database, clock: HandClock
) -> None:
    with pytest.raises(ConfigError, match=told) as refused:
        async with open_key_values(database, url, clock):
            pass
    assert refused.value.field == "store.redis"
    assert "hunter2" not in str(refused.value)


async def test_a_missing_driver_is_named_with_the_command_that_installs_it(
    database: Database, clock: HandClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jackfield.stores.extras.find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"store\.redis: .*pip install 'jackfield\[redis\]'"):
        async with open_key_values(database, NOWHERE, clock):
            pass
