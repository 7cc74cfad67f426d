"""What an upstream gave, before the response phases; and what the client gets, after them."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable

from jackfield.sdk.context import Head
from jackfield.sdk.outcomes import Headers
from jackfield.transport.response import UpstreamResponse
from jackfield.wire.base import StreamScanner, WireFormat
from jackfield.wire.chat import ChatEvent, Response


class Whole:
    """A whole answer: either `body` in `format`, or a canonical `response`."""

    __slots__ = ("body", "format", "headers", "response")

    def __init__(
        self,
        *,
        body: bytes = b"",
        format: WireFormat | None = None,  # noqa: A002 - the word of the field
        response: Response | None = None,
        headers: Headers = (),
    ) -> None:
        self.body, self.format, self.response, self.headers = body, format, response, headers


class ByteFlow:
    """A stream over HTTP whose first whole events (`first`) have come; `passed` is what a client of the same format
    gets of them, `rest` what came after them."""

    __slots__ = ("first", "format", "headers", "passed", "pieces", "response", "rest", "scanner")

    def __init__(self, response: UpstreamResponse, format: WireFormat, scanner: StreamScanner) -> None:  # noqa: A002
        self.response, self.format, self.scanner = response, format, scanner
        self.pieces: AsyncIterator[bytes] = response.chunks()
        self.first = self.passed = self.rest = b""
        self.headers: Headers = ()


class EventFlow:
    """A stream of canonical events from a provider in process, whose first event has come."""

    __slots__ = ("events", "first")

    def __init__(self, first: ChatEvent | None, events: AsyncGenerator[ChatEvent, None]) -> None:
        self.first, self.events = first, events


Got = Whole | ByteFlow | EventFlow


class Answer:
    """What the client gets: `body`, or `pieces` of a stream. `close` ends a stream wherever it is, also before its
    start."""

    __slots__ = ("_release", "body", "head", "pieces")

    def __init__(
        self,
        head: Head,
        body: bytes = b"",
        pieces: AsyncGenerator[bytes, None] | None = None,
        release: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        self.head, self.body, self.pieces, self._release = head, body, pieces, release

    async def close(self) -> None:
        if self.pieces is not None:
            await self.pieces.aclose()
        if self._release is not None:
            await self._release()
