"""The accounts as one worker knows them: read from memory, kept right by what is stored."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import msgspec
import structlog

from jackfield.clock import Clock
from jackfield.control.accounts.rows import AccountRow, AccountRows
from jackfield.control.accounts.sealing import Sealer
from jackfield.control.accounts.tokens import Tokens
from jackfield.errors import ConfigError, Conflict, Unavailable
from jackfield.telemetry.masking import mask, unmask

EARLY_S = 120.0
MOST_RESTS_S = 7 * 86_400.0
LAST_WRITES_S = 5.0

log = structlog.get_logger("jackfield.accounts")


class Account:
    """`tokens` is `None` where they cannot be read. `turn` grows with each use. `doubted` is the issue of tokens that
    the provider refused, `renewed` that of those that came in their place."""

    def __init__(self, row: AccountRow) -> None:
        self.row = row
        self.tokens: Tokens | None = None
        self.issue = self.turn = 0
        self.doubted = self.renewed = -1
        self.cool_until = self.quiet_until = self.renewed_at = 0.0
        self.refused = self.is_unsaved = False
        self.trouble: str | None = None
        self.task: asyncio.Task[None] | None = None
        self._masked: tuple[str, ...] = ()
        self._former: tuple[str, ...] = ()

    @property
    def id(self) -> str:
        return self.row.id

    @property
    def called(self) -> str:
        return f"{self.row.sign_in}/{self.row.label}"

    def is_usable(self, now: float) -> bool:
        """Whether its access token is good, as far as is known."""
        tokens = self.tokens
        if tokens is None or self.doubted == self.issue:
            return False
        return tokens.expires_at is None or now < tokens.expires_at

    def is_due(self, now: float) -> bool:
        """Whether to renew it: a while before it ends, and less where it is short-lived."""
        tokens = self.tokens
        if tokens is None:
            return False
        if self.doubted == self.issue:
            return True
        if tokens.expires_at is None or self.refused:
            return False
        early_s = min(EARLY_S, (tokens.expires_at - self.renewed_at) / 5)
        return now >= tokens.expires_at - early_s

    def rests_s(self, now: float) -> float:
        """How long it still rests. Where that is longer than any rest the clock was wrong when it began."""
        left_s = self.cool_until - now
        return left_s if 0 < left_s <= MOST_RESTS_S else 0.0

    def may_serve(self, now: float) -> bool:
        if self.tokens is None or self.rests_s(now):
            return False
        return not self.refused or self.is_usable(now)

    def take_tokens(self, tokens: Tokens, issue: int, at: float) -> None:
        self.tokens, self.issue, self.renewed_at = tokens, issue, at
        self.refused, self.trouble, self.cool_until, self.quiet_until = False, None, 0.0, 0.0
        texts = tuple(text for text in (tokens.access, tokens.refresh) if text)
        for text in {*self._former} - {*self._masked, *texts}:
            unmask(text)
        for text in texts:
            mask(text)
        # Those of before may still be under way.
        self._former, self._masked = self._masked, texts


def purpose_of(row: AccountRow) -> str:
    return f"{row.id}\n{row.bound_to}"


class AccountBook:
    """`sealer` is asked for when there is something to open: a gateway without accounts needs no key."""

    def __init__(self, rows: AccountRows, sealer: Callable[[], Sealer], clock: Clock) -> None:
        self._rows, self._sealer, self._clock = rows, sealer, clock
        self.accounts: dict[str, Account] = {}
        self._writes: set[asyncio.Task[None]] = set()
        # Held from reading what is stored until it is taken over: else what was read before comes last.
        self._reading = asyncio.Lock()

    def of(self, sign_in: str) -> list[Account]:
        return [account for account in self.accounts.values() if account.row.sign_in == sign_in]

    async def load(self) -> None:
        async with self._reading:
            rows = {row.id: row for row in await self._rows.all()}
            for account_id in self.accounts.keys() - rows.keys():
                del self.accounts[account_id]
            for row in rows.values():
                self._adopt(row)

    async def follow(self) -> bool:
        """What others have changed since; whether they have."""
        known = {account.id: account.row.version for account in self.accounts.values()}
        if await self._rows.versions() == known:
            return False
        await self.load()
        return True

    async def look(self, account: Account) -> bool:
        """At one as it is stored now; whether it is still there."""
        async with self._reading:
            row = await self._rows.find(account.id)
            if row is None:
                self.accounts.pop(account.id, None)
                return False
            self._adopt(row)
            return True

    async def add(self, row: AccountRow, tokens: Tokens) -> Account:
        """Where it has no label it gets one. Raises `Conflict` where it is gone already."""
        sealed = self._sealer().seal(msgspec.json.encode(tokens), purpose_of(row))
        await self._rows.put(msgspec.structs.replace(row, sealed=sealed))
        await self.load()
        account = self.accounts.get(row.id)
        if account is None:
            raise Conflict(
                f"somebody else signed in to {row.sign_in} with this name, or signed it out, at the same time"
            )
        return account

    async def renew(self, account: Account, tokens: Tokens) -> None:
        """They are used from now on, also where they cannot be stored yet: the former are worth nothing any more."""
        issue, at = account.issue, self._clock.wall()
        account.take_tokens(tokens, issue + 1, at)
        account.is_unsaved = True
        await self.save(account)

    async def save(self, account: Account) -> None:
        """What `renew` could not store; logs where it still cannot be."""
        assert account.tokens is not None
        sealed = self._sealer().seal(msgspec.json.encode(account.tokens), purpose_of(account.row))
        try:
            saved = await self._rows.renew(
                account.id, issue=account.issue - 1, sealed=sealed, at=account.renewed_at
            )  # fmt: skip
        except Unavailable as error:
            log.error("account_not_stored", account=account.called, error=error.message)
            return
        account.is_unsaved = False
        if not saved:
            # It was signed out, or in anew, meanwhile: that counts.
            account.issue = -1
        await self.look(account)

    async def remove(self, account: Account, *, actor: str) -> None:
        async with self._reading:
            await self._rows.delete(account.row, actor=actor, at=self._clock.wall())
            self.accounts.pop(account.id, None)

    def rest(self, account: Account, *, until: float, trouble: str, refused: bool = False) -> None:
        """From now on, here; stored beside the request that found it out."""
        now = self._clock.wall()
        account.cool_until = max(until, account.cool_until) if account.rests_s(now) else until
        account.trouble = trouble
        account.refused = account.refused or refused
        log.warning("account_rests", account=account.called, reason=trouble, until=until, refused=account.refused)
        self._beside(self._store_rest(account))

    async def settle(self) -> None:
        """Waits for what is being stored beside, at most so long."""
        if self._writes:
            await asyncio.wait(tuple(self._writes), timeout=LAST_WRITES_S)

    def _beside(self, write: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(write, name="account-rest")
        self._writes.add(task)
        task.add_done_callback(self._writes.discard)

    async def _store_rest(self, account: Account) -> None:
        try:
            await self._rows.mark(
                account.id,
                issue=account.issue,
                cool_until=account.cool_until,
                refused=account.refused,
                trouble=account.trouble,
            )
        except Unavailable as error:
            log.warning("account_not_stored", account=account.called, error=error.message)

    def _adopt(self, row: AccountRow) -> None:
        account = self.accounts.get(row.id)
        if account is None:
            account = self.accounts[row.id] = Account(row)
        account.row = row
        if row.issue > account.issue:
            self._open(account, row)
        if row.issue == account.issue:
            account.cool_until = max(account.cool_until, row.cool_until)
            account.refused = account.refused or row.refused
            account.trouble = account.trouble or row.trouble

    def _open(self, account: Account, row: AccountRow) -> None:
        try:
            plain = self._sealer().open(row.sealed, purpose_of(row))
            tokens = msgspec.json.decode(plain, type=Tokens)
        except (ValueError, ConfigError) as error:
            account.issue, account.tokens = row.issue, None
            account.trouble = f"its tokens cannot be read: {error}"
            log.error("account_unreadable", account=account.called, error=str(error))
            return
        account.take_tokens(tokens, row.issue, row.updated_at)
