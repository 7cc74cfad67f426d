"""An exchange on its way to a guest, and the face that it has there.

It goes in two parts. The *opening* is what came in and stays as it is; it is sent once to a guest that keeps it. What
is *seen* is what the point adds to it, as JSON. Guests in Python get the opening as MessagePack, with the body as the
client sent it, and decode the request themselves when a hook asks for it; for others (`PLAIN`) the opening is JSON as
well, header values are text, and the canonical request comes with it.
"""

from __future__ import annotations

from functools import partial
from typing import Any, Protocol, cast

import msgspec

from jackfield.errors import JackfieldError, Malformed
from jackfield.guests.values import reader
from jackfield.hooks.caller import caller_of
from jackfield.sdk.caller import Caller, FindCaller, known_caller
from jackfield.sdk.context import Attempt, Candidate, Exchange, ExchangeState, Head, HookCall, InboundRequest, Timings
from jackfield.sdk.hooks import PointName
from jackfield.sdk.outcomes import Headers, Identity
from jackfield.transport.messages import OutgoingRequest
from jackfield.wire import format_named
from jackfield.wire.base import Operation, Peek, WireFormat
from jackfield.wire.chat import FinishReason, Request, Response, Usage

# Where the body is the request, in the format of the path. Elsewhere the gateway itself is asked, and what hooks are
# shown as the request stands in no body.
_BODY_IS_REQUEST = frozenset(
    f"POST /v1/{path}"
    for path in ("chat/completions", "completions", "responses", "embeddings", "messages", "messages/count_tokens")
)
# Whose hooks are told of the answer; of one that is at several points it is not known at which it is called.
_OF_ANSWER = frozenset({"response_head", "response_body", "background", None})

TextHeaders = tuple[tuple[str, str], ...]


class Opening(msgspec.Struct, frozen=True, array_like=True):
    """`headers` are those of the exchange's face: credentials only where a hook there may see them."""

    id: str
    at: float
    operation: Operation
    route: str
    client_format: str
    synthetic: bool
    inbound: InboundRequest


class TextInbound(msgspec.Struct, frozen=True, kw_only=True):
    """As JSON has it: header values are text (each byte a character), the body is base64."""

    method: str
    path: str
    headers: TextHeaders
    body: bytes
    query: str = ""
    client: str = ""


class TextOutgoing(msgspec.Struct, frozen=True, kw_only=True):
    method: str
    url: str
    headers: TextHeaders = ()
    body: bytes = b""


class TextHead(msgspec.Struct, frozen=True, kw_only=True):
    status: int
    headers: TextHeaders = ()


