"""One socket to an upstream: writes one request at a time, and reads its answer."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from enum import Enum
from typing import Any, Protocol, cast

import httptools

from jackfield.errors import UpstreamBroken, UpstreamError, UpstreamTimeout
from jackfield.transport.messages import Deadlines, Limits, OutgoingRequest
from jackfield.transport.origin import Origin
from jackfield.transport.response import UpstreamResponse
from jackfield.transport.sweep import Sweeper

_SLICE = 128 * 1024
"""Up to here a body is written in one piece with its head; larger ones follow the peer's pace."""
_STALE_S = 2.0
"""A connection that the peer had closed already tells so within a round trip. One that dies later may have died of the
request itself, which then is not for us to repeat."""
_NEVER = float("inf")
_CAPITAL_H = 0x48
_STARTS = (b"HTTP/1.1 ", b"HTTP/1.0 ")
_VERSIONS = ("1.1", "1.0")
_FRAMING = frozenset((b"content-encoding", b"content-length", b"transfer-encoding"))


class Phase(Enum):
    IDLE = 0
    WRITING = 1
    HEAD = 2
    BODY = 3


class Owner(Protocol):
    """The pool that the connection belongs to."""

    def release(self, connection: Connection) -> None:
        """The answer was whole and clean: the connection may serve again."""

    def forget(self, connection: Connection) -> None:
        """The connection is closed."""


