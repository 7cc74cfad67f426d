"""One request being answered: what an answer may do with it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from http import HTTPStatus

from jackfield.testing.connection import Connection
from jackfield.testing.received import Received
from jackfield.testing.replies import Asked, Reply, derive_reply
from jackfield.testing.speech import Json, Speech

BODY_PIECES = 8
JSON = "application/json"
EVENTS = "text/event-stream; charset=utf-8"


@dataclass(eq=False, kw_only=True)
class Turn:
    request: Received
    connection: Connection
    speech: Speech
    asked: Asked
    chunked: bool = field(init=False)

    def __post_init__(self) -> None:
        self.chunked = self.asked.stream

    async def send(
        self,
        status: int,
        body: bytes | Json,
        *,
        content_type: str = JSON,
        headers: Iterable[tuple[str, str]] = (),
        length: int | None = None,
    ) -> None:
        """A whole answer. `length` is what is declared, where it is to be a lie."""
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        framing = ("content-length", str(len(data) if length is None else length))
        await self.connection.write(self._head(status, content_type, framing, headers) + data)

    async def reply(self, reply: Reply | None = None) -> None:
        await self.begin(reply)
        await self.send_pieces(self.pieces(reply))
        await self.end()

    def whole(self, reply: Reply | None = None) -> bytes:
        reply = reply or derive_reply(self.asked)
        return json.dumps(self.speech.whole(self.asked, reply, self.request.number)).encode()

    def pieces(self, reply: Reply | None = None) -> list[bytes]:
        """The events of a stream without its end; where no stream was asked for, the body in eight pieces."""
        if self.asked.stream:
            return self.speech.events(self.asked, reply or derive_reply(self.asked), self.request.number)
        body = self.whole(reply)
        step = -(-len(body) // BODY_PIECES)
        return [body[start : start + step] for start in range(0, len(body), step)]

    async def begin(self, reply: Reply | None = None) -> None:
        """The head: of a chunked stream, or of a body of the reply's length."""
        length = ("content-length", str(len(self.whole(reply))))
        framing = ("transfer-encoding", "chunked") if self.chunked else length
        kind = EVENTS if self.asked.stream else JSON
        await self.connection.write(self._head(200, kind, framing, ()))

    async def send_pieces(self, pieces: Iterable[bytes]) -> None:
        for piece in pieces:
            await self.connection.write(frame_chunk(piece) if self.chunked else piece)

    async def end(self) -> None:
        """The event that ends the stream and the end of its body; nothing where no stream was asked for."""
        if self.asked.stream:
            await self.connection.write(frame_chunk(self.speech.end()) + frame_chunk(b""))

    async def hang(self) -> None:
        """Until the peer leaves, which cancels this."""
        await asyncio.shield(self.connection.closed)

    def _head(
        self, status: int, content_type: str, framing: tuple[str, str], headers: Iterable[tuple[str, str]]
    ) -> bytes:
        request_id = f"req_upstream_{self.request.number}"
        fields = [("content-type", content_type), ("x-request-id", request_id), ("request-id", request_id)]
        lines = "".join(f"{n}: {v}\r\n" for n, v in [*fields, *self.speech.headers, *headers, framing])
        return f"HTTP/1.1 {status} {describe_status(status)}\r\n{lines}\r\n".encode("latin-1")


def describe_status(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Overloaded" if status == 529 else "Unknown"


def frame_chunk(data: bytes) -> bytes:
    return f"{len(data):x}\r\n".encode() + data + b"\r\n"
