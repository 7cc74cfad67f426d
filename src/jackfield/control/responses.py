"""Answers of the Responses API that are kept in an upstream's place: for whom, how many, and how long."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import Coroutine
from types import TracebackType
from typing import Any, Self, TypeVar

import msgspec
import structlog

from jackfield.clock import Clock
from jackfield.control.credentials import KIND, body_of
from jackfield.control.owned import OwnedTask
from jackfield.errors import JackfieldError, NotFound, Unavailable
from jackfield.sdk.outcomes import Identity
from jackfield.settings import ResponseSettings
from jackfield.stores.database import Database
from jackfield.stores.objects import StoredObject
from jackfield.stores.responses import KeptResponse, Responses, Room

# What tells an id of ours from those that upstreams make.
OWN = "resp_jf"
DAY_S = 86400.0
SWEEP_S = 3600.0
# A store that takes longer than this to keep an answer has not kept it, and one that takes longer to find one is out of
# reach: the client has waited enough.
KEEPING_S = 5.0

T = TypeVar("T")

log = structlog.get_logger(__name__)


class KeptResponses:
    """A follower of the directory. As an async context manager it also forgets, at its start and hourly, what is too
    old, and at once what belongs to a credential that is no more.

    `lost` counts answers that were to be kept and could not be."""

    kinds = frozenset({KIND})

    def __init__(self, database: Database, settings: ResponseSettings, clock: Clock) -> None:
        self.lost = 0
        self.settings = settings
        self._stored = Responses(database)
        self._clock = clock
        self._room = Room(settings.max_count, settings.max_total_bytes)
        self._gone: set[str] = set()
        self._due = asyncio.Event()
        self._task = OwnedTask()

    @property
    def enabled(self) -> bool:
        return self.settings.max_count > 0

    def fits(self, items: bytes, body: bytes = b"") -> bool:
        return len(items) + len(body) <= self.settings.max_bytes

    async def find(self, identity: Identity | None, response: str, param: str | None = None) -> KeptResponse:
        """Raises `NotFound`, whether there is none or it is somebody else's."""
        owner = owner_of(identity)
        found = await _reached(self._stored.find(owner, response)) if owner is not None and is_own(response) else None
        if found is None or found.at < self._oldest():
            raise unknown(response, param)
        return found

    async def keep(self, identity: Identity | None, response: str, items: bytes, body: bytes) -> bool:
        """Whether it is durable now."""
        owner = owner_of(identity)
        if identity is None or owner is None or identity.credential in self._gone or not self.fits(items, body):
            return False
        kept = KeptResponse(
            id=response, owner=owner, at=self._clock.wall(), items=items, body=body, credential=identity.credential
        )
        try:
            async with asyncio.timeout(KEEPING_S):
                await self._stored.keep(kept, self._room)
        except (JackfieldError, TimeoutError) as error:
            self._lose(str(error) or "the store took too long")
            return False
        return True

    async def delete(self, identity: Identity | None, response: str) -> None:
        """Raises `NotFound`."""
        owner = owner_of(identity)
        if owner is None or not is_own(response) or not await _reached(self._stored.delete(owner, response)):
            raise unknown(response)

    def take(self, stored: StoredObject) -> None:
        if is_gone(stored):
            self._gone.add(stored.id)
            self._due.set()

    async def forget_old(self) -> int:
        return await self._stored.delete_older_than(self._oldest())

    async def forget_gone(self) -> int:
        """What belongs to credentials that are no more; also what another process kept before it knew."""
        return await self._stored.delete_of(sorted(self._gone))

    async def __aenter__(self) -> Self:
        # Also at the start: a gateway may never run for as long as it takes until the next time.
        self._due.set()
        self._task.start(self._sweep(), "response retention")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._task.end()

    async def _sweep(self) -> None:
        while True:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._due.wait(), SWEEP_S)
            self._due.clear()
            try:
                await self.forget_gone()
                await self.forget_old()
            except Exception as error:  # noqa: BLE001 - whatever the store does, the next time is another chance
                log.warning("old responses are still there", reason=str(error))

    def _oldest(self) -> float:
        return self._clock.wall() - self.settings.retention_days * DAY_S

    def _lose(self, reason: str) -> None:
        self.lost += 1
        log.warning("a response was not kept", reason=reason, lost=self.lost)


async def _reached(asked: Coroutine[Any, Any, T]) -> T:
    """What the store says. Where it says nothing the operator is told the reason, and the client none of it."""
    try:
        async with asyncio.timeout(KEEPING_S):
            return await asked
    except (Unavailable, TimeoutError) as error:
        log.warning("kept responses are out of reach", reason=str(error) or "the store took too long")
        raise Unavailable("the responses that are kept are out of reach for now") from error


def name_response() -> str:
    """Nobody can guess it, and only who owns it could use it."""
    return OWN + secrets.token_hex(16)


def is_own(response: str) -> bool:
    return response.startswith(OWN)


def owner_of(identity: Identity | None) -> str | None:
    """Whose answers these are: a credential's, and of one that speaks for users each user's own. `None` for who says
    nothing of itself."""
    if identity is None or (identity.credential or identity.app or identity.user) is None:
        return None
    app = identity.app if identity.credential is None else None
    return msgspec.json.encode((identity.namespace, identity.credential, app, identity.user)).decode()


def unknown(response: str, param: str | None = None) -> NotFound:
    error = NotFound(f"Response with id {response[:100]!r} not found", param=param)
    if param is not None:
        error.code = f"{param.removesuffix('_id')}_not_found"
    return error


def is_gone(stored: StoredObject) -> bool:
    if stored.deleted:
        return True
    try:
        return body_of(stored).revoked_at is not None
    except JackfieldError:
        return False
