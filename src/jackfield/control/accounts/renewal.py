"""Renewing tokens: by one worker at a time, and once for all who wait for it."""

from __future__ import annotations

import asyncio
import contextlib
import math
import secrets
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import structlog

from jackfield.clock import Clock
from jackfield.control.accounts.book import MOST_RESTS_S, Account, AccountBook
from jackfield.control.accounts.declared import Declared
from jackfield.control.accounts.endpoints import Denied, Endpoints, TooSoon, in_words
from jackfield.control.accounts.tokens import Nonsense, Tokens, read_tokens
from jackfield.errors import Unavailable, UpstreamError
from jackfield.stores.leases import Leases

OWNER = "accounts"
# Longer than an endpoint may take to answer.
LEASE_S = 30.0
# Until a lease of one who is gone has fallen free, and then some.
WHOLE_S = 65.0
# So long a request waits for it, before the next account has its turn.
PATIENCE_S = 20.0
LOOKS_EVERY_S = 0.05
RESTS_S = 60.0
REFUSED_RESTS_S = 300.0
QUIET_S = 30.0
LEAVING_S = 5.0
# After these nothing but signing in again helps.
_FINAL = frozenset({"invalid_grant", "invalid_token", "access_denied", "expired_token"})
AGAIN = "sign in again with `jackfield auth login`"

Announce = Callable[[str, Mapping[str, Any]], None]

log = structlog.get_logger("jackfield.accounts")


