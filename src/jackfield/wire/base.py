"""What a wire format is: bytes to canonical values and back, without I/O."""

from __future__ import annotations

from typing import Literal, Protocol, runtime_checkable

import msgspec

from jackfield.errors import JackfieldError
from jackfield.wire.chat import ChatEvent, FinishReason, Request, Response, Usage

Operation = Literal["chat", "embeddings", "count_tokens"]
OPERATIONS: tuple[Operation, ...] = ("chat", "embeddings", "count_tokens")


class Peek(msgspec.Struct, frozen=True):
    """The little that routing and limits need, read without decoding the rest of the body.

    `stream_usage` is whether the client itself asked for usage in the stream (always so where the format always sends
    it). `bound` names a field of which only an upstream of the client's own format can make anything, such as one that
    refers to what the upstream keeps.
    """

    model: str
    stream: bool = False
    stream_usage: bool = False
    bound: str | None = None


class Scan(msgspec.Struct):
    """What a forwarded stream said of itself, filled while its bytes pass; `finished` once the format's end was
    seen."""

    usage: Usage | None = None
    finish_reason: FinishReason | None = None
    finished: bool = False
    error: str | None = None


class Encoded(msgspec.Struct, frozen=True):
    """An encoded body with the names of the fields that the target format has no place for, such as `seed`."""

    body: bytes
    dropped: tuple[str, ...] = ()


class StreamDecoder(Protocol):
    """One stream from an upstream, event by event."""

    faithful: bool
    """Until the stream repeats otherwise what it has told: from then on its bytes say more than its events."""

    def decode(self, event: str, data: bytes) -> tuple[ChatEvent, ...]:
        """The canonical events in one server-sent event; none for a keep-alive. Raises `UpstreamBroken` on nonsense."""


class StreamEncoder(Protocol):
    """One stream to a client. Every event goes through `encode` or `observe`, in order."""

    dropped: set[str]

    def encode(self, event: ChatEvent) -> bytes:
        """Whole server-sent events for one canonical event; may be empty."""

    def observe(self, event: ChatEvent) -> None:
        """Notes an event whose original bytes are forwarded instead, so that later `encode` calls fit the stream."""

    def fail(self, error: JackfieldError) -> bytes:
        """The events that tell a client, in the middle of a stream, that it ends in an error."""


class StreamScanner(Protocol):
    """Follows forwarded bytes, cheaply. `feed` takes whole server-sent events and returns what the client gets of
    them."""

    scan: Scan

    def feed(self, events: bytes) -> bytes: ...

    def fail(self, error: JackfieldError) -> bytes:
        """The events that tell a client that what was forwarded ends in an error."""


@runtime_checkable
class WireFormat(Protocol):
    """One format of one operation. All methods are pure and raise `Malformed` (what a client wrote) or
    `UpstreamBroken` (what an upstream wrote), naming the field."""

    name: str
    operation: Operation
    restates: bool
    """Whether events of a stream repeat what earlier ones said, so that none may follow unchanged once one was
    changed."""

    def answering(self, body: bytes) -> WireFormat:
        """The format for the answer to one request, where answers repeat something of it; else itself. Never raises."""

    def peek(self, body: bytes) -> Peek: ...

    def with_model(self, body: bytes, model: str) -> bytes:
        """The body asking for another model, otherwise unchanged."""

    def with_stream_usage(self, body: bytes) -> bytes:
        """The streaming body made to ask for usage, where the format needs asking."""

    def decode_request(self, body: bytes) -> Request: ...

    def encode_request(self, request: Request) -> Encoded: ...

    def decode_response(self, body: bytes) -> Response: ...

    def encode_response(self, response: Response) -> Encoded: ...

    def usage_of(self, body: bytes) -> tuple[Usage | None, FinishReason | None]:
        """Usage and finish reason of a whole answer, decoding nothing else. Raises `UpstreamBroken` if it is not JSON,
        or is an error in the clothes of a success."""

    def decode_error(self, body: bytes) -> tuple[str, str]:
        """The code and message in an upstream's error body; never raises: what is not understood is quoted,
        shortened."""

    def encode_error(self, error: JackfieldError, request_id: str) -> bytes: ...

    def stream_decoder(self) -> StreamDecoder: ...

    def stream_encoder(self, *, model: str, usage: bool) -> StreamEncoder:
        """`usage` is whether the client asked for it. `model` is what the client is told where the upstream is
        silent."""

    def stream_scanner(self, *, strip_usage: bool) -> StreamScanner:
        """`strip_usage` removes a usage event that only we asked for."""
