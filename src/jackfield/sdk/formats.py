"""Wire formats that a plugin adds: one translator between a format and the canonical form, and clients and upstreams of
that format reach all others.

`ChatFormat` asks for the translations alone; a plugin may as well list anything that is a `WireFormat`.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from typing import Any, ClassVar, TypeVar

import msgspec

from jackfield.errors import JackfieldError, Malformed, UpstreamBroken
from jackfield.wire.base import (
    OPERATIONS,
    Encoded,
    Operation,
    Peek,
    Scan,
    StreamDecoder,
    StreamEncoder,
    StreamScanner,
    WireFormat,
)
from jackfield.wire.chat import (
    ChatEvent,
    ChatRequest,
    ChatResponse,
    Choice,
    ErrorResponse,
    Finish,
    FinishReason,
    Message,
    Request,
    Response,
    StreamEnd,
    StreamFailure,
    Usage,
    UsageReport,
)
from jackfield.wire.json import encode, read_document
from jackfield.wire.openai_family import share_fields
from jackfield.wire.sse import EventReader, write_event

Body = dict[str, Any]
# What one event of a stream says, and what is told of one; either may remember what came before.
ReadEvent = Callable[[str, bytes], Iterable[ChatEvent]]
WriteEvent = Callable[[ChatEvent], Iterable[bytes]]

T = TypeVar("T")

_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")
_PATH = re.compile(r"/v1(/[a-z0-9_-][a-z0-9._-]*)+")
_WRONG = (KeyError, TypeError, ValueError, AttributeError, IndexError)


class FormatSpec(msgspec.Struct, frozen=True, kw_only=True):
    """Clients speak `format` at `path`, below `/v1/`; without a path only upstreams do. `upstream_path` is where an
    upstream of this format takes it, after the upstream's base URL."""

    format: WireFormat
    path: str | None = None
    upstream_path: str = ""

    def __post_init__(self) -> None:
        name = getattr(self.format, "name", None)
        if isinstance(self.format, type):
            raise TypeError(f"wire_formats: {self.format.__name__} is a class: list an instance of it")
        if not isinstance(self.format, WireFormat):
            raise TypeError(f"wire_formats: {type(self.format).__name__} is no WireFormat")
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            raise ValueError(f"a format's name is in lower case, with digits and _: not {name!r:.100}")
        if self.format.operation not in (("chat",) if isinstance(self.format, ChatFormat) else OPERATIONS):
            raise ValueError(f"format {name}: its operation cannot be {self.format.operation!r:.100}")
        if self.path is not None and not _PATH.fullmatch(self.path):
            raise ValueError(f"format {name}: a path is below /v1/, in lower case: not {self.path!r:.100}")
        if self.upstream_path and not self.upstream_path.startswith("/"):
            raise ValueError(f"format {name}: upstream_path begins with /: not {self.upstream_path!r:.100}")


def formats_of(plugin: object) -> tuple[FormatSpec, ...]:
    """Those that an instance lists in `wire_formats`. Raises `TypeError` for what is none."""
    given = getattr(plugin, "wire_formats", ())
    if not isinstance(given, Iterable):
        raise TypeError(f"wire_formats: {type(given).__name__} is no list of FormatSpec")
    listed = tuple(given)
    for spec in listed:
        if not isinstance(spec, FormatSpec):
            raise TypeError(f"wire_formats: {type(spec).__name__} is no FormatSpec")
    return listed


