"""The key-value store against a dictionary, whatever is done in whatever order."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterator
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from jackfield.sdk.services import QuotaExceeded
from jackfield.stores.kv_base import Amount, KeyValues

from .conftest import Place
from .kv_clock import HandClock

Spot = tuple[str, str | None, str, str]

QUOTAS = {"free": None, "bounded": Amount(keys=4, size=30)}
OWNERS = st.sampled_from(sorted(QUOTAS))
USERS = st.sampled_from([None, "u", "v"])
NAMESPACES = st.sampled_from(["", "n"])
SCOPES = st.tuples(OWNERS, USERS, NAMESPACES)
PLACES = st.tuples(OWNERS, USERS, NAMESPACES, st.sampled_from(["a", "aü", "a%", "b"]))
VALUES = st.one_of(st.none(), st.integers(-1, 2), st.binary(max_size=12), st.text(max_size=5), st.lists(st.booleans()))
LIVES = st.none() | st.integers(1, 5)


def is_equal(one: Any, other: Any) -> bool:
    return (type(one), repr(one)) == (type(other), repr(other))


class Expected:
    """What should be there."""

    def __init__(self, clock: HandClock) -> None:
        self._clock = clock
        self._items: dict[Spot, tuple[Any, float | None]] = {}

    def living(self) -> dict[Spot, tuple[Any, float | None]]:
        now = self._clock.now
        self._items = {place: item for place, item in self._items.items() if item[1] is None or item[1] > now}
        return self._items

    def get(self, place: Spot) -> Any:
        return self.living().get(place, (None, None))[0]

    def expiry(self, ttl_s: float | None) -> float | None:
        return None if ttl_s is None else self._clock.now + ttl_s

    def amount(self, owner: str, *, without: Spot | None = None) -> Amount:
        held = {place: item for place, item in self.living().items() if place[0] == owner and place != without}
        return Amount(len(held), sum(size_of(place, value) for place, (value, _) in held.items()))

    def put(self, place: Spot, value: Any, expires_at: float | None) -> bool:
        quota, others = QUOTAS[place[0]], self.amount(place[0], without=place)
        if quota and (others.keys + 1 > quota.keys or others.size + size_of(place, value) > quota.size):
            return False
        self._items[place] = (value, expires_at)
        return True

    def drop(self, places: list[Spot]) -> None:
        for place in places:
            del self._items[place]

    def within(self, scope: tuple[str, str | None, str]) -> list[Spot]:
        return [place for place in self.living() if place[:3] == scope]


def size_of(place: Spot, value: Any) -> int:
    return len(place[3].encode()) + len(value if isinstance(value, bytes) else msgspec.json.encode(value))


class StoreMachine(RuleBasedStateMachine):
    kv: KeyValues
    clock: HandClock
    runner: asyncio.Runner

    def __init__(self) -> None:
        super().__init__()
        self.expected = Expected(self.clock)

    def teardown(self) -> None:
        for owner in QUOTAS:
            self.run(self.kv.forget(owner))

    def run(self, action: Coroutine[Any, Any, Any]) -> Any:
        return self.runner.run(action)

    def attempt(self, action: Coroutine[Any, Any, Any]) -> tuple[bool, Any]:
        try:
            return True, self.run(action)
        except QuotaExceeded:
            return False, None

    @rule(place=PLACES, value=VALUES, ttl_s=LIVES)
    def set(self, place: Spot, value: Any, ttl_s: float | None) -> None:
        owner, user, namespace, key = place
        done, _ = self.attempt(
            self.kv.set(owner, key, value, ttl_s=ttl_s, user=user, namespace=namespace, quota=QUOTAS[owner])
        )
        assert done == self.expected.put(place, value, self.expected.expiry(ttl_s))

    @rule(place=PLACES, by=st.integers(-5, 5), ttl_s=LIVES)
    def increment(self, place: Spot, by: int, ttl_s: float | None) -> None:
        owner, user, namespace, key = place
        before, expires_at = self.expected.living().get(place, (0, self.expected.expiry(ttl_s)))
        action = self.kv.increment(owner, key, by, ttl_s=ttl_s, user=user, namespace=namespace, quota=QUOTAS[owner])
        if type(before) is not int:
            with pytest.raises(ValueError, match="is not an integer"):
                self.run(action)
            return
        done, after = self.attempt(action)
        assert done == self.expected.put(place, before + by, expires_at)
        assert after == (before + by if done else None)

    @rule(place=PLACES, guess=VALUES, knows=st.booleans(), value=VALUES, ttl_s=LIVES)
    def compare_and_set(self, place: Spot, guess: Any, knows: bool, value: Any, ttl_s: float | None) -> None:
        owner, user, namespace, key = place
        found = self.expected.get(place)
        expected = found if knows else guess
        done, changed = self.attempt(
            self.kv.compare_and_set(
                owner, key, expected, value, ttl_s=ttl_s, user=user, namespace=namespace, quota=QUOTAS[owner]
            )
        )
        if is_equal(found, expected):
            assert done == self.expected.put(place, value, self.expected.expiry(ttl_s))
            assert changed is (True if done else None)
        else:
            assert (done, changed) == (True, False)

    @rule(place=PLACES)
    def delete(self, place: Spot) -> None:
        owner, user, namespace, key = place
        there = place in self.expected.living()
        assert self.run(self.kv.delete(owner, key, user=user, namespace=namespace)) is there
        self.expected.drop([place] if there else [])

    @rule(scope=SCOPES)
    def clear(self, scope: tuple[str, str | None, str]) -> None:
        owner, user, namespace = scope
        gone = self.expected.within(scope)
        assert self.run(self.kv.clear(owner, user=user, namespace=namespace)) == len(gone)
        self.expected.drop(gone)

    @rule(seconds=st.integers(1, 4))
    def wait(self, seconds: int) -> None:
        self.clock.now += seconds

    @rule()
    def sweep(self) -> None:
        self.run(self.kv.sweep())

    @rule(place=PLACES)
    def look(self, place: Spot) -> None:
        owner, user, namespace, key = place
        found = self.run(self.kv.get(owner, key, user=user, namespace=namespace))
        assert is_equal(found, self.expected.get(place))

    @rule(scope=SCOPES, prefix=st.sampled_from(["", "a", "a%", "ü"]))
    def list(self, scope: tuple[str, str | None, str], prefix: str) -> None:
        owner, user, namespace = scope
        there = sorted(key for *_, key in self.expected.within(scope) if key.startswith(prefix))
        assert self.run(self.kv.list(owner, prefix, user=user, namespace=namespace)) == tuple(there)

    @invariant()
    def totals_are_exact(self) -> None:
        for owner in QUOTAS:
            assert self.run(self.kv.usage(owner)) == self.expected.amount(owner)


@pytest.fixture
def runner() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as runner:
        yield runner


def test_the_store_does_what_a_dictionary_would(kv_place: Place, clock: HandClock, runner: asyncio.Runner) -> None:
    opened = kv_place.open_kv(clock)
    kv = runner.run(opened.__aenter__())
    machine = type("Machine", (StoreMachine,), {"kv": kv, "clock": clock, "runner": runner})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=10, stateful_step_count=40, deadline=None, suppress_health_check=[HealthCheck.too_slow]
        ),
    )
    runner.run(opened.__aexit__(None, None, None))
