"""One hook of a guest, asked over its session."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from jackfield.errors import SessionDenied
from jackfield.guests.exchanges import Form
from jackfield.guests.faults import UNKNOWN_EXCHANGE, as_raised
from jackfield.guests.outcomes import read_outcome
from jackfield.guests.ring_share import RingShare
from jackfield.guests.values import encode
from jackfield.runtimes.base import Session
from jackfield.sdk.context import Exchange
from jackfield.sdk.hooks import PointName
from jackfield.sdk.outcomes import Outcome

# The dispatcher has the hook's own deadline, and ends the call then.
LONGEST_S = 3_600.0


class Kept:
    """What a guest keeps of one exchange. It is told that the exchange is over when nobody holds this any more."""

    __slots__ = ("exchange", "inbound", "request")

    tell: Callable[[str], None]

    def __init__(self) -> None:
        self.exchange: str | None = None
        self.inbound: object = None
        self.request: object = None

    def __del__(self) -> None:
        if self.exchange is not None:
            self.tell(self.exchange)


class HookLine:
    """Asks a guest for its hooks; `keeps` is whether it has a use for what it was sent before."""

    __slots__ = ("_form", "_kept", "_session", "_share")

    def __init__(self, session: Session, form: Form, share: RingShare | None = None, *, keeps: bool) -> None:
        """`share` is what goes along where plugins of its dialect share something of an exchange."""
        self._session, self._form, self._share = session, form, share
        # A kind of its own: that of another plugin is kept beside it in the same exchange.
        fields = {"__slots__": (), "tell": staticmethod(self._tell_over)}
        self._kept: type[Kept] | None = type("KeptOfGuest", (Kept,), fields) if keeps else None

    async def ask(self, name: str, point: PointName | None, exchange: Exchange, event: Any) -> Outcome | None:
        """Raises what the hook raised, and `ValueError` for an answer that is none."""
        if self._kept is None:
            opening = self._form.write_opening(exchange)
            seen = self._form.write_seen(exchange, point, request=True)
            return await self._call(name, exchange, (exchange.id, opening, seen), event, None)
        kept = exchange.local(self._kept)
        try:
            return await self._call(name, exchange, self._again(exchange, point, kept), event, exchange.id)
        except UnknownToGuest:
            kept.inbound = None
            return await self._call(name, exchange, self._again(exchange, point, kept), event, exchange.id)

    def _again(self, exchange: Exchange, point: PointName | None, kept: Kept) -> tuple[str, bytes | None, bytes]:
        """What it does not have yet."""
        inbound = exchange.inbound
        request = exchange.request if exchange.replaced else None
        opening = None
        anew = kept.inbound is not inbound
        if anew:
            opening = self._form.write_opening(exchange)
        seen = self._form.write_seen(exchange, point, request=anew or request is not kept.request)
        kept.exchange, kept.inbound, kept.request = exchange.id, inbound, request
        return exchange.id, opening, seen

    async def _call(self, name: str, exchange: Exchange, sent: Any, event: Any, sticky: str | None) -> Outcome | None:
        params = {"name": name, "exchange": sent}
        if event is not None:
            params["event"] = encode(event)
        if self._share is not None:
            params["shared"] = self._share.write(exchange)
            told, left = await self._ask(params, sticky, tuple[bytes | None, bytes])
            self._share.read(exchange, left)
        else:
            told = await self._ask(params, sticky, bytes | None)
        return None if told is None else read_outcome(told)

    async def _ask(self, params: dict[str, Any], sticky: str | None, into: Any) -> Any:
        try:
            return await self._session.call("hook", params, deadline_s=LONGEST_S, sticky=sticky, into=into)
        except SessionDenied as denied:
            if denied.told == UNKNOWN_EXCHANGE and params["exchange"][1] is None:
                raise UnknownToGuest from None
            raise as_raised(denied) from None

    def _tell_over(self, exchange: str) -> None:
        self._session.tell("over", {"exchange": exchange}, sticky=exchange)


class UnknownToGuest(Exception):
    """The guest was lost, and started, since it was sent the exchange."""