class ChatFormat(ABC):
    """A format of conversations over JSON and server-sent events.

    What a client or upstream wrote wrongly may be met by any `KeyError`, `TypeError` or `ValueError`: the client is
    told that its body is not understood, or that its upstream is broken. `Malformed` says more.
    """

    name: str = ""
    operation: Operation = "chat"
    restates: bool = False
    # The type of the event that tells of an error in the middle of a stream; `None` for one without a type.
    error_event: ClassVar[str | None] = "error"

    @abstractmethod
    def read_request(self, body: Body) -> ChatRequest:
        """Give it `format=self.name`. Fields without a canonical meaning go to `extra`, by name and encoded."""

    @abstractmethod
    def write_request(self, request: ChatRequest, drop: Callable[[str], None]) -> Body:
        """`drop` takes the name of each field that has no place. Those in `extra` of another format are dropped
        already, and of its own are for this to put back."""

    @abstractmethod
    def read_response(self, body: Body) -> ChatResponse: ...

    @abstractmethod
    def write_response(self, response: ChatResponse, drop: Callable[[str], None]) -> Body: ...

    @abstractmethod
    def read_events(self) -> ReadEvent:
        """For one stream: takes the type (empty where there is none) and the data of an event."""

    @abstractmethod
    def write_events(self, model: str) -> WriteEvent:
        """For one stream: gives whole events, as `write_event` makes them. `model` is what the client asked for."""

    @abstractmethod
    def read_error(self, body: Body) -> tuple[str, str]:
        """The code and message of an upstream's error."""

    @abstractmethod
    def write_error(self, status: int, code: str, message: str) -> Body: ...

    def answering(self, body: bytes) -> WireFormat:
        return self

    def peek(self, body: bytes) -> Peek:
        request = self.decode_request(body)
        return Peek(model=request.model, stream=request.stream, stream_usage=True)

    def with_model(self, body: bytes, model: str) -> bytes:
        return self.encode_request(msgspec.structs.replace(self.decode_request(body), model=model)).body

    def with_stream_usage(self, body: bytes) -> bytes:
        return body

    def decode_request(self, body: bytes) -> ChatRequest:
        try:
            return _as_told(self.read_request(read_plain(body)), ChatRequest, _read_request)
        except _WRONG as error:
            raise Malformed(f"the body is not as the format {self.name} has it: {_told(error)}") from error

    def encode_request(self, request: Request) -> Encoded:
        if not isinstance(request, ChatRequest):
            raise TypeError(f"{type(request).__name__} is no conversation")
        _, rest = share_fields(request, self.name)
        dropped = set() if request.format == self.name else set(rest)
        return Encoded(encode(self.write_request(request, dropped.add)), tuple(sorted(dropped)))

    def decode_response(self, body: bytes) -> ChatResponse:
        try:
            return _as_told(self.read_response(read_plain(body)), ChatResponse, _read_response)
        except (Malformed, *_WRONG) as error:
            raise UpstreamBroken(f"the upstream's answer is not understood: {_told(error)}") from error

    def encode_response(self, response: Response) -> Encoded:
        if isinstance(response, ErrorResponse):
            return Encoded(encode(self.write_error(response.status, response.code, response.message)))
        if not isinstance(response, ChatResponse):
            raise TypeError(f"{type(response).__name__} is no answer to a conversation")
        dropped = set() if response.format == self.name else set(response.extra)
        if len(response.choices) > 1:
            dropped.add("choices[1:]")
        if not response.choices:
            nothing = Choice(message=Message(role="assistant", parts=()))
            response = msgspec.structs.replace(response, choices=(nothing,))
        return Encoded(encode(self.write_response(response, dropped.add)), tuple(sorted(dropped)))

    def usage_of(self, body: bytes) -> tuple[Usage | None, FinishReason | None]:
        response = self.decode_response(body)
        return response.usage, response.choices[0].finish_reason if response.choices else None

    def decode_error(self, body: bytes) -> tuple[str, str]:
        try:
            code, message = self.read_error(read_plain(body))
        except (Malformed, *_WRONG):
            return "upstream_error", body[:500].decode("utf-8", "replace")
        return str(code), str(message)

    def encode_error(self, error: JackfieldError, request_id: str) -> bytes:
        return encode(self.write_error(error.status, error.code, error.message))

    def stream_decoder(self) -> StreamDecoder:
        return _Decoder(self.read_events())

    def stream_encoder(self, *, model: str, usage: bool) -> StreamEncoder:
        return _Encoder(self, self.write_events(model))

    def stream_scanner(self, *, strip_usage: bool) -> StreamScanner:
        return _Scanner(self)

    def write_failure(self, error: JackfieldError) -> bytes:
        return write_event(self.encode_error(error, ""), self.error_event)


