"""Keys and values by owner: what every store of them does, and the rules that all have in common."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Mapping
from typing import Any, Protocol

import msgspec
import structlog

from jackfield.errors import JackfieldError

# In bytes of UTF-8.
LONGEST = {"key": 512, "prefix": 512, "namespace": 128, "user": 512}
LARGEST_COUNT = 2**63 - 1
SWEPT_EVERY_S = 60.0

log = structlog.get_logger("jackfield.kv")


class Amount(msgspec.Struct, frozen=True):
    """`size` is in bytes, of keys and values together."""

    keys: int
    size: int


class KeyValues(Protocol):
    """An owner is a plugin, or a part of Jackfield that stores for many. `user=None` is a scope of its own beside those
    of the users. Keys are plain text: no character has a meaning. What has expired is gone for every reader.

    Where a `quota` is given, a change after which the owner would have more raises `QuotaExceeded`. `ValueError` names
    what cannot be stored. `Unavailable` says that the store fails; of what was cancelled, or failed so, each change is
    done or not done, never half.
    """

    async def get(
        self, owner: str, key: str, default: Any = None, *, namespace: str = "", user: str | None = None
    ) -> Any: ...

    async def set(
        self,
        owner: str,
        key: str,
        value: Any,
        *,
        ttl_s: float | None = None,
        namespace: str = "",
        user: str | None = None,
        quota: Amount | None = None,
    ) -> None: ...

    async def set_many(self, owner: str, items: Mapping[str, Any]) -> None:
        """All of them or none. `ValueError` names the key of what cannot be stored."""

    async def delete(self, owner: str, key: str, *, namespace: str = "", user: str | None = None) -> bool:
        """Whether it was there."""

    async def list(
        self, owner: str, prefix: str = "", *, namespace: str = "", user: str | None = None
    ) -> tuple[str, ...]:
        """The keys that begin with exactly `prefix`, in the order of their code points."""

    async def clear(self, owner: str, *, namespace: str = "", user: str | None = None) -> int:
        """Deletes what is in this namespace of this scope, and nothing else. How many keys that were."""

    async def increment(
        self,
        owner: str,
        key: str,
        by: int = 1,
        *,
        ttl_s: float | None = None,
        namespace: str = "",
        user: str | None = None,
        quota: Amount | None = None,
    ) -> int:
        """The new value; what is not there counts as 0. `ttl_s` begins with the counter, and later increments leave it
        as it is."""

    async def compare_and_set(
        self,
        owner: str,
        key: str,
        expected: Any,
        value: Any,
        *,
        ttl_s: float | None = None,
        namespace: str = "",
        user: str | None = None,
        quota: Amount | None = None,
    ) -> bool:
        """Sets `value` where `get` would answer `expected`: `None` is a key that is not there. Whether it did."""

    async def usage(self, owner: str) -> Amount:
        """What the owner has stored, over all users and namespaces."""

    async def forget(self, owner: str) -> None:
        """Deletes all that the owner has stored, for whatever user, in whatever namespace."""

    async def sweep(self) -> int:
        """Removes what has expired; how much. Other writers get their turn in between."""

    async def keep_swept(self, every_s: float = SWEPT_EVERY_S) -> None:
        """Sweeps until it is cancelled; while the store fails, what has expired waits."""


async def keep_swept(store: KeyValues, every_s: float) -> None:
    while True:
        await asyncio.sleep(every_s)
        try:
            await store.sweep()
        except JackfieldError as error:
            log.warning("what has expired is not swept", reason=error.message)


def check_key(key: str) -> str:
    if key == "":
        raise ValueError("key: is empty")
    return check_text("key", key)


def check_user(user: str | None) -> str:
    """The empty text for no user."""
    if user == "":
        raise ValueError("user: is empty; None is the scope of no user")
    return "" if user is None else check_text("user", user)


def check_text(name: str, text: str) -> str:
    """The text itself, as every store takes it. Raises `ValueError`."""
    if not isinstance(text, str):
        raise ValueError(f"{name}: is {type(text).__name__}, not text")
    try:
        size = len(text.encode())
    except UnicodeEncodeError as error:
        raise ValueError(f"{name}: {text!r} is not valid Unicode") from error
    if size > LONGEST[name]:
        raise ValueError(f"{name}: has {size} bytes, of at most {LONGEST[name]}")
    if "\0" in text:
        raise ValueError(f"{name}: {text!r} holds a NUL")
    return text


def expiry(ttl_s: float | None, now: float) -> float | None:
    if ttl_s is None:
        return None
    if not (ttl_s > 0 and math.isfinite(ttl_s)):
        raise ValueError(f"ttl_s: {ttl_s} is no time to live; it is a number of seconds above 0, or None for ever")
    return now + ttl_s


def add_up(key: str, value: Any, by: int) -> int:
    """The sum. Each of the numbers fits into 64 bits, or it is a `ValueError`."""
    for number in (value, by):
        if type(number) is not int:
            raise ValueError(f"key {key!r}: {type(number).__name__} is not an integer to count with")
    if max(abs(value), abs(by), abs(value + by)) > LARGEST_COUNT:
        raise ValueError(f"key {key!r}: {value} and {by} are more than 64 bits hold")
    return int(value + by)
