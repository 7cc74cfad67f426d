"""What the hot path knows of callers: in memory, kept right by the store's revisions."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from types import TracebackType
from typing import Protocol, Self

import structlog

from jackfield.clock import Clock
from jackfield.control.credentials import KIND, Credential, Hasher, body_of, view
from jackfield.control.owned import OwnedTask
from jackfield.errors import JackfieldError
from jackfield.stores.database import Database
from jackfield.stores.objects import Objects, StoredObject

POLL_S = 0.25
MOST_KNOWN = 4096

log = structlog.get_logger(__name__)


class Follower(Protocol):
    """Knows objects of its kinds in memory."""

    @property
    def kinds(self) -> frozenset[str]: ...

    def take(self, stored: StoredObject) -> None:
        """An object that is new, changed, or deleted. Must not raise: what is not understood is the follower's own to
        judge."""


class Directory:
    """Credentials, and through `followers` what else the hot path knows of the store's objects.

    As an async context manager it loads, then follows the store. While the store is down the last view
    stays, and `stale_since` (wall time) says since when; a store that is down at the start is an error."""

    def __init__(
        self,
        database: Database,
        secret: bytes,
        clock: Clock,
        *,
        followers: Iterable[Follower] = (),
        poll_s: float = POLL_S,
    ) -> None:
        self.stale_since: float | None = None
        self.revision = -1
        self._objects = Objects(database)
        self._hasher = Hasher(secret)
        self._clock = clock
        self._followers = tuple(followers)
        self._poll_s = poll_s
        self._by_digest: Mapping[bytes, Credential] = {}
        self._digests: dict[str, bytes] = {}
        # What keys that are in use hash to: it is asked for with every request.
        self._known: dict[str | bytes, bytes] = {}
        self._task = OwnedTask()
        self._refreshing = asyncio.Lock()

    def identify(self, presented: str | bytes) -> Credential | None:
        """The live credential that a key stands for; `None` for a key that is unknown, revoked or expired."""
        digest = self._known.get(presented)
        found = self._by_digest.get(digest if digest is not None else self._hasher.digest(presented))
        if found is None:
            return None
        if digest is None:
            self._remember(presented)
        if found.expires_at is not None and found.expires_at <= self._clock.wall():
            return None
        return found

    def _remember(self, presented: str | bytes) -> None:
        if len(self._known) >= MOST_KNOWN:
            self._known.clear()
        self._known[presented] = self._hasher.digest(presented)

    async def __aenter__(self) -> Self:
        await self.refresh()
        self._task.start(self._follow(), "directory")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._task.end()

    async def refresh(self) -> None:
        """Takes in what has changed since the last time. Costs one row where nothing has. One at a time: of two that
        read side by side the slower would bring back what the faster has seen go."""
        async with self._refreshing:
            await self._refresh()

    async def _refresh(self) -> None:
        latest = await self._objects.revision()
        if latest == self.revision:
            return
        changed = await self._objects.changes_since(self.revision)
        by_digest = dict(self._by_digest)
        for stored in changed:
            if stored.kind == KIND:
                self._take(stored, by_digest)
            for follower in self._followers:
                if stored.kind in follower.kinds:
                    follower.take(stored)
        self._by_digest = by_digest
        self.revision = max([latest, *(stored.revision for stored in changed)])

    def _take(self, stored: StoredObject, by_digest: dict[bytes, Credential]) -> None:
        former = self._digests.pop(stored.id, None)
        if former is not None and by_digest[former].id == stored.id:
            del by_digest[former]
        if stored.deleted:
            return
        try:
            credential, body = view(stored), body_of(stored)
        except JackfieldError as error:
            log.warning("key is not understood and refused", key=stored.id, reason=str(error))
            return
        if credential.revoked_at is None and body.secret_mark == self._hasher.mark:
            digest = bytes.fromhex(body.digest)
            by_digest[digest] = credential
            self._digests[stored.id] = digest

    async def _follow(self) -> None:
        while True:
            await asyncio.sleep(self._poll_s)
            await self.refresh_or_stay()

    async def refresh_or_stay(self) -> None:
        """One step of following: a failing store changes nothing but `stale_since`."""
        try:
            await self.refresh()
        except Exception as error:  # noqa: BLE001 - whatever the store does, the last good view stays and following goes on
            if self.stale_since is None:
                self.stale_since = self._clock.wall()
                log.warning("directory is stale", reason=str(error))
            return
        if self.stale_since is not None:
            self.stale_since = None
            log.info("directory is current again", revision=self.revision)
