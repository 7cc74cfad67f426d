"""Following a stream that is forwarded as it is."""

from __future__ import annotations

import re

import msgspec
from msgspec import Raw

from jackfield.errors import JackfieldError, Malformed
from jackfield.wire.base import Scan
from jackfield.wire.json import NULL, reader
from jackfield.wire.openai_chat.responses import finish_reason_of
from jackfield.wire.openai_errors import decode_error, encode_error, is_error, is_error_object
from jackfield.wire.openai_usage import Counts
from jackfield.wire.sse import SseEvent, parse_event, split_events


class _Choice(msgspec.Struct):
    finish_reason: str | None = None


class _Outline(msgspec.Struct):
    choices: list[_Choice] | None = None
    usage: Counts | None = None
    error: Raw = NULL
    object: Raw = NULL


_read_outline = reader(_Outline)

_FINISH = re.compile(rb'"finish_reason"\s*:(?!\s*null)')
_USAGE = re.compile(rb'"usage"\s*:(?!\s*null)')
_TAIL = 64  # where the last event of a stream is looked for: little comes after it
_LARGE = 4096
_MARKS = (
    b'"finish_reason":"',
    b'"finish_reason": "',
    b'"usage":{',
    b'"usage": {',
    b'"error"',
    b"event: error",
    b"[DONE]",
)


class OpenAIChatScanner:
    """Reads only the events that end something: almost every read is a few searches in bytes.

    A finish reason counts as the end, as some servers send no `[DONE]`.
    """

    def __init__(self, *, strip_usage: bool) -> None:
        self.scan = Scan()
        self._strip_usage = strip_usage

    def feed(self, events: bytes) -> bytes:
        start = _start_of_interest(events)
        return events[:start] + self._read_all(events[start:]) if start else self._read_all(events)

    def fail(self, error: JackfieldError) -> bytes:
        return b"data: " + encode_error(error) + b"\n\n"

    def _read_all(self, events: bytes) -> bytes:
        if not _says_more(events):
            return events
        kept = [raw for raw in split_events(events) if not (_says_more(raw) and self._read(parse_event(raw)))]
        return b"".join(kept)

    def _read(self, event: SseEvent) -> bool:
        """Notes what an event says. True for a report of usage alone that the client did not ask for."""
        data = event.data.strip()
        if data == b"[DONE]":
            self.scan.finished = True
            return False
        try:
            outline: _Outline = _read_outline(Raw(data), "")
        except Malformed as error:
            self.scan.error = error.message
            return False
        if event.event == "error" or is_error(outline.error) or is_error_object(outline.object):
            self.scan.error = ": ".join(decode_error(data))
            return False
        for choice in outline.choices or ():
            if choice.finish_reason:
                self.scan.finish_reason = finish_reason_of(choice.finish_reason)
                self.scan.finished = True
        if outline.usage is not None:
            self.scan.usage = outline.usage.usage()
        return self._strip_usage and outline.usage is not None and not outline.choices


def _start_of_interest(events: bytes) -> int:
    """Where the first event begins that may say more. In a large read literal searches, from the end since they mostly
    miss, are far quicker than patterns; spellings they do not know are looked for in its last events only."""
    if len(events) < _LARGE or b"\r" in events:
        return 0
    found = [events.find(mark) for mark in _MARKS if events.rfind(mark) >= 0]
    before = events.rfind(b"\n\n", 0, min(found, default=len(events) - _LARGE))
    return before + 2 if before >= 0 else 0


def _says_more(events: bytes) -> bool:
    """Whether a finish reason, usage, an error or the end may stand in the bytes."""
    return (
        _FINISH.search(events) is not None
        or _USAGE.search(events) is not None
        or b'"error"' in events
        or b"event: error" in events
        or b"[DONE]" in events[-_TAIL:]
    )
