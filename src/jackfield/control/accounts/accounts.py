"""Whose turn it is, and what becomes of accounts that providers refuse."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Collection
from itertools import count
from typing import Literal

import msgspec
import structlog

from jackfield.clock import Clock
from jackfield.control.accounts.book import MOST_RESTS_S, Account, AccountBook
from jackfield.control.accounts.declared import Declared, SignIns
from jackfield.control.accounts.endpoints import Denied, Endpoints, TooSoon, in_words
from jackfield.control.accounts.renewal import REFUSED_RESTS_S, RESTS_S, Renewal
from jackfield.errors import Conflict, JackfieldError, NotFound, RateLimited, Unavailable, UpstreamError
from jackfield.sdk.sign_in import CredentialHeader

FOLLOWS_EVERY_S = 1.0

State = Literal["ready", "resting", "signed_out", "unreadable", "undeclared"]

log = structlog.get_logger("jackfield.accounts")


class AccountView(msgspec.Struct, frozen=True, kw_only=True):
    """What operators are shown. Nothing of a token is."""

    id: str
    provider: str
    account: str
    state: State
    reason: str | None
    scopes: tuple[str, ...]
    expires_at: float | None
    renewable: bool
    rests_until: float | None
    created_at: float
    renewed_at: float


class Accounts:
    """`shared` is whether other workers use the same store."""

    def __init__(
        self,
        sign_ins: SignIns,
        book: AccountBook,
        renewal: Renewal,
        endpoints: Endpoints,
        clock: Clock,
        *,
        shared: bool,
    ) -> None:
        self.sign_ins, self.book, self.renewal = sign_ins, book, renewal
        self._endpoints, self._clock, self._shared = endpoints, clock, shared
        self._turns = count(1)
        self._looking: asyncio.Task[bool] | None = None

    async def run(self) -> None:
        """Follows what other workers do, and stores what could not be stored. Ends by being cancelled."""
        while True:
            await asyncio.sleep(FOLLOWS_EVERY_S)
            with contextlib.suppress(Unavailable):
                await self.catch_up()

    async def catch_up(self) -> None:
        for account in [one for one in self.book.accounts.values() if one.is_unsaved]:
            await self.book.save(account)
        if self._shared:
            await self.book.follow()

    async def aclose(self) -> None:
        await self.renewal.aclose()
        if self._looking is not None:
            await asyncio.wait((self._looking,))
        await self.book.settle()

    async def take(self, name: str, passed: Collection[str] = ()) -> CredentialHeader:
        """Of the sign-in `name`, the account that was not used for longest; of `name/account` that one. `passed` are
        ids of those that this request has tried. Raises `RateLimited` while all rest, `Unavailable` where none is
        signed in."""
        try:
            return await self._take(name, passed)
        except Unavailable:
            # Somebody may have signed in at another worker a moment ago.
            if not self._shared or not await self._has_news():
                raise
        return await self._take(name, passed)

    async def _has_news(self) -> bool:
        """Asked once for all who want to know."""
        if self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(self._look(), name="accounts-look")
        return await asyncio.shield(self._looking)

    async def _look(self) -> bool:
        with contextlib.suppress(Unavailable):
            return await self.book.follow()
        return False

    async def _take(self, name: str, passed: Collection[str]) -> CredentialHeader:
        sign_in, _, label = name.partition("/")
        declared = self.sign_ins.find(sign_in)
        if declared is None:
            raise Unavailable(f"nobody declares the sign-in {sign_in!r} now")
        tried = set(passed)
        while (account := self._next(declared, label, tried)) is not None:
            account.turn = next(self._turns)
            tokens = await self.renewal.fresh(account, declared)
            if tokens is not None:
                header, template = declared.sign_in.header
                return CredentialHeader(
                    name=header,
                    value=template.replace("{}", tokens.access),
                    headers=declared.sign_in.headers,
                    account=account.id,
                    issue=account.issue,
                )
            tried.add(account.id)
        raise self._none(declared, name, label)

    def report(self, used: CredentialHeader, status: int, retry_after_s: float | None = None) -> bool:
        """What came of it. Whether another header may do better: the next account's, or a renewed one's."""
        if status not in (401, 429):
            return False
        account = self.book.accounts.get(used.account)
        if account is None or account.issue != used.issue:
            return True
        now = self._clock.wall()
        if status == 429:
            rests_s = RESTS_S if retry_after_s is None else min(max(1.0, retry_after_s), MOST_RESTS_S)
            self.book.rest(account, until=now + rests_s, trouble="the provider wants to be asked later")
        elif account.renewed == account.issue:
            trouble = "the provider does not take its token, and did not take the one before"
            self.book.rest(account, until=now + REFUSED_RESTS_S, trouble=trouble)
        else:
            account.doubted = account.issue
        return True

    def views(self) -> tuple[AccountView, ...]:
        now = self._clock.wall()
        found = [self._view(account, now) for account in self.book.accounts.values()]
        return tuple(sorted(found, key=lambda view: (view.provider, view.account)))

    async def refresh(self, name: str, label: str | None) -> AccountView:
        """At once, whether it is due or not. Raises `Conflict` where that fails."""
        account, declared = self._find(name, label), self.sign_ins.get(name)
        if account.row.bound_to != declared.binding:
            raise Conflict(f"{account.called} was signed in for another declaration of {name}: sign in again")
        if account.tokens is None:
            raise Conflict(f"{account.called}: {account.trouble}")
        if account.tokens.refresh is None:
            raise Conflict(f"{account.called} cannot be renewed: sign in again")
        issue = account.issue
        await asyncio.shield(self.renewal.start(account, declared))
        if account.issue == issue:
            raise Conflict(f"{account.called} was not renewed: {account.trouble or 'the provider cannot be asked now'}")
        return self._view(account, self._clock.wall())

    async def sign_out(self, name: str, label: str | None, *, actor: str) -> tuple[AccountView, str | None]:
        """Forgets the account, and has its provider forget it; why the provider did not, where it did not."""
        account = self._find(name, label)
        view = self._view(account, self._clock.wall())
        async with self.renewal.held(account):
            # Another worker may have renewed it: the newest tokens are those to be forgotten.
            if not await self.book.look(account):
                raise NotFound(f"{account.called} was signed out already")
            await self.book.remove(account, actor=actor)
        log.info("account_signed_out", account=account.called)
        return view, await self._revoke(account)

    async def _revoke(self, account: Account) -> str | None:
        declared, tokens = self.sign_ins.find(account.row.sign_in), account.tokens
        if tokens is None:
            return "its tokens cannot be read"
        if declared is None or declared.binding != account.row.bound_to:
            return "it is no longer declared as it was"
        if not declared.sign_in.revoke_url:
            return "the provider has no address for that"
        try:
            if tokens.refresh is not None:
                await self._endpoints.revoke(declared, tokens.refresh, "refresh_token")
            await self._endpoints.revoke(declared, tokens.access, "access_token")
        except (Denied, TooSoon, UpstreamError) as error:
            return in_words(error)
        return None

    def _find(self, name: str, label: str | None) -> Account:
        """Raises `NotFound`, and `Conflict` where several may be meant."""
        found = [one for one in self.book.of(name) if label in (None, one.row.label)]
        if not found:
            raise NotFound(f"no account is signed in as {name}{f'/{label}' if label else ''}")
        if len(found) > 1:
            labels = ", ".join(sorted(one.row.label for one in found))
            raise Conflict(f"{name} has several accounts: say which of {labels}")
        return found[0]

    def _next(self, declared: Declared, label: str, passed: Collection[str]) -> Account | None:
        """Nobody waits for one that is being renewed while another is ready."""
        now = self._clock.wall()
        ready = [
            account
            for account in self._meant(declared, label)
            if account.id not in passed and account.may_serve(now)
        ]  # fmt: skip
        usable = [account for account in ready if account.is_usable(now)]
        if usable and len(usable) < len(ready):
            for account in ready:
                self.renewal.renew_beside(account, declared)
        return min(usable or ready, key=lambda account: account.turn, default=None)

    def _meant(self, declared: Declared, label: str) -> list[Account]:
        return [
            account
            for account in self.book.of(declared.name)
            if account.row.bound_to == declared.binding and label in ("", account.row.label)
        ]

    def _none(self, declared: Declared, name: str, label: str) -> JackfieldError:
        now = self._clock.wall()
        meant = self._meant(declared, label)
        left = [one for one in meant if not one.refused and one.tokens is not None]
        resting = [rests_s for one in left if (rests_s := one.rests_s(now))]
        if resting and len(resting) == len(left):
            return RateLimited(f"all accounts of {name} rest", retry_after_s=min(resting))
        if left:
            return Unavailable(f"the accounts of {name} are being renewed", retry_after_s=1.0)
        unreadable = [f"{one.called}: {one.trouble}" for one in meant if one.tokens is None]
        if unreadable:
            return Unavailable(unreadable[0])
        return Unavailable(f"no account of {name} is signed in: `jackfield auth login {declared.name}`")

    def _view(self, account: Account, now: float) -> AccountView:
        tokens, row = account.tokens, account.row
        return AccountView(
            id=row.id,
            provider=row.sign_in,
            account=row.label,
            state=self._state(account, now),
            reason=account.trouble if not account.may_serve(now) or account.refused else None,
            scopes=tokens.scopes if tokens else (),
            expires_at=tokens.expires_at if tokens else None,
            renewable=tokens is not None and tokens.refresh is not None,
            rests_until=account.cool_until if account.rests_s(now) else None,
            created_at=row.created_at,
            renewed_at=account.renewed_at,
        )

    def _state(self, account: Account, now: float) -> State:
        declared = self.sign_ins.find(account.row.sign_in)
        if account.tokens is None:
            return "unreadable"
        if declared is None or declared.binding != account.row.bound_to:
            return "undeclared"
        if account.refused and not account.is_usable(now):
            return "signed_out"
        return "resting" if account.rests_s(now) else "ready"


class AccountUse:
    """The credential that one upstream asks for by name."""

    __slots__ = ("_accounts", "name")

    def __init__(self, accounts: Accounts, name: str) -> None:
        self._accounts, self.name = accounts, name

    async def take(self, passed: Collection[str]) -> CredentialHeader:
        return await self._accounts.take(self.name, passed)

    def report(self, used: CredentialHeader, status: int, retry_after_s: float | None) -> bool:
        return self._accounts.report(used, status, retry_after_s)