class PlainOpening(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    at: float
    operation: Operation
    route: str
    client_format: str
    synthetic: bool
    inbound: TextInbound


class ToldError(msgspec.Struct, frozen=True, kw_only=True):
    """A `JackfieldError`, as far as it is told."""

    message: str
    code: str
    status: int
    plugin: str | None = None


class Seen(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """`request` is there where the body does not tell it. `finds_caller` is whether the caller is who `hooks.caller`
    finds for this exchange; else `caller` is it, or nobody."""

    request: Request | None = None
    replaced: bool = False
    caller: Caller | None = None
    finds_caller: bool = False
    identity: Identity | None = None
    candidates: tuple[Candidate, ...] = ()
    outgoing: TextOutgoing | None = None
    trying: Candidate | None = None
    attempts: tuple[Attempt, ...] = ()
    status: int = 0
    error: ToldError | None = None
    head: TextHead | None = None
    response: Response | None = None
    behind: str = ""
    usage: Usage | None = None
    finish_reason: FinishReason | None = None
    cost_usd: float | None = None
    decided_by: str | None = None
    timings: Timings | None = None


NOTHING_SEEN = Seen()


def _plain(value: Any) -> Any:
    if hasattr(value, "items"):
        return dict(value)
    raise TypeError(f"{type(value).__name__} cannot be sent")


_pack_opening = msgspec.msgpack.Encoder(enc_hook=_plain).encode
_unpack_opening = msgspec.msgpack.Decoder(Opening).decode
_json = msgspec.json.Encoder(enc_hook=_plain).encode
_read_plain = msgspec.json.Decoder(PlainOpening).decode
_read_seen = reader(Seen)


class Form(Protocol):
    """How exchanges are written for a guest, and read by it."""

    @property
    def name(self) -> str: ...

    def write_opening(self, exchange: Exchange) -> bytes: ...

    def read_opening(self, data: bytes) -> Opening: ...

    def write_seen(self, exchange: Exchange, point: PointName | None, *, request: bool) -> bytes:
        """What this point adds; `request` is whether the guest does not know the request yet."""


class Compact:
    name = "compact"

    def write_opening(self, exchange: Exchange) -> bytes:
        return _pack_opening(
            Opening(
                exchange.id,
                exchange.at,
                exchange.operation,
                exchange.route,
                exchange.client_format,
                exchange.synthetic,
                exchange.inbound,
            )
        )

    def read_opening(self, data: bytes) -> Opening:
        return _unpack_opening(data)

    def write_seen(self, exchange: Exchange, point: PointName | None, *, request: bool) -> bytes:
        told: dict[str, Any] = {}
        if request and (exchange.replaced or exchange.route not in _BODY_IS_REQUEST):
            told["request"] = _request_of(exchange)
        known = known_caller()
        if isinstance(known, Caller):
            told["caller"] = known
        elif known is not None:
            told["finds_caller"] = True
        return _write_seen(exchange, point, told)


class Plain:
    """JSON throughout, with the canonical request and the caller as they are, for guests that know no wire format."""

    name = "plain"

    def write_opening(self, exchange: Exchange) -> bytes:
        return _json(
            PlainOpening(
                id=exchange.id,
                at=exchange.at,
                operation=exchange.operation,
                route=exchange.route,
                client_format=exchange.client_format,
                synthetic=exchange.synthetic,
                inbound=write_inbound(exchange.inbound),
            )
        )

    def read_opening(self, data: bytes) -> Opening:
        told = _read_plain(data)
        return Opening(
            told.id, told.at, told.operation, told.route, told.client_format, told.synthetic, read_inbound(told.inbound)
        )

    def write_seen(self, exchange: Exchange, point: PointName | None, *, request: bool) -> bytes:
        told: dict[str, Any] = {}
        if request and (found := _request_of(exchange)) is not None:
            told["request"] = found
        known = known_caller()
        told["caller"] = known if known is None or isinstance(known, Caller) else known()
        return _write_seen(exchange, point, told)


COMPACT: Form = Compact()
PLAIN: Form = Plain()
FORMS: dict[str, Form] = {form.name: form for form in (COMPACT, PLAIN)}


def _request_of(exchange: Exchange) -> Request | None:
    """`None` where it cannot be read: a hook may have no use for it, and finds out where it has."""
    try:
        return exchange.request
    except Malformed:
        return None


def _write_seen(exchange: Exchange, point: PointName | None, told: dict[str, Any]) -> bytes:
    if exchange.replaced:
        told["replaced"] = True
    if (identity := exchange.identity) is not None:
        told["identity"] = identity
    if candidates := exchange.candidates:
        told["candidates"] = candidates
    if point in ("attempt", None) and (outgoing := exchange.outgoing) is not None:
        told["outgoing"] = write_outgoing(outgoing)
    if point in ("response_chunk", None):
        told["behind"] = exchange.behind
    if point in _OF_ANSWER:
        told |= _of_answer(exchange)
    if (trying := exchange.trying) is not None:
        told["trying"] = trying
    if attempts := exchange.attempts:
        told["attempts"] = attempts
    return _json(Seen(**told))


def _of_answer(exchange: Exchange) -> dict[str, Any]:
    head, error = exchange.head, exchange.error
    return {
        "status": exchange.status,
        "error": None if error is None else write_error(error),
        "head": None if head is None else write_head(head),
        "response": exchange.response,
        "usage": exchange.usage,
        "finish_reason": exchange.finish_reason,
        "cost_usd": exchange.cost_usd,
        "decided_by": exchange.decided_by,
        "timings": exchange.timings,
    }


def read_seen(data: bytes) -> Seen:
    """Raises `ValueError`."""
    found: Seen = _read_seen(data)
    return found


def write_headers(headers: Headers) -> TextHeaders:
    return tuple([(name.decode("latin-1"), value.decode("latin-1")) for name, value in headers])


def read_headers(headers: TextHeaders) -> Headers:
    """Raises `ValueError` for characters that no header can hold."""
    return tuple([(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers])


def write_inbound(value: InboundRequest) -> TextInbound:
    return TextInbound(
        method=value.method,
        path=value.path,
        headers=write_headers(value.headers),
        body=value.body,
        query=value.query.decode("latin-1"),
        client=value.client,
    )


def read_inbound(told: TextInbound) -> InboundRequest:
    query = told.query.encode("latin-1")
    return InboundRequest(told.method, told.path, read_headers(told.headers), told.body, query, told.client)


def write_outgoing(value: OutgoingRequest) -> TextOutgoing:
    return TextOutgoing(method=value.method, url=value.url, headers=write_headers(value.headers), body=value.body)


def read_outgoing(told: TextOutgoing) -> OutgoingRequest:
    return OutgoingRequest(told.method, told.url, read_headers(told.headers), told.body)


def write_error(error: JackfieldError) -> ToldError:
    return ToldError(message=error.message, code=error.code, status=error.status, plugin=error.plugin)


def read_error(told: ToldError) -> JackfieldError:
    error = JackfieldError(told.message, plugin=told.plugin)
    error.code, error.status = told.code, told.status
    return error


def write_head(value: Head) -> TextHead:
    return TextHead(status=value.status, headers=write_headers(value.headers))


def read_head(told: TextHead) -> Head:
    return Head(told.status, read_headers(told.headers))


class GuestExchange:
    """`ExchangeState` of a guest, over what was sent."""

    __slots__ = ("_head", "_outgoing", "_peek", "_request", "local", "opening", "seen")

    def __init__(self, opening: Opening) -> None:
        self.opening, self.seen = opening, NOTHING_SEEN
        self.local: dict[type, Any] = {}
        self._request: Request | None = None
        self._peek: Peek | None = None

    def see(self, seen: Seen) -> None:
        """What is sent for the next hook. A request that is not sent again is the one that was."""
        self.seen = seen
        if seen.request is not None:
            self._request = seen.request
            self._peek = Peek(model=seen.request.model, stream=seen.request.stream)

    @property
    def finder(self) -> Caller | FindCaller | None:
        """Who `current_caller` is, or finds."""
        return partial(caller_of, cast(ExchangeState, self)) if self.seen.finds_caller else self.seen.caller

    @property
    def id(self) -> str:
        return self.opening.id

    @property
    def at(self) -> float:
        return self.opening.at

    @property
    def operation(self) -> Operation:
        return self.opening.operation

    @property
    def client_format(self) -> str:
        return self.opening.client_format

    @property
    def route_name(self) -> str:
        return self.opening.route

    @property
    def synthetic(self) -> bool:
        return self.opening.synthetic

    @property
    def inbound(self) -> InboundRequest:
        return self.opening.inbound

    def shown_inbound(self) -> InboundRequest:
        return self.opening.inbound

    @property
    def model(self) -> str:
        return self._peeked().model

    @property
    def stream(self) -> bool:
        return self._peeked().stream

    def _peeked(self) -> Peek:
        if self._peek is None:
            self._peek = self.wire_format.peek(self.opening.inbound.body)
        return self._peek

    @property
    def wire_format(self) -> WireFormat:
        return format_named(self.opening.client_format)

    def canonical_request(self) -> Request:
        if self._request is None:
            self._request = self.wire_format.decode_request(self.opening.inbound.body)
        return self._request

    def canonical_response(self) -> Response | None:
        return self.seen.response

    @property
    def replaced(self) -> bool:
        return self.seen.replaced

    @property
    def identity(self) -> Identity | None:
        return self.seen.identity

    @property
    def candidates(self) -> tuple[Candidate, ...]:
        return self.seen.candidates

    @property
    def outgoing(self) -> OutgoingRequest | None:
        return None if self.seen.outgoing is None else read_outgoing(self.seen.outgoing)

    @property
    def trying(self) -> Candidate | None:
        return self.seen.trying

    @property
    def attempts(self) -> tuple[Attempt, ...]:
        return self.seen.attempts

    @property
    def status(self) -> int:
        return self.seen.status

    @property
    def error(self) -> JackfieldError | None:
        return None if self.seen.error is None else read_error(self.seen.error)

    @property
    def head(self) -> Head | None:
        return None if self.seen.head is None else read_head(self.seen.head)

    @property
    def usage(self) -> Usage | None:
        return self.seen.usage

    @property
    def finish_reason(self) -> FinishReason | None:
        return self.seen.finish_reason

    @property
    def cost_usd(self) -> float | None:
        return self.seen.cost_usd

    @property
    def decided_by(self) -> str | None:
        return self.seen.decided_by

    @property
    def calls(self) -> tuple[HookCall, ...]:
        """What others do is not told."""
        return ()

    @property
    def timings(self) -> Timings | None:
        return self.seen.timings

    @property
    def behind(self) -> str:
        return self.seen.behind
