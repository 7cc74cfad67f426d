"""Who uses the gateway: whom the operator has described, and whoever has called."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Protocol, Self

import msgspec
import structlog

from jackfield.clock import Clock
from jackfield.control.owned import OwnedTask
from jackfield.errors import JackfieldError
from jackfield.stores.objects import StoredObject

USER = "user"
OWNER = "people"
LONGEST_ID = 512
MOST_NOTED = 20_000
RETRY_S = 5.0
FLUSH_S = 2.0

log = structlog.get_logger(__name__)


class UserBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`preferences` are JSON; `timezone`, `language`, `verbosity` and `persona` have a meaning."""

    name: str | None = None
    preferences: dict[str, Any] = {}


BODIES: Mapping[str, type[msgspec.Struct]] = {USER: UserBody}


class Person(msgspec.Struct, frozen=True, kw_only=True):
    """`preferences` must not be handed to those who might change them."""

    id: str
    created_at: float
    name: str | None = None
    preferences: Mapping[str, Any] = msgspec.field(default_factory=dict)


class Kept(Protocol):
    """What is needed of the key-value store."""

    async def get(self, owner: str, key: str, default: Any = None) -> Any: ...

    async def compare_and_set(self, owner: str, key: str, expected: Any, value: Any) -> bool: ...


class People:
    """A follower of the directory for users that are control objects.

    Of the others it is remembered when they were first seen: `note` keeps that in memory, and as an async context
    manager it writes it to the key-value store in the background, where it survives a restart and the earliest of
    several workers stays. What could not be written before the end is noted again with the user's next call.
    """

    kinds = frozenset(BODIES)

    def __init__(self, kept: Kept, clock: Clock, *, retry_s: float = RETRY_S) -> None:
        self._kept, self._clock, self._retry_s = kept, clock, retry_s
        self._described: dict[str, Person] = {}
        self._noted: dict[str, None] = {}
        self._waiting: dict[str, float] = {}
        self._any_waiting = asyncio.Event()
        self._task = OwnedTask()

    async def __aenter__(self) -> Self:
        self._task.start(self._keep(), "people")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._task.end()
        with contextlib.suppress(TimeoutError, JackfieldError):
            async with asyncio.timeout(FLUSH_S):
                await self._write_waiting()

    def note(self, user: str) -> None:
        """Somebody calls for this user. Costs a look-up for one that was noted before."""
        if user in self._noted or len(self._waiting) >= MOST_NOTED:
            return
        if len(self._noted) >= MOST_NOTED:
            del self._noted[next(iter(self._noted))]
        self._noted[user] = None
        if len(user) <= LONGEST_ID:
            self._waiting[user] = self._clock.wall()
            self._any_waiting.set()

    def described(self, user: str) -> Person | None:
        """Whom the operator has described."""
        return self._described.get(user)

    async def find(self, user: str) -> Person | None:
        """The same, or whoever has called."""
        if (person := self._described.get(user)) is not None:
            return person
        try:
            first_seen = await self._kept.get(OWNER, user)
        except ValueError:
            return None
        if first_seen is None:
            first_seen = self._waiting.get(user)
        return None if first_seen is None else Person(id=user, created_at=float(first_seen))

    def take(self, stored: StoredObject) -> None:
        self._described.pop(stored.id, None)
        if stored.deleted:
            return
        found: Any = stored.body
        try:
            body = msgspec.convert(found, type=UserBody)
        except msgspec.ValidationError as error:
            log.warning("user is not understood and left out", user=stored.id, reason=str(error))
            return
        self._described[stored.id] = Person(
            id=stored.id, created_at=stored.created_at, name=body.name, preferences=body.preferences
        )

    async def _keep(self) -> None:
        while True:
            await self._any_waiting.wait()
            self._any_waiting.clear()
            try:
                await self._write_waiting()
            except Exception as error:  # noqa: BLE001 - whatever the store does, they wait and are tried again
                log.warning("users cannot be written down", waiting=len(self._waiting), reason=str(error))
                self._any_waiting.set()
                await asyncio.sleep(self._retry_s)

    async def _write_waiting(self) -> None:
        for user, at in tuple(self._waiting.items()):
            # No store can hold such a name: nobody can ask for it either.
            with contextlib.suppress(ValueError):
                await self._write(user, at)
            del self._waiting[user]

    async def _write(self, user: str, at: float) -> None:
        """Most have called before: a look spares the write."""
        if await self._kept.get(OWNER, user) is None:
            await self._kept.compare_and_set(OWNER, user, None, at)
