"""What a plugin is granted in a trial: the same services under the same rules, kept in memory."""

from __future__ import annotations

import json
import math
from collections import deque
from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any

from jackfield.clock import Clock
from jackfield.errors import RateLimited
from jackfield.sdk.permissions import check_permission
from jackfield.sdk.services import NotGranted, QuotaExceeded, Services

MOST_KEYS = 1_000
MOST_BYTES = 10 * 1024 * 1024
LONGEST_KEY = 512
MOST_OPERATIONS = 100
MINUTE_S = 60.0

Place = tuple[str | None, str, str]


class HandClock:
    """Time that only the test moves."""

    def __init__(self, wall: float = 1_700_000_000.0) -> None:
        self._began, self._passed = wall, 0.0

    def monotonic(self) -> float:
        return self._passed

    def wall(self) -> float:
        return self._began + self._passed

    def advance(self, seconds: float) -> None:
        if seconds < 0:
            raise ValueError(f"time does not go back ({seconds:g} s)")
        self._passed += seconds


class MemoryKeyValue:
    """The storage of one plugin. `kept` is what it holds now, by key; `operations` counts the calls."""

    def __init__(self, plugin: str, approved: Collection[str], clock: Clock) -> None:
        self._plugin, self._approved, self._clock = plugin, frozenset(approved), clock
        self._items: dict[Place, tuple[Any, float | None]] = {}
        self._recent: deque[float] = deque()
        self.operations = 0

    @property
    def kept(self) -> Mapping[str, Any]:
        """The values that belong to no user and no namespace."""
        return {key: value for (user, space, key), value in self._live().items() if user is None and not space}

    async def get(self, key: str, default: Any = None, *, namespace: str = "", user: str | None = None) -> Any:
        place = self._enter("storage:read", key, namespace, user)
        return _copied(self._live().get(place, default))

    async def set(
        self, key: str, value: Any, *, ttl_s: float | None = None, namespace: str = "", user: str | None = None
    ) -> None:
        place = self._enter("storage:write", key, namespace, user)
        self._put(place, value, ttl_s)

    async def delete(self, key: str, *, namespace: str = "", user: str | None = None) -> bool:
        place = self._enter("storage:write", key, namespace, user)
        return self._live().get(place) is not None and self._items.pop(place, None) is not None

    async def list(self, prefix: str = "", *, namespace: str = "", user: str | None = None) -> tuple[str, ...]:
        self._count("storage:read")
        keys = (place[2] for place in self._live() if place[:2] == (user, namespace))
        return tuple(sorted(key for key in keys if key.startswith(prefix)))

    async def clear(self, *, namespace: str = "", user: str | None = None) -> int:
        self._count("storage:write")
        gone = [place for place in self._live() if place[:2] == (user, namespace)]
        for place in gone:
            del self._items[place]
        return len(gone)

    async def increment(
        self, key: str, by: int = 1, *, ttl_s: float | None = None, namespace: str = "", user: str | None = None
    ) -> int:
        place = self._enter("storage:write", key, namespace, user)
        former = self._live().get(place)
        if former is not None and type(former) is not int:
            raise ValueError(f"{key!r} holds {type(former).__name__}, not a whole number")
        total = (former or 0) + by
        if former is None or ttl_s is not None:
            self._put(place, total, ttl_s)
        else:
            self._items[place] = (total, self._items[place][1])
        return total

    async def compare_and_set(
        self, key: str, expected: Any, value: Any, *, namespace: str = "", user: str | None = None
    ) -> bool:
        place = self._enter("storage:write", key, namespace, user)
        if self._live().get(place) != expected:
            return False
        self._put(place, value, None)
        return True

    def _enter(self, permission: str, key: str, namespace: str, user: str | None) -> Place:
        self._count(permission)
        if not isinstance(key, str) or not 1 <= len(key.encode()) <= LONGEST_KEY:
            raise ValueError(f"a key has 1 to {LONGEST_KEY} bytes, not {key!r:.60}")
        return (user, namespace, key)

    def _count(self, permission: str) -> None:
        if permission not in self._approved:
            raise NotGranted(self._plugin, permission)
        now = self._clock.monotonic()
        while self._recent and self._recent[0] <= now - MINUTE_S:
            self._recent.popleft()
        if len(self._recent) >= MOST_OPERATIONS:
            wait_s = self._recent[0] + MINUTE_S - now
            raise RateLimited(
                f"plugin {self._plugin} has done {MOST_OPERATIONS} operations within a minute",
                plugin=self._plugin,
                retry_after_s=wait_s,
            )
        self._recent.append(now)
        self.operations += 1

    def _live(self) -> dict[Place, Any]:
        now = self._clock.wall()
        for place in [place for place, (_, until) in self._items.items() if until is not None and until <= now]:
            del self._items[place]
        return {place: value for place, (value, _) in self._items.items()}

    def _put(self, place: Place, value: Any, ttl_s: float | None) -> None:
        if ttl_s is not None and not ttl_s > 0:
            raise ValueError(f"ttl_s must be above 0, not {ttl_s!r}")
        check_storable(value)
        others = [(kept, held) for kept, held in self._live().items() if kept != place]
        size = sum(_size(kept[2], held) for kept, held in others) + _size(place[2], value)
        if len(others) >= MOST_KEYS or size > MOST_BYTES:
            raise QuotaExceeded(self._plugin, place[2], MOST_KEYS, MOST_BYTES)
        self._items[place] = (_copied(value), None if ttl_s is None else self._clock.wall() + ttl_s)


def build_services(plugin: str, approved: Collection[str], kv: Any) -> Services:
    """What these permissions grant. Raises `ValueError` for one that does not exist."""
    for name in approved:
        check_permission(name)
    granted = {"kv": kv} if {"storage:read", "storage:write"} & set(approved) else {}
    return Services(plugin, granted, {"kv": "storage:read"})


def check_storable(value: Any, place: str = "value") -> None:
    """Raises `ValueError` naming the place of what JSON cannot hold."""
    if place == "value" and isinstance(value, bytes):
        return
    if place == "value" and isinstance(value, datetime):
        if value.tzinfo is None:
            raise ValueError("value: a datetime needs a time zone")
        return
    if isinstance(value, dict):
        for key, inner in value.items():
            if not isinstance(key, str):
                raise ValueError(f"{place}: the key {key!r} is no text")
            check_storable(inner, f"{place}.{key}")
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            check_storable(inner, f"{place}[{index}]")
    elif not (value is None or isinstance(value, str | int) or (isinstance(value, float) and math.isfinite(value))):
        raise ValueError(f"{place}: JSON cannot hold {value!r:.60} ({type(value).__name__})")


def _size(key: str, value: Any) -> int:
    return len(key.encode()) + (len(value) if isinstance(value, bytes) else len(_encoded(value)))


def _encoded(value: Any) -> bytes:
    return json.dumps(value, default=str).encode()


def _copied(value: Any) -> Any:
    """A value of one's own: changing it changes nothing that is stored."""
    return json.loads(_encoded(value)) if isinstance(value, dict | list) else value
