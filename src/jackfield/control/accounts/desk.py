"""Signing in, from its begin to the account that comes of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import msgspec
import structlog

from jackfield.clock import Clock
from jackfield.control.accounts.accounts import Accounts, AccountView
from jackfield.control.accounts.declared import Declared
from jackfield.control.accounts.endpoints import Denied, Endpoints, TooSoon, authorize_url, in_words
from jackfield.control.accounts.pending import LIVES_S, Flow, Pending, PendingSignIns, new_text
from jackfield.control.accounts.renewal import Announce
from jackfield.control.accounts.rows import AccountRow
from jackfield.control.accounts.tokens import Nonsense, Tokens, read_tokens
from jackfield.errors import Conflict, JackfieldError, Unprocessable, UpstreamError
from jackfield.ids import new_id
from jackfield.sdk.sign_in import LOOPBACK, SignIn, is_sound_url

TICKET_LIVES_S = 120.0
INTERVAL_S = 5.0
LONGEST_INTERVAL_S = 60.0
SLOWER_S = 5.0
# Where a browser is sent that is on another machine than the command: nobody listens there.
NOWHERE_PORT = 53_682
LONGEST_LABEL = 100

log = structlog.get_logger("jackfield.accounts")


class Begun(msgspec.Struct, frozen=True, kw_only=True):
    """What the one who signs in needs. `url` is to be opened; `state` and `session` together prove who began. A
    `user_code` is to be typed there."""

    flow: Flow
    state: str
    session: str
    url: str
    redirect_url: str = ""
    user_code: str | None = None
    interval_s: float = 0.0
    expires_in_s: float = LIVES_S


class Desk:
    """`pending` is asked for when somebody signs in: without that no key is needed. `public_url` is where browsers
    reach the gateway."""

    def __init__(
        self,
        accounts: Accounts,
        pending: Callable[[], PendingSignIns],
        endpoints: Endpoints,
        clock: Clock,
        announce: Announce,
        public_url: str | None,
    ) -> None:
        self._accounts, self._pending, self._endpoints = accounts, pending, endpoints
        self._clock, self._announce, self._public_url = clock, announce, public_url

    async def begin(
        self, name: str, flow: Flow, *, actor: str, label: str | None = None, redirect_url: str = ""
    ) -> Begun:
        """Raises `NotFound`, or `Unprocessable` that tells why not in this way."""
        declared = self._accounts.sign_ins.get(name)
        _check_label(label)
        if flow == "device":
            return await self._begin_device(declared, label, actor)
        if not declared.sign_in.authorize_url:
            raise Unprocessable(f"{name} is signed in to by a code on another device: flow device", param="flow")
        if flow == "ticket":
            url = self._own_address(declared.name, "login")
            begun = await self._add(declared, flow, "", label, actor, secret="", lives_s=TICKET_LIVES_S)
            return msgspec.structs.replace(begun, url=f"{url}?ticket={begun.state}", state="", session="")
        url = self._return_to(declared.sign_in, flow, redirect_url)
        return await self._begin_code(declared, flow, url, label, actor)

    async def redeem(self, name: str, ticket: str) -> Begun:
        """Begins in the browser what was asked for with an admin key. Raises `Malformed`."""
        used = await self._pending().use(ticket, ticket, name, "", at=self._clock.wall())
        if used.flow != "ticket":
            raise Unprocessable("this is no ticket", param="ticket")
        return await self.begin(name, "callback", actor=used.actor, label=used.label)

    async def finish(
        self, name: str, *, state: str, session: str, code: str, redirect_url: str | None = None, error: str = ""
    ) -> AccountView:
        """With what the provider sent back: a code, or an `error`. Raises `Malformed` for a state that is not good, and
        `Conflict` where the provider refuses."""
        pending = await self._pending().use(state, session, name, redirect_url, at=self._clock.wall())
        if pending.flow not in ("loopback", "callback", "manual"):
            raise Unprocessable("this sign-in was begun in another way", param="state")
        declared = self._still_declared(name, pending)
        if error or not code:
            raise self._failed(declared, Denied(name, _plain_code(error) if error else "no code came"))
        return await self._collect(
            declared,
            pending,
            "authorization_code",
            self._endpoints.exchange(
                declared, code, verifier=pending.secret, redirect_url=pending.redirect_url, state=state
            ),
        )

    async def poll(self, name: str, *, state: str, session: str) -> AccountView | float:
        """Of a device: the account, or in how many seconds to ask again."""
        now = self._clock.wall()
        pending, wait_s = await self._pending().poll(state, session, name, at=now)
        if wait_s > 0:
            return wait_s
        declared = self._still_declared(name, pending)
        try:
            answer = await self._endpoints.poll_device(declared, pending.secret)
        except Denied as denied:
            if denied.code == "authorization_pending":
                return pending.interval_s
            if denied.code == "slow_down":
                await self._pending().slow_down(pending, SLOWER_S, at=now)
                return pending.interval_s + SLOWER_S
            await self._pending().end(pending, at=now)
            raise self._failed(declared, denied) from denied
        except (TooSoon, UpstreamError):
            return pending.interval_s
        if not await self._pending().end(pending, at=now):
            raise Conflict("this sign-in has ended already")
        return await self._keep_answer(declared, pending, answer, "device_code")

    async def _begin_code(
        self, declared: Declared, flow: Flow, redirect_url: str, label: str | None, actor: str
    ) -> Begun:
        verifier = new_text()
        begun = await self._add(declared, flow, redirect_url, label, actor, secret=verifier, lives_s=LIVES_S)
        url = authorize_url(declared, state=begun.state, verifier=verifier, redirect_url=redirect_url)
        return msgspec.structs.replace(begun, url=url)

    async def _begin_device(self, declared: Declared, label: str | None, actor: str) -> Begun:
        if not declared.sign_in.device_url:
            raise Unprocessable(f"{declared.name} does not offer to sign in on another device", param="flow")
        try:
            told = await self._endpoints.begin_device(declared)
            code, user_code, url = (told.get(key) for key in ("device_code", "user_code", "verification_uri"))
            url = told.get("verification_uri_complete") or url or told.get("verification_url")
            if not _are_texts(code, user_code, url) or not is_sound_url(str(url)):
                raise Nonsense("the answer has no device code")
        except (Denied, TooSoon, Nonsense, UpstreamError) as error:
            raise self._failed(declared, error) from error
        interval_s = _seconds(told.get("interval"), INTERVAL_S, LONGEST_INTERVAL_S)
        lives_s = _seconds(told.get("expires_in"), LIVES_S, LIVES_S)
        begun = await self._add(
            declared, "device", "", label, actor, secret=str(code), lives_s=lives_s, interval_s=interval_s
        )
        return msgspec.structs.replace(begun, url=str(url), user_code=str(user_code)[:100], interval_s=interval_s)

    async def _add(
        self,
        declared: Declared,
        flow: Flow,
        redirect_url: str,
        label: str | None,
        actor: str,
        *,
        secret: str,
        lives_s: float,
        interval_s: float = 0.0,
    ) -> Begun:
        now = self._clock.wall()
        pending = Pending(
            state=new_text(),
            flow=flow,
            sign_in=declared.name,
            bound_to=declared.binding,
            redirect_url=redirect_url,
            label=label,
            actor=actor,
            expires_at=now + lives_s,
            secret=secret,
            interval_s=interval_s,
        )
        # A ticket is all that the browser has which begins with it.
        session = pending.state if flow == "ticket" else new_text()
        await self._pending().add(pending, session, at=now)
        return Begun(
            flow=flow,
            state=pending.state,
            session=session,
            url="",
            redirect_url=redirect_url,
            expires_in_s=lives_s,
        )

    def _return_to(self, sign_in: SignIn, flow: Flow, given: str) -> str:
        if flow == "callback":
            return self._own_address(sign_in.name, "callback")
        if flow == "manual":
            port = sign_in.callback_port or NOWHERE_PORT
            return sign_in.manual_redirect_url or f"http://{sign_in.callback_host}:{port}{sign_in.callback_path}"
        _check_loopback(sign_in, given)
        return given

    def _own_address(self, name: str, end: str) -> str:
        if self._public_url is None:
            raise Unprocessable(
                "it is not known where browsers reach the gateway: set accounts.public_url, or sign in by another flow",
                param="flow",
            )
        return f"{self._public_url}/oauth/{name}/{end}"

    def _still_declared(self, name: str, pending: Pending) -> Declared:
        declared = self._accounts.sign_ins.get(name)
        if declared.binding != pending.bound_to:
            raise Conflict(f"the sign-in {name} was declared otherwise since this was begun: begin anew")
        return declared

    async def _collect(self, declared: Declared, pending: Pending, grant: str, asking: Any) -> AccountView:
        self._announce("oauth:token_request", {"provider": declared.name, "grantType": grant})
        try:
            answer = await asking
        except (Denied, TooSoon, UpstreamError) as error:
            raise self._failed(declared, error) from error
        return await self._keep_answer(declared, pending, answer, grant)

    async def _keep_answer(
        self, declared: Declared, pending: Pending, answer: dict[str, Any], grant: str
    ) -> AccountView:
        now = self._clock.wall()
        try:
            tokens = read_tokens(answer, now=now)
        except Nonsense as error:
            raise self._failed(declared, error) from error
        if not tokens.scopes:
            tokens = msgspec.structs.replace(tokens, scopes=declared.sign_in.scopes)
        row = AccountRow(
            id=new_id("acc"),
            sign_in=declared.name,
            label=pending.label or _name_of(tokens),
            bound_to=declared.binding,
            version=1,
            issue=1,
            cool_until=0.0,
            refused=False,
            trouble=None,
            created_at=now,
            updated_at=now,
            actor=pending.actor,
            sealed=b"",
        )
        account = await self._accounts.book.add(row, tokens)
        log.info("account_signed_in", account=account.called, actor=pending.actor)
        told = {"provider": declared.name, "account": account.row.label, "accountId": row.id, "grantType": grant}
        self._announce("oauth:token_response", {**told, "expiresAt": tokens.expires_at})
        return next(view for view in self._accounts.views() if view.id == account.id)

    def _failed(self, declared: Declared, error: Denied | TooSoon | Nonsense | UpstreamError) -> JackfieldError:
        words = f"{declared.name}: {error}" if isinstance(error, Nonsense) else in_words(error)
        log.warning("sign_in_failed", provider=declared.name, error=words)
        self._announce("oauth:error", {"provider": declared.name, "error": words, "phase": "sign_in"})
        failed = Conflict(words)
        failed.code = "sign_in_denied" if isinstance(error, Denied) else "sign_in_failed"
        return failed


def _name_of(tokens: Tokens) -> str:
    """Who signed in, where that is known and may be a label."""
    return tokens.subject if tokens.subject is not None and "/" not in tokens.subject else ""


def _check_label(label: str | None) -> None:
    if label is not None and (not label or len(label) > LONGEST_LABEL or not label.isprintable() or "/" in label):
        raise Unprocessable(
            f"an account's name has 1 to {LONGEST_LABEL} characters, no slash among them", param="account"
        )


def _check_loopback(sign_in: SignIn, url: str) -> None:
    """A code must not be led to another machine."""
    try:
        parts = urlsplit(url)
        sound = (
            parts.scheme == "http"
            and parts.hostname in LOOPBACK
            and parts.username is None
            and parts.port is not None
            and parts.port == (sign_in.callback_port or parts.port)
            and parts.path == sign_in.callback_path
            and not parts.query
            and not parts.fragment
        )
    except ValueError:
        sound = False
    if not sound:
        port = sign_in.callback_port or "<port>"
        raise Unprocessable(
            f"redirect_url must be http://{sign_in.callback_host}:{port}{sign_in.callback_path}", param="redirect_url"
        )


def _plain_code(error: str) -> str:
    """Of what stands in an address nothing is repeated but a word."""
    return error if len(error) <= 64 and error.isascii() and error.replace("_", "").isalnum() else "an error"


def _are_texts(*values: Any) -> bool:
    return all(isinstance(value, str) and 0 < len(value) <= 4096 and value.isprintable() for value in values)


def _seconds(value: Any, default: float, most: float) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not value >= 0:
        return default
    return float(min(value, most))
