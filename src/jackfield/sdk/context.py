"""What a hook is given: the exchange, and the values that belong to its phases. Nothing here can be changed in
place."""

from __future__ import annotations

from typing import Any, Protocol, TypeVar

import msgspec

from jackfield.errors import JackfieldError
from jackfield.sdk.outcomes import Headers, Identity
from jackfield.transport.messages import OutgoingRequest
from jackfield.wire.base import Operation, WireFormat
from jackfield.wire.chat import FinishReason, Request, Response, Usage

T = TypeVar("T")

CREDENTIAL_HEADERS = frozenset(
    {b"authorization", b"x-api-key", b"api-key", b"x-goog-api-key", b"proxy-authorization", b"cookie"}
)


class InboundRequest(msgspec.Struct, frozen=True):
    """The HTTP request as it came in. Header names are lower case; credentials stand in `headers` only until `auth`."""

    method: str
    path: str
    headers: Headers
    body: bytes
    query: bytes = b""
    client: str = ""

    def header(self, name: str) -> str | None:
        wanted = name.lower().encode("latin-1")
        return next((value.decode("latin-1") for key, value in self.headers if key == wanted), None)

    def without_credentials(self) -> InboundRequest:
        headers = tuple([pair for pair in self.headers if pair[0] not in CREDENTIAL_HEADERS])
        return InboundRequest(self.method, self.path, headers, self.body, self.query, self.client)


class Candidate(msgspec.Struct, frozen=True, kw_only=True):
    """An upstream that could serve the model, in the order of trying. `model` is what that upstream calls it."""

    upstream: str
    model: str
    provider: str
    priority: int = 0
    weight: float = 1


class Head(msgspec.Struct, frozen=True):
    """Status and headers of the answer to the client. Header names are lower case."""

    status: int
    headers: Headers

    def header(self, name: str) -> str | None:
        wanted = name.lower().encode("latin-1")
        return next((value.decode("latin-1") for key, value in self.headers if key == wanted), None)

    def with_header(self, name: str, value: str) -> Head:
        key = name.lower().encode("latin-1")
        others = tuple(pair for pair in self.headers if pair[0] != key)
        return Head(self.status, (*others, (key, value.encode("latin-1"))))


class Attempt(msgspec.Struct, frozen=True, kw_only=True):
    """One try of an upstream. `status` is `None` and `error` set where no answer came. It began `at_ms` after the
    request came in; where it was answered it lasted until the first of the answer was there."""

    upstream: str
    model: str
    status: int | None
    error: str | None
    duration_ms: float
    at_ms: float = 0


class HookCall(msgspec.Struct, frozen=True, kw_only=True):
    """A hook that ran, of whichever plugin. Those at `response_chunk` that ended alike are one, with `times`."""

    point: str
    plugin: str
    hook: str
    outcome: str
    ms: float
    times: int = 1


class Timings(msgspec.Struct, frozen=True, kw_only=True):
    """Milliseconds. `first_byte` is from receipt to the first byte sent; `hooks` is what plugins took on the way."""

    total: float
    first_byte: float | None
    upstream: float | None
    hooks: float


class ExchangeState(Protocol):
    """What the pipeline keeps; an `Exchange` is its read-only face."""

    id: str
    at: float
    operation: Operation
    client_format: str
    inbound: InboundRequest
    """As the gateway itself needs it; `shown_inbound` is what hooks may see."""
    replaced: bool
    identity: Identity | None
    candidates: tuple[Candidate, ...]
    trying: Candidate | None
    outgoing: OutgoingRequest | None
    attempts: tuple[Attempt, ...]
    head: Head | None
    status: int
    error: JackfieldError | None
    usage: Usage | None
    finish_reason: FinishReason | None
    cost_usd: float | None
    decided_by: str | None
    behind: str
    synthetic: bool

    @property
    def timings(self) -> Timings | None: ...
    @property
    def calls(self) -> tuple[HookCall, ...]: ...
    @property
    def wire_format(self) -> WireFormat: ...
    @property
    def route_name(self) -> str: ...
    @property
    def model(self) -> str: ...
    @property
    def stream(self) -> bool: ...
    @property
    def local(self) -> dict[type, Any]: ...
    def shown_inbound(self) -> InboundRequest: ...
    def canonical_request(self) -> Request: ...
    def canonical_response(self) -> Response | None: ...