class Renewal:
    """`announce` takes what is told of it to plugins: types and data as in `sdk.events.EVENTS`, and never a token."""

    def __init__(
        self, book: AccountBook, endpoints: Endpoints, leases: Leases, clock: Clock, announce: Announce
    ) -> None:
        self._book, self._endpoints, self._leases, self._clock = book, endpoints, leases, clock
        self._announce = announce
        self._holder = secrets.token_hex(8)
        self._tasks: set[asyncio.Task[None]] = set()

    async def fresh(self, account: Account, declared: Declared) -> Tokens | None:
        """Good tokens, renewed where they have to be; `None` where there are none now. Does not wait while the former
        are still good."""
        now = self._clock.wall()
        usable = account.is_usable(now)
        if usable and (account.quiet_until > now or not account.is_due(now)):
            return account.tokens
        if account.tokens is not None and account.tokens.refresh is None:
            if not usable:
                self._give_up(account)
            return account.tokens if usable else None
        task = self.start(account, declared)
        if not usable:
            await asyncio.wait((task,), timeout=PATIENCE_S)
        return account.tokens if account.is_usable(self._clock.wall()) else None

    def renew_beside(self, account: Account, declared: Declared) -> None:
        """Where its token has ended, and nobody waits for it."""
        now = self._clock.wall()
        if account.tokens is None or account.is_usable(now) or account.quiet_until > now:
            return
        if account.tokens.refresh is None:
            self._give_up(account)
        else:
            self.start(account, declared)

    def start(self, account: Account, declared: Declared) -> asyncio.Task[None]:
        """Or the one that is under way. Whoever waits for it may leave: it goes on."""
        if account.task is None or account.task.done():
            account.task = asyncio.create_task(self._renew(account, declared), name=f"renew-{account.id}")
            self._tasks.add(account.task)
            account.task.add_done_callback(self._tasks.discard)
        return account.task

    @asynccontextmanager
    async def held(self, account: Account) -> AsyncIterator[None]:
        """Nobody renews it meanwhile; whoever does is waited for, and not for ever."""
        if account.task is not None and not account.task.done():
            await asyncio.wait((account.task,))
        is_held = False
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE_S):
                is_held = await self._hold(account, account.issue)
        try:
            yield
        finally:
            if is_held:
                await self._let_go(account)

    async def aclose(self) -> None:
        """What was asked is waited for: tokens that nobody takes would be lost."""
        if self._tasks:
            await asyncio.wait(tuple(self._tasks), timeout=LEAVING_S)
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _give_up(self, account: Account) -> None:
        trouble = f"its access has ended, and cannot be renewed: {AGAIN}"
        self._book.rest(account, until=0.0, trouble=trouble, refused=True)

    async def _renew(self, account: Account, declared: Declared) -> None:
        issue = account.issue
        try:
            async with asyncio.timeout(WHOLE_S):
                if await self._hold(account, issue):
                    try:
                        if await self._is_still(account, issue):
                            await self._ask(account, declared)
                    finally:
                        await self._let_go(account)
        except (Unavailable, TimeoutError) as error:
            account.quiet_until = self._clock.wall() + QUIET_S
            told = error.message if isinstance(error, Unavailable) else "another worker has been at it for too long"
            log.error("account_not_renewed", account=account.called, error=told)

    async def _is_still(self, account: Account, issue: int) -> bool:
        """Whether its tokens are those that were to be renewed, and stored: else they would be taken for another's."""
        if account.is_unsaved:
            await self._book.save(account)
        return not account.is_unsaved and await self._book.look(account) and account.issue == issue

    async def _hold(self, account: Account, issue: int) -> bool:
        """Waits for the lease; `False` where another has renewed it meanwhile, or it is gone."""
        await self._leases.introduce(OWNER, account.id, at=self._clock.wall())
        while True:
            now = self._clock.wall()
            taken = await self._leases.take(
                OWNER,
                account.id,
                holder=self._holder,
                due=now,
                # Of workers whose clocks differ, or are set back, none is shut out.
                latest=math.inf,
                at=now,
                until=now + LEASE_S,
                since=now,
            )
            if taken is not None:
                return True
            await asyncio.sleep(LOOKS_EVERY_S)
            if not await self._book.look(account) or account.issue != issue:
                return False

    async def _let_go(self, account: Account) -> None:
        # Free at once, also by a clock that is set back.
        await self._leases.release(OWNER, account.id, holder=self._holder, at=0.0, error=None)

    async def _ask(self, account: Account, declared: Declared) -> None:
        former = account.tokens
        assert former is not None
        assert former.refresh is not None
        told = {"provider": declared.name, "account": account.row.label, "accountId": account.id}
        was_doubted = account.doubted == account.issue
        self._announce("oauth:refresh_request", told)
        try:
            answer = await self._endpoints.refresh(declared, former.refresh)
            tokens = read_tokens(answer, now=self._clock.wall(), former=former)
        except (Denied, TooSoon, UpstreamError, Nonsense) as error:
            self._note_failure(account, error)
            words = str(error) if isinstance(error, Nonsense) else in_words(error)
            self._announce("oauth:error", {**told, "error": words, "phase": "refresh"})
            return
        await self._book.renew(account, tokens)
        if was_doubted:
            account.renewed = account.issue
        now = self._clock.wall()
        if not account.is_usable(now):
            self._book.rest(account, until=now + RESTS_S, trouble="its token had ended when it came")
        log.info("account_renewed", account=account.called, expires_at=tokens.expires_at)
        self._announce("oauth:refresh_response", {**told, "expiresAt": tokens.expires_at})

    def _note_failure(self, account: Account, error: Exception) -> None:
        if isinstance(error, Denied) and error.code in _FINAL:
            self._book.rest(account, until=0.0, trouble=f"{error}: {AGAIN}", refused=True)
            return
        now, seconds = self._clock.wall(), _pause_after(error, self._clock.wall())
        account.quiet_until = now + seconds
        words = error.message if isinstance(error, UpstreamError) else str(error)
        account.trouble = f"it could not be renewed: {words}"
        if not account.is_usable(now):
            self._book.rest(account, until=now + seconds, trouble=account.trouble)


def _pause_after(error: Exception, now: float) -> float:
    if isinstance(error, TooSoon):
        told = error.pause_s(now)
        return RESTS_S if told is None else min(told, MOST_RESTS_S)
    return REFUSED_RESTS_S if isinstance(error, Denied) else QUIET_S
