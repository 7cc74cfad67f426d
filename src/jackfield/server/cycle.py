"""One request and its answer on a connection: ASGI on one side, bytes on the other.

What a short exchange costs besides its work is made here: so the head of an answer leaves together with what follows
it, names of headers are checked once and remembered, and nothing is waited for that is there already.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Iterable
from http import HTTPStatus

import structlog
from uvicorn.protocols.http.flow_control import HIGH_WATER_LIMIT, FlowControl

from jackfield.server.asgi import Asgi, Message, Scope, encode_fault

_TOKEN = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_MOST_NAMES = 1024
# Up to so many bytes copying is quicker than a system call that gathers.
_JOINED = 16 * 1024
_FRAMING = frozenset((b"content-length: ", b"transfer-encoding: ", b"connection: "))
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
_NO_BODY = frozenset({204, 304})

log = structlog.get_logger("jackfield.server")


def _status_line(status: int) -> bytes:
    try:
        phrase = HTTPStatus(status).phrase
    except ValueError:
        phrase = ""
    return f"HTTP/1.1 {status} {phrase}\r\n".encode()


_LINES = {status: _status_line(status) for status in range(100, 600)}
_names: dict[bytes, bytes] = {}


class Cycle:
    """`disconnected` is set, and `wake` called, by the connection when the client is gone. `on_end` is called once the
    answer is whole."""

    __slots__ = (
        "_body",
        "_chunked",
        "_expects_continue",
        "_head",
        "_left",
        "_loop",
        "_on_end",
        "_ready",
        "_size",
        "_waiter",
        "disconnected",
        "flow",
        "keep_alive",
        "more_body",
        "response_complete",
        "response_started",
        "scope",
        "task",
        "transport",
    )

    def __init__(
        self,
        scope: Scope,
        transport: asyncio.Transport,
        flow: FlowControl,
        loop: asyncio.AbstractEventLoop,
        on_end: Callable[[], None],
        *,
        expects_continue: bool,
        keep_alive: bool,
    ) -> None:
        self.scope, self.transport, self.flow = scope, transport, flow
        self._loop, self._on_end = loop, on_end
        self._expects_continue, self.keep_alive = expects_continue, keep_alive
        self.disconnected = self.response_started = self.response_complete = False
        self.more_body = True
        self.task: asyncio.Task[None] | None = None
        self._body: list[bytes] = []
        self._size = 0
        # Something is there that `receive` has not told yet.
        self._ready = False
        self._waiter: asyncio.Future[None] | None = None
        self._head: bytes | None = None
        self._chunked = False
        self._left = 0

    def feed(self, body: bytes) -> None:
        self._body.append(body)
        self._size += len(body)
        if self._size > HIGH_WATER_LIMIT:
            self.flow.pause_reading()
        self.wake()

    def end_body(self) -> None:
        self.more_body = False
        self.wake()

    def wake(self) -> None:
        self._ready = True
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def run(self, app: Asgi, tasks: set[asyncio.Task[None]]) -> None:
        """A boundary: what an application raises ends its own connection, and is reported. `tasks` are those under way,
        which this one leaves at its end."""
        try:
            try:
                await app(self.scope, self.receive, self.send)
            except BaseException:  # a boundary: reported whole to the log, a task has nobody else to tell
                log.exception("application_failed")
            if not (self.response_complete or self.disconnected):
                await self._end_early()
        finally:
            if self.task is not None:
                tasks.discard(self.task)
                self.task = None

    async def _end_early(self) -> None:
        if self.response_started:
            self.transport.close()
            return
        status, headers, body = encode_fault()
        self.keep_alive = False
        await self.send({"type": "http.response.start", "status": status, "headers": headers})
        await self.send({"type": "http.response.body", "body": body})

    async def receive(self) -> Message:
        if self._expects_continue and not self.transport.is_closing():
            self._expects_continue = False
            self.transport.write(_CONTINUE)
        if not (self._ready or self.disconnected or self.response_complete):
            self.flow.resume_reading()
            self._waiter = self._loop.create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None
        if self.disconnected or self.response_complete:
            return {"type": "http.disconnect"}
        self._ready = False
        pieces, self._body, self._size = self._body, [], 0
        self.flow.resume_reading()
        body = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        return {"type": "http.request", "body": body, "more_body": self.more_body}

    async def send(self, message: Message) -> None:
        if self.flow.write_paused and not self.disconnected:
            await self.flow.drain()
        if self.disconnected:
            return
        if self.response_started:
            self._send_body(message)
        else:
            self._send_head(message)

    def _send_head(self, message: Message) -> None:
        if message["type"] != "http.response.start":
            raise RuntimeError(f"an answer begins with http.response.start, not {message['type']}")
        self.response_started = True
        self._expects_continue = False
        status = message["status"]
        lines, length = self._lines(_LINES[status], message.get("headers", ()))
        if length is not None:
            self._left = length
        elif status not in _NO_BODY and self.scope["method"] != "HEAD":
            self._chunked = True
            lines += b"transfer-encoding: chunked\r\n"
        if not self.keep_alive:
            lines += b"connection: close\r\n"
        self._head = lines + b"\r\n"
        if length is None:
            self._loop.call_soon(self.flush)

    def _lines(self, status: bytes, headers: Iterable[tuple[bytes, bytes]]) -> tuple[bytes, int | None]:
        """The head without its end, and the length that it announces. Framing is this class's own: what the
        application says of it is not sent on, but for the length."""
        length: int | None = None
        parts = [status]
        for name, value in headers:
            known = _names.get(name)
            if known is None:
                known = _know(name)
                if known == b"content-length: ":
                    length = int(value)
                elif known == b"transfer-encoding: ":
                    continue
                elif known == b"connection: ":
                    self.keep_alive = self.keep_alive and b"close" not in value.lower()
                    continue
            parts += (known, value, b"\r\n")
        lines = b"".join(parts)
        breaks = len(parts) // 3 + 1
        if lines.count(b"\n") != breaks or lines.count(b"\r") != breaks or b"\0" in lines:
            raise RuntimeError("the value of a header must not contain line breaks or NUL")
        return lines, length

    def _send_body(self, message: Message) -> None:
        if message["type"] != "http.response.body" or self.response_complete:
            raise RuntimeError(f"{message['type']} where a whole answer was sent or its body was due")
        body = message.get("body", b"")
        more = message.get("more_body", False)
        if self.scope["method"] == "HEAD":
            self._left, body = 0, b""
        elif self._chunked:
            body = b"".join((b"%x\r\n" % len(body), body, b"\r\n")) if body else b""
            if not more:
                body += b"0\r\n\r\n"
        else:
            self._left -= len(body)
            if self._left < 0 or (self._left and not more):
                raise RuntimeError("the body is not as long as was announced")
        self._write(body)
        if not more:
            self._end()

    def _write(self, body: bytes) -> None:
        head = self._head
        if head is None:
            if body:
                self.transport.write(body)
            return
        self._head = None
        if len(body) <= _JOINED:
            self.transport.write(head + body)
        else:
            self.transport.writelines((head, body))

    def flush(self) -> None:
        """Sends a head that nothing has followed yet."""
        if self._head is not None and not self.disconnected:
            self._write(b"")

    def _end(self) -> None:
        self.response_complete = True
        self.wake()
        if not self.keep_alive:
            self.transport.close()
        self._on_end()


def _know(name: bytes) -> bytes:
    """How a header's name is written; remembered unless it means something to us. Raises `RuntimeError` for one that is
    none."""
    if name == b"content-length":
        return b"content-length: "
    if not _TOKEN.fullmatch(name):
        raise RuntimeError(f"{name!r:.100} is not the name of a header")
    known = name.lower() + b": "
    if known not in _FRAMING and len(_names) < _MOST_NAMES:
        _names[name] = known
    return known
