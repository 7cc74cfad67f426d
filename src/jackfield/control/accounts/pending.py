"""Signing in that was begun, as it is stored: each state is good for one use, by who began it, for ten minutes."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from typing import Any, Literal

import msgspec
from sqlalchemy import delete, select, update

from jackfield.control.accounts.sealing import Sealer
from jackfield.errors import Conflict, JackfieldError, Malformed
from jackfield.stores.database import Database
from jackfield.stores.tables import sign_in_states

LIVES_S = 600.0
# So long who comes too late, or again, is told so.
REMEMBERED_S = 3600.0
MOST_BEGUN = 1000

Flow = Literal["loopback", "callback", "manual", "device", "ticket"]


class Pending(msgspec.Struct, frozen=True, kw_only=True):
    """`secret` is the verifier, or the device code. `interval_s` is the least time between two questions of it."""

    state: str
    flow: Flow
    sign_in: str
    bound_to: str
    redirect_url: str
    label: str | None
    actor: str
    expires_at: float
    secret: str
    interval_s: float = 0.0


class _Sealed(msgspec.Struct, frozen=True):
    secret: str
    interval_s: float


def new_text() -> str:
    """256 random bits: a state, a session or a verifier."""
    return secrets.token_urlsafe(32)


def digest_of(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _refuse(code: str, message: str, kind: type[JackfieldError] = Malformed) -> JackfieldError:
    error = kind(message)
    error.code = code
    return error


class PendingSignIns:
    """Every method raises `Unavailable` where the store is."""

    def __init__(self, database: Database, sealer: Sealer) -> None:
        self._database, self._sealer = database, sealer

    async def add(self, pending: Pending, session: str, *, at: float) -> None:
        digest = digest_of(pending.state)
        sealed = msgspec.json.encode(_Sealed(pending.secret, pending.interval_s))
        values = {
            "digest": digest,
            "session": digest_of(session),
            "flow": pending.flow,
            "sign_in": pending.sign_in,
            "bound_to": pending.bound_to,
            "redirect_url": pending.redirect_url,
            "label": pending.label,
            "actor": pending.actor,
            "expires_at": pending.expires_at,
            "not_before": at + pending.interval_s,
            "used_at": None,
            "sealed": self._sealer.seal(sealed, digest),
        }
        async with self._database.writing() as transaction:
            old = sign_in_states.c.expires_at < at - REMEMBERED_S
            await transaction.execute(delete(sign_in_states).where(old))
            open_ones = sign_in_states.c.used_at.is_(None) & (sign_in_states.c.expires_at > at)
            many = select(sign_in_states.c.digest).where(open_ones).limit(MOST_BEGUN)
            if len((await transaction.execute(many)).all()) >= MOST_BEGUN:
                raise _refuse("sign_in_too_many", "too many sign-ins were begun and not ended", Conflict)
            await transaction.execute(self._database.backend.insert(sign_in_states).values(values))

    async def use(self, state: str, session: str, sign_in: str, redirect_url: str | None, *, at: float) -> Pending:
        """Uses a state up, whatever comes of it: what was shown to a stranger is worth nothing any more. Raises
        `Malformed` whose code tells what is wrong with it."""
        digest = digest_of(state)
        statement = (
            update(sign_in_states)
            .where(sign_in_states.c.digest == digest, sign_in_states.c.used_at.is_(None))
            .values(used_at=at)
            .returning(sign_in_states)
        )
        async with self._database.writing() as transaction:
            row = (await transaction.execute(statement)).mappings().first()
        if row is None:
            raise await self._explain_absence(digest)
        self._check(row, session, sign_in, at)
        if redirect_url is not None and redirect_url != row["redirect_url"]:
            raise _refuse("sign_in_other_redirect", "this sign-in was begun for another address to return to")
        return self._read(state, row)

    async def poll(self, state: str, session: str, sign_in: str, *, at: float) -> tuple[Pending, float]:
        """One that is asked of again and again. Also how many seconds it is too soon for that; where it is not, the
        next time is moved on."""
        digest = digest_of(state)
        table = sign_in_states
        async with self._database.writing(digest) as transaction:
            found = await transaction.execute(select(table).where(table.c.digest == digest))
            row = found.mappings().first()
            if row is None or row["used_at"] is not None:
                raise await self._explain_absence(digest)
            self._check(row, session, sign_in, at)
            pending = self._read(state, row)
            if pending.flow != "device":
                raise _refuse("sign_in_other_flow", "this sign-in was begun in another way")
            # Not for longer than that: the clock may have been set back.
            wait_s: float = min(row["not_before"] - at, pending.interval_s)
            if wait_s <= 0:
                due = at + pending.interval_s
                await transaction.execute(update(table).where(table.c.digest == digest).values(not_before=due))
        return pending, max(wait_s, 0.0)

    async def slow_down(self, pending: Pending, by_s: float, *, at: float) -> None:
        digest = digest_of(pending.state)
        slower = _Sealed(pending.secret, pending.interval_s + by_s)
        values = {
            "not_before": at + slower.interval_s,
            "sealed": self._sealer.seal(msgspec.json.encode(slower), digest),
        }
        async with self._database.writing() as transaction:
            await transaction.execute(
                update(sign_in_states).where(sign_in_states.c.digest == digest).values(**values)
            )  # fmt: skip

    async def end(self, pending: Pending, *, at: float) -> bool:
        """Whether it was not used before."""
        same = sign_in_states.c.digest == digest_of(pending.state)
        statement = update(sign_in_states).where(same, sign_in_states.c.used_at.is_(None)).values(used_at=at)
        async with self._database.writing() as transaction:
            ended = await transaction.execute(statement.returning(sign_in_states.c.digest))
            return ended.first() is not None

    def _check(self, row: Any, session: str, sign_in: str, at: float) -> None:
        if not hmac.compare_digest(row["session"], digest_of(session)):
            raise _refuse("sign_in_other_session", "this sign-in was begun by somebody else: begin anew")
        if row["expires_at"] <= at:
            raise _refuse("sign_in_state_expired", "this sign-in was begun too long ago: begin anew")
        if row["sign_in"] != sign_in:
            raise _refuse("sign_in_other_provider", "this sign-in was begun at another provider")

    async def _explain_absence(self, digest: str) -> JackfieldError:
        async with self._database.reading() as connection:
            known = await connection.execute(select(sign_in_states.c.digest).where(sign_in_states.c.digest == digest))
            if known.first() is not None:
                return _refuse("sign_in_state_used", "this sign-in was used before: begin anew")
        return _refuse("sign_in_state_unknown", "there is no such sign-in: begin anew")

    def _read(self, state: str, row: Any) -> Pending:
        try:
            opened = msgspec.json.decode(self._sealer.open(row["sealed"], row["digest"]), type=_Sealed)
        except ValueError as error:
            raise _refuse("sign_in_state_unreadable", f"this sign-in cannot be read: {error}") from error
        fields = {name: row[name] for name in ("flow", "sign_in", "bound_to", "redirect_url", "label", "actor")}
        return Pending(
            state=state, expires_at=row["expires_at"], secret=opened.secret, interval_s=opened.interval_s, **fields
        )
