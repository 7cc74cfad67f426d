"""The state of one request on its way through the phases."""

from __future__ import annotations

import re
from collections.abc import Iterable
from time import perf_counter_ns, time
from typing import Any, TypeVar

import msgspec

from jackfield.errors import JackfieldError
from jackfield.hooks.table import HookRow
from jackfield.hooks.trace import Trace
from jackfield.host.snapshot import Snapshot
from jackfield.pipeline.answers import Whole
from jackfield.sdk.caller import Caller
from jackfield.sdk.context import Attempt, Candidate, Exchange, Head, HookCall, InboundRequest, Timings
from jackfield.sdk.outcomes import Headers, Identity
from jackfield.transport.messages import OutgoingRequest
from jackfield.wire.base import Operation, Peek, WireFormat
from jackfield.wire.chat import (
    ChatRequest,
    ChatResponse,
    ErrorResponse,
    FinishReason,
    Request,
    Response,
    StreamStart,
    Usage,
)

LONGEST_NAME = 100
MOST_NAMES = 40
# What a header may not hold, or would hold otherwise than it was meant.
_UNTOLD = re.compile(r"[^\x21-\x7e]|,")


class Route(msgspec.Struct, frozen=True):
    """An inference path of the gateway and the format it speaks. `name` is method and path."""

    name: str
    format: WireFormat


class State:
    """Mutable, for the phases only; plugins get `view`.

    `body` is the request as bytes in the client's format until a hook replaces the canonical request; from then on
    `replaced` is set and only `request` counts.
    """

    # Most exchanges change few of these: what stands here is what a fresh one begins with.
    peek: Peek | None = None
    identity: Identity | None = None
    replaced = False
    candidates: tuple[Candidate, ...] = ()
    trying: Candidate | None = None
    outgoing: OutgoingRequest | None = None
    attempts: tuple[Attempt, ...] = ()
    served_by: Candidate | None = None
    head: Head | None = None
    response: Response | None = None
    answer_cached = False
    usage: Usage | None = None
    finish_reason: FinishReason | None = None
    cost_nanousd: int | None = None
    cost_usd: float | None = None
    # What the provider says that it cost, as it said it.
    stated_cost_usd: Any = None
    decided_by: str | None = None
    error: JackfieldError | None = None
    status = 0
    behind = ""
    dropped: frozenset[str] = frozenset()
    skipped: frozenset[str] = frozenset()
    first_byte_ns: int | None = None
    upstream_ns: int | None = None
    response_bytes = 0
    stream_ended = False
    # Its last phase is marked.
    ended = False
    # Whether credentials are to be taken out of `inbound` before a hook sees it.
    conceals = False
    client_gone = False
    synthetic = False
    # Where plugins are told of the answer: on whose behalf. And the answer, where it came whole.
    told: Caller | None = None
    whole: Whole | None = None
    _request: Request | None = None
    _local: dict[type, Any] | None = None

    def __init__(self, request_id: str, route: Route, inbound: InboundRequest, snapshot: Snapshot, began: int) -> None:
        format_ = route.format
        self.id = request_id
        self.at = time()
        self.began = began
        self.route = route
        self.operation: Operation = format_.operation
        self.client_format = format_.name
        self.snapshot = snapshot
        self.row: HookRow = snapshot.table.row(format_.operation)
        self.inbound = inbound
        self.body = inbound.body
        self.trace = Trace(began)

    @property
    def view(self) -> Exchange:
        """Made anew each time: keeping it would be a cycle that only the collector could free."""
        return Exchange(self)

    @property
    def local(self) -> dict[type, Any]:
        if self._local is None:
            self._local = {}
        return self._local

    @property
    def calls(self) -> tuple[HookCall, ...]:
        return tuple(
            HookCall(
                point=call["point"],
                plugin=call["plugin"],
                hook=call["hook"],
                outcome=call["outcome"],
                ms=call["ms"],
                times=call["times"],
            )
            for call in self.trace.calls()
        )

    @property
    def timings(self) -> Timings | None:
        return measure(self) if self.ended else None

    @property
    def wire_format(self) -> WireFormat:
        return self.route.format

    @property
    def route_name(self) -> str:
        return self.route.name

    @property
    def model(self) -> str:
        return (self.peek or self.peeked()).model

    @property
    def stream(self) -> bool:
        return (self.peek or self.peeked()).stream

    def peeked(self) -> Peek:
        """Model and stream flag. Raises `Malformed` where the body is not what the route takes."""
        if self.peek is None:
            self.peek = self.route.format.peek(self.body)
        return self.peek

    def canonical_request(self) -> Request:
        if self._request is None:
            self._request = self.route.format.decode_request(self.body)
        return self._request

    def canonical_response(self) -> Response | None:
        return self.response

    def shown_inbound(self) -> InboundRequest:
        """What hooks see of what came in: from `auth` on without credentials."""
        if self.conceals:
            self.conceals = False
            self.inbound = self.inbound.without_credentials()
        return self.inbound

    def stand_in(self) -> None:
        """Gives hooks an empty request to look at, where the gateway is asked for something that has none."""
        self.peek = Peek(model="")
        self._request = ChatRequest(model="", messages=(), format=self.client_format)

    def replace_inbound(self, inbound: InboundRequest) -> None:
        self.inbound, self.body = inbound, inbound.body
        self.peek = self._request = None

    def replace_request(self, request: Request) -> None:
        """Whether the client gets a stream is the client's to say: that flag stays as it is."""
        peek = self.peeked()
        self._request, self.replaced = msgspec.structs.replace(request, stream=peek.stream), True
        self.peek = msgspec.structs.replace(peek, model=request.model)

    def fail(self, error: JackfieldError) -> None:
        """Notes the error that the client is told; the first one is the one that decided."""
        if self.error is None:
            self.error = error
            self.decided_by = error.plugin or self.decided_by

    def mark_first_byte(self) -> None:
        if self.first_byte_ns is None:
            self.first_byte_ns = perf_counter_ns()


