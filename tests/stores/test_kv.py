"""Keys and values: scopes, lives, totals and limits."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from jackfield.sdk.services import QuotaExceeded
from jackfield.stores.kv_base import Amount, KeyValues

from .conftest import Place
from .kv_clock import HandClock

PLACES: list[dict[str, Any]] = [
    {},
    {"namespace": "a"},
    {"user": "u"},
    {"user": "a"},
    {"namespace": "a", "user": "u"},
]
ODD = ["%", "_", "*", "[", "]", "?", "\\", "'", '"', "a:b", "a b", "ü", "İ", "\U0001f600", "A", "a"]


async def test_a_value_is_there_until_it_is_deleted(kv: KeyValues) -> None:
    assert await kv.get("o", "k") is None
    assert await kv.get("o", "k", "none yet") == "none yet"
    await kv.set("o", "k", {"a": [1, None]})
    await kv.set("o", "k", {"a": [2, None]})
    assert await kv.get("o", "k", "none yet") == {"a": [2, None]}
    assert await kv.delete("o", "k") is True
    assert await kv.delete("o", "k") is False
    assert await kv.get("o", "k") is None


@pytest.mark.parametrize("value", [None, 0, "", b"", b"\x00\xff", datetime(2026, 1, 1, tzinfo=UTC), 2**80, -0.0])
async def test_a_value_keeps_its_type(kv: KeyValues, value: Any) -> None:
    await kv.set("o", "k", value)
    found = await kv.get("o", "k", "none")
    assert (type(found), repr(found)) == (type(value), repr(value))


async def test_what_was_stored_is_there_after_a_restart(kv_place: Place) -> None:
    async with kv_place.open_kv(HandClock()) as kv:
        await kv.set("o", "k", 1)
    async with kv_place.open_kv(HandClock()) as kv:
        assert await kv.get("o", "k") == 1


async def test_many_are_set_together_or_not_at_all(kv: KeyValues) -> None:
    await kv.set("o", "a", 0)
    await kv.set_many("o", {"a": 1, "b": [2]})
    await kv.set_many("o", {})
    with pytest.raises(ValueError, match=r"key 'e': value: "):
        await kv.set_many("o", {"d": 1, "e": {1, 2}})
    with pytest.raises(ValueError, match="key '': key: is empty"):
        await kv.set_many("o", {"d": 1, "": 1})
    assert {key: await kv.get("o", key) for key in await kv.list("o")} == {"a": 1, "b": [2]}


async def test_every_scope_has_keys_of_its_own(kv: KeyValues) -> None:
    for number, place in enumerate(PLACES):
        await kv.set("o", "k", number, **place)
    await kv.set("other", "k", "theirs")
    assert [await kv.get("o", "k", **place) for place in PLACES] == [0, 1, 2, 3, 4]
    await kv.delete("o", "k", namespace="a")
    assert [await kv.get("o", "k", **place) for place in PLACES] == [0, None, 2, 3, 4]
    assert await kv.clear("o", user="u") == 1
    assert [await kv.get("o", "k", **place) for place in PLACES] == [0, None, None, 3, 4]
    await kv.forget("o")
    assert [await kv.get("o", "k", **place) for place in PLACES] == [None] * 5
    assert await kv.get("other", "k") == "theirs"


async def test_scopes_are_not_confused_by_how_they_are_spelled(kv: KeyValues) -> None:
    await kv.set("o", "b:c", 1, namespace="a")
    assert await kv.get("o", "c", namespace="a:b") is None
    await kv.set("o", "k", 1, namespace="*")
    await kv.set("o", "k", 2, namespace="x")
    assert await kv.clear("o", namespace="*") == 1
    assert await kv.get("o", "k", namespace="x") == 2


async def test_no_character_of_a_key_or_prefix_has_a_meaning(kv: KeyValues) -> None:
    keys = sorted(ODD + [odd + "tail" for odd in ODD])
    for key in keys:
        await kv.set("o", key, key)
    assert await kv.list("o") == tuple(keys)
    for prefix in ODD:
        assert await kv.list("o", prefix) == tuple(key for key in keys if key.startswith(prefix))
        assert await kv.get("o", prefix) == prefix
    assert await kv.list("o", "nothing begins so") == ()


@pytest.mark.parametrize(
    ("place", "told"),
    [
        ({"key": ""}, "key: is empty"),
        ({"key": "k" * 513}, "key: has 513 bytes, of at most 512"),
        ({"key": "ü" * 257}, "key: has 514 bytes"),
        ({"key": "a\0b"}, "key: .* holds a NUL"),
        ({"key": "\ud800"}, "key: .* is not valid Unicode"),
        ({"key": 5}, "key: is int, not text"),
        ({"key": "k", "namespace": "n" * 129}, "namespace: has 129 bytes, of at most 128"),
        ({"key": "k", "namespace": None}, "namespace: is NoneType, not text"),
        ({"key": "k", "user": ""}, "user: is empty; None is the scope of no user"),
        ({"key": "k", "user": "u" * 513}, "user: has 513 bytes"),
    ],
)
async def test_places_that_cannot_be_are_refused_by_name(kv: KeyValues, place: dict[str, Any], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        await kv.set("o", value=1, **place)
    with pytest.raises(ValueError, match=told):
        await kv.get("o", **place)


async def test_the_longest_key_fits(kv: KeyValues) -> None:
    await kv.set("o", "ü" * 256, 1, namespace="n" * 128, user="u" * 512)
    assert await kv.list("o", "ü" * 256, namespace="n" * 128, user="u" * 512) == ("ü" * 256,)


async def test_a_value_is_gone_at_the_end_of_its_life(kv: KeyValues, clock: HandClock) -> None:
    await kv.set("o", "k", 1, ttl_s=10)
    clock.now += 9.9
    assert await kv.get("o", "k") == 1
    clock.now += 0.1
    assert await kv.get("o", "k") is None
    assert await kv.list("o") == ()
    assert await kv.delete("o", "k") is False
    await kv.set("o", "k", 2, ttl_s=10)
    clock.now += 10
    assert await kv.clear("o") == 0


async def test_setting_again_without_a_life_means_for_ever(kv: KeyValues, clock: HandClock) -> None:
    await kv.set("o", "k", 1, ttl_s=10)
    await kv.set("o", "k", 2)
    clock.now += 1e9
    assert await kv.get("o", "k") == 2


@pytest.mark.parametrize("ttl_s", [0, -1, float("nan"), float("inf")])
async def test_lives_that_cannot_be_are_refused(kv: KeyValues, ttl_s: float) -> None:
    with pytest.raises(ValueError, match=r"ttl_s: .* is no time to live"):
        await kv.set("o", "k", 1, ttl_s=ttl_s)


async def test_counting_begins_at_nothing(kv: KeyValues) -> None:
    assert [await kv.increment("o", "n"), await kv.increment("o", "n", 5), await kv.increment("o", "n", -9)] == [
        1,
        6,
        -3,
    ]
    assert await kv.get("o", "n") == -3


async def test_a_counter_lives_from_its_beginning(kv: KeyValues, clock: HandClock) -> None:
    await kv.increment("o", "n", ttl_s=10)
    clock.now += 6
    assert await kv.increment("o", "n", ttl_s=10) == 2
    clock.now += 4
    assert await kv.increment("o", "n", ttl_s=10) == 1


@pytest.mark.parametrize(
    ("value", "by", "told"),
    [
        ("1", 1, "key 'n': str is not an integer"),
        (True, 1, "bool is not an integer"),
        (1, 0.5, "float is not an integer"),
        (2**63 - 1, 1, "more than 64 bits"),
    ],
)
async def test_what_cannot_be_counted_is_refused_and_stays(kv: KeyValues, value: Any, by: Any, told: str) -> None:
    await kv.set("o", "n", value)
    with pytest.raises(ValueError, match=told):
        await kv.increment("o", "n", by)
    assert await kv.get("o", "n") == value


async def test_compare_and_set_acts_on_what_get_would_answer(kv: KeyValues, clock: HandClock) -> None:
    assert await kv.compare_and_set("o", "k", 1, 2) is False
    assert await kv.compare_and_set("o", "k", None, {"a": 1, "b": 2}, ttl_s=10) is True
    assert await kv.compare_and_set("o", "k", None, 3) is False
    assert await kv.compare_and_set("o", "k", {"b": 2, "a": 1}, 3, ttl_s=10) is True
    assert await kv.compare_and_set("o", "k", 3.0, 4) is False
    clock.now += 10
    assert await kv.compare_and_set("o", "k", None, b"x") is True
    assert await kv.get("o", "k") == b"x"


async def test_compare_and_set_refuses_what_can_never_be_there(kv: KeyValues) -> None:
    with pytest.raises(ValueError, match="value: set is not JSON"):
        await kv.compare_and_set("o", "k", {1}, 1)
    with pytest.raises(ValueError, match="value: set is not JSON"):
        await kv.compare_and_set("o", "k", None, {1})


async def test_totals_are_exact_in_bytes(kv: KeyValues, clock: HandClock) -> None:
    assert await kv.usage("o") == Amount(0, 0)
    await kv.set("o", "ü", b"12345")
    await kv.set("o", "key", [1, 2], user="u", namespace="n")
    await kv.set("other", "key", b"x" * 100)
    assert await kv.usage("o") == Amount(2, 7 + 8)
    await kv.set("o", "ü", b"1", ttl_s=1)
    assert await kv.usage("o") == Amount(2, 3 + 8)
    await kv.increment("o", "n", 100)
    assert await kv.usage("o") == Amount(3, 3 + 8 + 4)
    clock.now += 1
    assert await kv.usage("o") == Amount(2, 8 + 4)
    await kv.delete("o", "n")
    await kv.clear("o", user="u", namespace="n")
    assert await kv.usage("o") == Amount(0, 0)


async def test_an_owner_may_have_exactly_its_quota(kv: KeyValues) -> None:
    quota = Amount(keys=2, size=20)
    await kv.set("o", "a", b"x" * 9, quota=quota)
    await kv.set("o", "b", b"x" * 9, quota=quota, user="u")
    with pytest.raises(QuotaExceeded, match=r"o cannot store 'c': it would have more than 2 keys or 20 bytes"):
        await kv.set("o", "c", b"", quota=quota)
    with pytest.raises(QuotaExceeded):
        await kv.set("o", "a", b"x" * 10, quota=quota)
    assert await kv.get("o", "a") == b"x" * 9
    await kv.set("o", "a", b"x" * 8, quota=quota)
    await kv.set("o", "b", b"x" * 10, quota=quota, user="u")
    assert await kv.usage("o") == quota
    await kv.set("other", "a", b"x" * 19, quota=quota)


async def test_counting_and_comparing_keep_to_the_quota(kv: KeyValues) -> None:
    quota = Amount(keys=1, size=2)
    assert await kv.increment("o", "n", 9, quota=quota) == 9
    with pytest.raises(QuotaExceeded):
        await kv.increment("o", "n", 1, quota=quota)
    with pytest.raises(QuotaExceeded):
        await kv.compare_and_set("o", "n", 9, 10, quota=quota)
    with pytest.raises(QuotaExceeded):
        await kv.compare_and_set("o", "other", None, 1, quota=quota)
    assert (await kv.get("o", "n"), await kv.usage("o")) == (9, quota)


async def test_what_has_expired_makes_room_without_a_sweep(kv: KeyValues, clock: HandClock) -> None:
    quota = Amount(keys=2, size=100)
    await kv.set("o", "a", 1, ttl_s=1, quota=quota)
    await kv.set("o", "b", 1, ttl_s=1, quota=quota)
    clock.now += 1
    await kv.set("o", "c", 1, quota=quota)
    await kv.increment("o", "d", ttl_s=1, quota=quota)
    clock.now += 1
    assert await kv.compare_and_set("o", "e", None, 1, quota=quota)
    assert await kv.list("o") == ("c", "e")
    assert await kv.sweep() == 0


async def test_the_sweep_removes_what_has_expired_of_all_owners(kv: KeyValues, clock: HandClock) -> None:
    for number in range(7):
        await kv.set(f"o{number % 2}", f"short {number}", 1, ttl_s=1)
        await kv.set(f"o{number % 2}", f"long {number}", 1, ttl_s=100, user="u")
    clock.now += 1
    assert await kv.sweep() == 7
    assert await kv.sweep() == 0
    assert await kv.usage("o0") == Amount(4, 4 * len("long 0") + 4)