class _Decoder:
    faithful = True

    def __init__(self, read: ReadEvent) -> None:
        self._read = read

    def decode(self, event: str, data: bytes) -> tuple[ChatEvent, ...]:
        try:
            return tuple(_as_told(told, ChatEvent, _read_event) for told in self._read(event, data))
        except (Malformed, *_WRONG) as error:
            raise UpstreamBroken(f"the upstream's stream is not understood: {_told(error)}") from error


class _Encoder:
    def __init__(self, format_: ChatFormat, write: WriteEvent) -> None:
        self.dropped: set[str] = set()
        self._format, self._write = format_, write
        self._ended = False

    def encode(self, event: ChatEvent) -> bytes:
        if self._ended:
            return b""
        if getattr(event, "choice", 0):
            self.dropped.add("choices[1:]")
            return b""
        self._ended = isinstance(event, StreamEnd | StreamFailure)
        return b"".join(self._write(event))

    def observe(self, event: ChatEvent) -> None:
        self.encode(event)

    def fail(self, error: JackfieldError) -> bytes:
        if self._ended:
            return b""
        self._ended = True
        return self._format.write_failure(error)


class _Scanner:
    """Reads what passes, since nothing says how to find the end more cheaply."""

    def __init__(self, format_: ChatFormat) -> None:
        self.scan = Scan()
        self._format, self._decoder = format_, format_.stream_decoder()
        self._reader = EventReader()

    def feed(self, events: bytes) -> bytes:
        try:
            for event in self._reader.feed(events):
                for told in self._decoder.decode(event.event, event.data):
                    self._note(told)
        except UpstreamBroken as error:
            self.scan.error = error.message
        return events

    def fail(self, error: JackfieldError) -> bytes:
        return self._format.write_failure(error)

    def _note(self, event: ChatEvent) -> None:
        scan = self.scan
        if isinstance(event, UsageReport):
            scan.usage = event.usage
        elif isinstance(event, Finish):
            scan.finish_reason = event.reason
        elif isinstance(event, StreamEnd):
            scan.finished = True
        elif isinstance(event, StreamFailure):
            scan.error = event.message


def read_plain(body: bytes) -> Body:
    """A body as plain values. Raises `Malformed` for what is no JSON object, or names something twice."""
    read_document(body)
    plain: Body = msgspec.json.decode(body)
    return plain


_write_canonical = msgspec.json.Encoder(enc_hook=dict).encode
_read_request: Callable[[bytes], ChatRequest] = msgspec.json.Decoder(ChatRequest).decode
_read_response: Callable[[bytes], ChatResponse] = msgspec.json.Decoder(ChatResponse).decode
_read_event: Callable[[bytes], ChatEvent] = msgspec.json.Decoder(ChatEvent).decode


def _as_told(told: Any, kind: Any, read: Callable[[bytes], T]) -> T:
    """A canonical value with each field of the type that it has in the canonical form: a translation that takes over
    what a body says need not look at it. Raises `ValueError`, and `RuntimeError` for what comes from nobody
    outside."""
    if not isinstance(told, kind):
        raise RuntimeError(f"a translation gave {type(told).__name__}, which is no canonical value of this kind")
    try:
        written = _write_canonical(told)
    except (TypeError, ValueError) as error:
        raise RuntimeError(
            f"a translation gave a {type(told).__name__} that holds what no body has: {error}"
        ) from error
    try:
        return read(written)
    except msgspec.DecodeError as error:
        raise ValueError(str(error)) from error


def _told(error: Exception) -> str:
    if isinstance(error, JackfieldError):
        return error.message
    return f"{error.args[0]!r} is missing" if isinstance(error, KeyError) and error.args else str(error)[:200]