class Connection(asyncio.Protocol):
    """Closed with `abort` only: nothing that we leave behind on a socket is worth waiting for."""

    __slots__ = (
        "_answer",
        "_begun",
        "_bodiless",
        "_deadlines",
        "_ended",
        "_framed",
        "_headed",
        "_headers",
        "_held",
        "_keep_alive",
        "_limits",
        "_loop",
        "_moved_at",
        "_now",
        "_overhead",
        "_parser",
        "_phase",
        "_pieces",
        "_reading",
        "_spoken",
        "_sweeper",
        "_transport",
        "_unsent",
        "_whole",
        "_whole_at",
        "_writable",
        "address",
        "closed",
        "due",
        "on_body",
        "origin",
        "owner",
        "used",
    )

    def __init__(self, origin: Origin, limits: Limits, sweeper: Sweeper) -> None:
        # Remembered: on Python 3.11 each look for the running one is a system call.
        self._loop = loop = asyncio.get_running_loop()
        self.origin = origin
        self.address: tuple[str, int] = ("", 0)
        self.closed = False
        self.used = False
        self.due = _NEVER
        self.owner: Owner | None = None
        self._now: Callable[[], float] = loop.time
        self._limits = limits
        self._sweeper = sweeper
        self._transport: asyncio.Transport | None = None
        self._answer: UpstreamResponse | None = None
        self._pieces: list[bytes] = []
        # The parser looks these up once; a body piece goes from C to C.
        self.on_body = self._pieces.append
        self._parser: Any = httptools.HttpResponseParser(self)
        self._deadlines = Deadlines()
        self._phase = Phase.IDLE
        self._whole_at = _NEVER
        self._moved_at = 0.0
        self._headers: list[tuple[bytes, bytes]] = []
        self._unsent: memoryview | None = None
        self._bodiless = False
        self._held = 0
        self._overhead = 0
        self._begun = self._headed = self._framed = self._ended = False
        self._keep_alive = self._whole = self._spoken = False
        self._reading = self._writable = True

    def start(self, head: bytes, request: OutgoingRequest, deadlines: Deadlines, whole_at: float) -> UpstreamResponse:
        """Writes the request, whose head is encoded already."""
        body = request.body
        assert self._transport is not None
        answer = self._answer = UpstreamResponse(self, self.origin, self.address, self._limits, self._loop)
        self._headers = []
        self._held = self._overhead = 0
        self._begun = self._headed = self._framed = self._ended = self._whole = False
        self._bodiless = request.method == "HEAD"
        self._deadlines = deadlines
        self._whole_at = whole_at
        self._moved_at = self._now()
        if len(body) <= _SLICE:
            self._transport.write(head + body)
            self._enter(Phase.HEAD, deadlines.first_byte_s)
        else:
            self._transport.write(head)
            self._unsent = memoryview(body)
            self._enter(Phase.WRITING, deadlines.idle_s)
            self._write_more()
        return answer

    def rest(self) -> None:
        """Waits, in the pool, for the next request."""
        self.used = True
        self._whole_at = _NEVER
        self._enter(Phase.IDLE, self._limits.idle_keepalive_s)

    def shut(self, reason: str) -> None:
        """Ends the exchange that is under way, if there is one, and closes."""
        self._fail(self._broken(reason))

    def abort(self) -> None:
        self._answer = None
        if not self.closed:
            self.closed = True
            if self._transport is not None:
                self._transport.abort()
            if self.owner is not None:
                self.owner.forget(self)

    def on_due(self, now: float) -> None:
        """Bytes move `_moved_at`, not `due`: only an apparently overdue connection is looked at closely."""
        if now >= self._whole_at:
            self._fail(self._time_out(f"not whole within whole_s = {self._deadlines.whole_s:g} s"))
            return
        span, complaint = self._describe_phase()
        if now < self._moved_at + span:
            self.due = min(self._moved_at + span, self._whole_at)
        elif self._answer is None:
            self.abort()
        else:
            self._fail(self._time_out(complaint))

    def abandon(self) -> None:
        """Closes a connection whose opening failed: the loop may not tell us that it is lost."""
        self.abort()
        self._sweeper.discard(self)

    # What a response asks of its connection

    def take(self) -> bytes:
        pieces = self._pieces
        if not pieces:
            return b""
        piece = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        pieces.clear()
        self._held = 0
        if not self._reading:
            self._resume_reading()
        return piece

    def expect_whole(self) -> None:
        self._whole = True
        self._resume_reading()

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        host, port, *_ = transport.get_extra_info("peername") or ("", 0)
        self.address = (host, port)
        if self.closed:
            self._transport.abort()
        else:
            self._sweeper.add(self)

    def data_received(self, data: bytes) -> None:
        answer = self._answer
        if answer is None:
            self.abort()  # an idle connection has nothing to say, and a closed one is not listened to
            return
        if self._headed:
            self._moved_at = self._now()
        elif not self._admit_head(data):
            return
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            if not self._ended:
                self._fail(self._explain(error))
                return
            self._keep_alive = False
        if self._overhead > self._limits.max_header_bytes and self._is_flooded():
            answer.status = 0
            self._fail(self._flood("head"))
        elif self._ended:
            self._settle(answer)
        elif self._headed:
            self._pass_on(answer, len(data))

    def eof_received(self) -> None:
        answer = self._answer
        if answer is None:
            self.abort()
        elif self._headed and not self._framed:
            self._keep_alive = False
            self._settle(answer)
        else:
            self._fail(self._describe_end())

    def connection_lost(self, exc: Exception | None) -> None:
        self._sweeper.discard(self)
        self._transport = None
        self._fail(self._describe_end(exc))
        self._parser = None

    def pause_writing(self) -> None:
        self._writable = False

    def resume_writing(self) -> None:
        self._writable = True
        if self._phase is Phase.WRITING or self._unsent is not None:
            self._moved_at = self._now()
            self._write_more()

    # httptools' parser

    def on_message_begin(self) -> None:
        if self._ended:
            raise httptools.HttpParserError("bytes follow the answer")

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._headed:  # trailers
            self._overhead += len(name) + len(value)
            if self._overhead > self._limits.max_header_bytes:
                raise self._flood("trailers")
            return
        self._headers.append((name.lower(), value.rstrip()))

    def on_headers_complete(self) -> None:
        status = self._parser.get_status_code()
        if status < 200:
            self._skip_interim(status)
            return
        answer = self._answer
        assert answer is not None
        if status > 599 or not (self._spoken or self._parser.get_http_version() in _VERSIONS):
            raise self._broken("its answer is not HTTP/1.1")
        if len(self._headers) > self._limits.max_headers:
            raise self._broken(f"its head has more than max_headers = {self._limits.max_headers} headers")
        answer.headers = tuple(self._headers)
        self._read_framing(answer)
        answer.status = status
        self._headed = True
        if self._bodiless:
            # The parser believes the head's promise of a body: where the next answer begins, it cannot tell.
            self._ended = True
            self._keep_alive = False

    def on_message_complete(self) -> None:
        if self._headed and not self._ended:
            self._ended = True
            self._keep_alive = self._parser.should_keep_alive()

    # The course of an answer

    def _read_framing(self, answer: UpstreamResponse) -> None:
        for name, value in answer.headers:
            if name not in _FRAMING:
                continue
            if name == b"content-encoding":
                known = answer.content_encoding
                answer.content_encoding = known + b"," + value if known else value
            elif name == b"transfer-encoding" and value.lower() != b"chunked":
                raise self._broken("its transfer-encoding is not chunked")
            else:
                self._framed = True

    def _skip_interim(self, status: int) -> None:
        if status < 100 or status == 101:
            raise self._broken(f"it answered with status {status}, which was not asked for")
        self._headers = []
        self._spoken = False

    def _admit_head(self, data: bytes) -> bool:
        if not self._begun:
            self._begun = True
            self._spoken = data.startswith(_STARTS)
            if data[0] != _CAPITAL_H:
                self._fail(self._broken("its answer is not HTTP/1.1"))
                return False
        self._overhead += len(data)
        return True

    def _is_flooded(self) -> bool:
        """Bytes that came together with the head's last line may belong to the body."""
        if not self._headed:
            return True
        self._overhead = sum(len(name) + len(value) + 4 for name, value in self._headers)
        return self._overhead > self._limits.max_header_bytes

    def _pass_on(self, answer: UpstreamResponse, size: int) -> None:
        if self._phase is not Phase.BODY:
            self._enter(Phase.BODY, self._deadlines.idle_s)
        if self._pieces:
            self._overhead = 0
            self._held += size
            if self._whole:
                self._bound_body()
                return
            if self._held > self._limits.max_buffered_bytes and self._reading:
                self._pause_reading()
        else:
            # The head alone is news; chunk extensions and trailers without end are an attack.
            self._overhead += size
            if self._overhead > 2 * self._limits.max_header_bytes:
                self._fail(self._flood("framing"))
        answer.wake()

    def _bound_body(self) -> None:
        limit = self._limits.max_body_bytes
        if self._held > limit + self._limits.max_buffered_bytes:
            self._fail(self._broken(f"the answer is larger than max_body_bytes = {limit}"))

    def _settle(self, answer: UpstreamResponse) -> None:
        self._answer = None
        clean = self._keep_alive and self._unsent is None and self._writable and not self.closed
        if not self._reading:
            self._resume_reading()
        answer.end(self._drain(), None)
        if clean and self.owner is not None:
            self.owner.release(self)
        else:
            self.abort()

    def _fail(self, fault: UpstreamError) -> None:
        answer, self._answer = self._answer, None
        if answer is not None:
            answer.stale = self._is_stale() and isinstance(fault, UpstreamBroken)
            answer.end(self._drain(), fault)
        self.abort()

    def _is_stale(self) -> bool:
        return self.used and not self._begun and self._now() - self._moved_at < _STALE_S

    def _drain(self) -> bytes:
        if self._bodiless:
            self._pieces.clear()
        return self.take()

    def _write_more(self) -> None:
        assert self._transport is not None
        while self._unsent is not None and self._writable and not self.closed:
            part, self._unsent = self._unsent[:_SLICE], self._unsent[_SLICE:]
            self._transport.write(part)
            if not self._unsent:
                self._unsent = None
        if self._unsent is None and self._writable and self._phase is Phase.WRITING:
            self._enter(Phase.HEAD, self._deadlines.first_byte_s)

    def _pause_reading(self) -> None:
        if self._transport is not None:
            self._reading = False
            self._transport.pause_reading()

    def _resume_reading(self) -> None:
        if not self._reading and self._transport is not None:
            self._reading = True
            self._moved_at = self._now()
            if not self.closed:
                self._transport.resume_reading()

    # Deadlines and complaints

    def _enter(self, phase: Phase, span: float) -> None:
        self._phase = phase
        self._moved_at = now = self._now()
        due = now + span
        self.due = due = due if due < self._whole_at else self._whole_at
        if due < self._sweeper.next_at:
            self._sweeper.expect(due)

    def _describe_phase(self) -> tuple[float, str]:
        deadlines = self._deadlines
        if self._phase is Phase.HEAD:
            span = deadlines.first_byte_s
            return span, f"no answer within first_byte_s = {span:g} s"
        if self._phase is Phase.IDLE:
            return self._limits.idle_keepalive_s, ""
        span = deadlines.idle_s
        what = "the request was not taken" if self._phase is Phase.WRITING else "the body did not move"
        return span, f"{what} for idle_s = {span:g} s"

    def _time_out(self, complaint: str) -> UpstreamTimeout:
        return UpstreamTimeout(f"{self.origin}: {complaint}")

    def _broken(self, complaint: str) -> UpstreamBroken:
        return UpstreamBroken(f"{self.origin}: {complaint}")

    def _flood(self, what: str) -> UpstreamBroken:
        return self._broken(f"its {what} is larger than max_header_bytes = {self._limits.max_header_bytes}")

    def _explain(self, error: httptools.HttpParserError) -> UpstreamError:
        if isinstance(error.__context__, UpstreamError):
            return error.__context__
        return self._broken(f"its answer is not HTTP/1.1: {error}")

    def _describe_end(self, exc: Exception | None = None) -> UpstreamBroken:
        if self._headed:
            where = "before the end of the body"
        else:
            where = "within the head of its answer" if self._begun else "without an answer"
        return self._broken(f"the connection closed {where}{f' ({exc})' if exc else ''}")