def next_turn(first: State, turn: int) -> State:
    """A further exchange for the request that `first` came with: the caller is known, the body is not its own."""
    state = State(f"{first.id}-{turn}", first.route, first.shown_inbound(), first.snapshot, perf_counter_ns())
    state.identity, state.synthetic = first.identity, first.synthetic
    state.peek = msgspec.structs.replace(first.peeked(), stream_usage=True)
    return state


def measure(state: State) -> Timings:
    """Of an exchange whose last phase is marked."""
    first = state.first_byte_ns
    return Timings(
        total=(state.trace.marks[-1][1] - state.began) / 1e6,
        first_byte=None if first is None else (first - state.began) / 1e6,
        upstream=None if state.upstream_ns is None else state.upstream_ns / 1e6,
        hooks=state.trace.hooks_ns / 1e6,
    )


def error_response(error: JackfieldError) -> ErrorResponse:
    return ErrorResponse(status=error.status, code=error.code, message=error.message, plugin=error.plugin)


Dated = TypeVar("Dated", ChatResponse, StreamStart)


def dated(state: State, value: Dated) -> Dated:
    """With the time of the request where the upstream gave none: some clients insist on one."""
    return value if value.created is not None else msgspec.structs.replace(value, created=int(state.at))


def write_usd(amount: float) -> bytes:
    return (b"%.9f" % amount).rstrip(b"0").rstrip(b".")


def write_names(dropped: Iterable[str]) -> str:
    """Names of fields, which a client or an upstream chose, as a header can hold them."""
    told = sorted({_UNTOLD.sub("?", name)[:LONGEST_NAME] for name in dropped})
    more = f", and {len(told) - MOST_NAMES} more" if len(told) > MOST_NAMES else ""
    return ", ".join(told[:MOST_NAMES]) + more


def answer_headers(state: State) -> Headers:
    """The gateway's own headers on an answer."""
    request_id = state.id.encode("ascii")
    headers = [(b"x-request-id", request_id)]
    if state.client_format.startswith("anthropic"):
        headers.append((b"request-id", request_id))
    if state.served_by is not None:
        headers.append((b"x-jackfield-upstream", state.served_by.upstream.encode("latin-1", "replace")))
    if state.cost_usd is not None:
        headers.append((b"x-jackfield-cost-usd", write_usd(state.cost_usd)))
    if state.dropped:
        headers.append((b"x-jackfield-dropped", write_names(state.dropped).encode()))
    return tuple(headers)