class Exchange:
    """One request on its way. Read-only; what changes it is the outcome that a hook returns."""

    __slots__ = ("_state",)

    def __init__(self, state: ExchangeState) -> None:
        self._state = state

    @property
    def id(self) -> str:
        return self._state.id

    @property
    def at(self) -> float:
        """When the request came in, in seconds since the epoch."""
        return self._state.at

    @property
    def operation(self) -> Operation:
        return self._state.operation

    @property
    def route(self) -> str:
        """Such as `POST /v1/chat/completions`."""
        return self._state.route_name

    @property
    def synthetic(self) -> bool:
        """Whether this is no client's request but the check that a plugin's hooks work, before it is taken into
        service. What a hook does with it should leave no trace outside."""
        return self._state.synthetic

    @property
    def client_format(self) -> str:
        """The name of the wire format the client speaks, such as `openai_chat`."""
        return self._state.client_format

    @property
    def wire_format(self) -> WireFormat:
        """The format of that name, which may be a plugin's."""
        return self._state.wire_format

    @property
    def inbound(self) -> InboundRequest:
        """What came in. Credentials are gone after `auth`, also where the exchange ended before it."""
        state = self._state
        inbound = state.shown_inbound()
        if state.identity is None and (state.head is not None or state.timings is not None):
            return inbound.without_credentials()
        return inbound

    @property
    def identity(self) -> Identity | None:
        """Who calls; `None` until `auth` is over."""
        return self._state.identity

    @property
    def model(self) -> str:
        """The model as the client (or a hook's replacement) names it."""
        return self._state.model

    @property
    def stream(self) -> bool:
        return self._state.stream

    @property
    def request(self) -> Request:
        """The canonical request, decoded when first asked for. Raises `Malformed`."""
        return self._state.canonical_request()

    @property
    def replaced(self) -> bool:
        """Whether a hook has put another request in the place of the one that is in the body of `inbound`."""
        return self._state.replaced

    @property
    def candidates(self) -> tuple[Candidate, ...]:
        return self._state.candidates

    @property
    def trying(self) -> Candidate | None:
        """From `attempt` on: the upstream that is asked, or was asked last."""
        return self._state.trying

    @property
    def outgoing(self) -> OutgoingRequest | None:
        """In `attempt`: what is about to be sent, without the credential. `None` for in-process providers."""
        return self._state.outgoing

    @property
    def attempts(self) -> tuple[Attempt, ...]:
        return self._state.attempts

    @property
    def head(self) -> Head | None:
        return self._state.head

    @property
    def status(self) -> int:
        """In `background`: what the client was told, or 499 where it had gone before the end."""
        return self._state.status

    @property
    def error(self) -> JackfieldError | None:
        """Why the exchange failed or was refused, from then on; of a stream also what broke it off."""
        return self._state.error

    @property
    def response(self) -> Response | None:
        """The canonical answer, from `response_body` on: a completion, embeddings, or an `ErrorResponse`. In
        `background` where a hook at `response_body` or one that `sees_answer` asked for it."""
        return self._state.canonical_response()

    @property
    def behind(self) -> str:
        """In `response_chunk`: text already sent, as far back as the hook's `look_behind`."""
        return self._state.behind

    @property
    def usage(self) -> Usage | None:
        return self._state.usage

    @property
    def finish_reason(self) -> FinishReason | None:
        return self._state.finish_reason

    @property
    def cost_usd(self) -> float | None:
        return self._state.cost_usd

    @property
    def decided_by(self) -> str | None:
        """The id of the plugin that rejected or answered."""
        return self._state.decided_by

    @property
    def calls(self) -> tuple[HookCall, ...]:
        """The hooks that ran until now, those of other plugins too. Nothing in a process of its own."""
        return self._state.calls

    @property
    def timings(self) -> Timings | None:
        """From `background` on."""
        return self._state.timings

    def local(self, kind: type[T]) -> T:
        """A plugin's own state for this exchange: an instance of `kind`, made on first use."""
        held: dict[type, Any] = self._state.local
        if kind not in held:
            held[kind] = kind()
        found: T = held[kind]
        return found
