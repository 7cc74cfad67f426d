"""What is kept of a stream while it passes, for hooks that see it whole at its end: no more than `HELD_BYTES`.

A stream beyond that goes on to its client as it would have; its hooks are told of an error in place of its answer, for
half an answer would pass for a whole one.
"""

from __future__ import annotations

from jackfield.wire.base import WireFormat
from jackfield.wire.chat import ChatEvent, ErrorResponse, OpaqueEvent, Response, ThinkingDelta
from jackfield.wire.collect import StreamCollector
from jackfield.wire.sse import EventReader

HELD_BYTES = 32 * 1024 * 1024
EVENT_BYTES = 64


class KeptBytes:
    """A stream as it came; decoded only at its end."""

    __slots__ = ("_format", "_pieces", "_size")

    def __init__(self, format: WireFormat) -> None:  # noqa: A002 - the word of the field
        self._format = format
        self._pieces: list[bytes] = []
        self._size = 0

    def add(self, piece: bytes) -> None:
        self._size += len(piece)
        if self._size > HELD_BYTES:
            self._pieces.clear()
        else:
            self._pieces.append(piece)

    def response(self) -> Response:
        if self._size > HELD_BYTES:
            return too_long()
        decoder, collector = self._format.stream_decoder(), StreamCollector()
        for event in EventReader().feed(b"".join(self._pieces)):
            for canonical in decoder.decode(event.event, event.data):
                collector.add(canonical)
        return collector.response()


class KeptEvents:
    """A stream as its client was sent it, folded as it passes."""

    __slots__ = ("_collector", "_size")

    def __init__(self) -> None:
        self._collector: StreamCollector | None = StreamCollector()
        self._size = 0

    def add(self, event: ChatEvent) -> None:
        if self._collector is None:
            return
        self._size += weigh(event)
        if self._size > HELD_BYTES:
            self._collector = None
        else:
            self._collector.add(event)

    def response(self) -> Response:
        return too_long() if self._collector is None else self._collector.response()


def weigh(event: ChatEvent) -> int:
    """About how many bytes an event takes while it is held."""
    if type(event) is OpaqueEvent:
        return EVENT_BYTES + len(bytes(event.raw))
    text = getattr(event, "text", None) or getattr(event, "arguments", None) or ""
    if type(event) is ThinkingDelta:
        return EVENT_BYTES + len(text) + len(event.signature or "") + len(event.redacted or "")
    return EVENT_BYTES + len(text)


def too_long() -> ErrorResponse:
    return ErrorResponse(
        status=502,
        code="answer_too_long",
        message=f"The stream was longer than the {HELD_BYTES} bytes that are kept for a plugin",
    )
