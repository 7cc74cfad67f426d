"""Following a forwarded stream: only the few events that end it, or may be errors, are decoded."""

from __future__ import annotations

import re

from jackfield.errors import JackfieldError, UpstreamBroken
from jackfield.wire.base import Scan
from jackfield.wire.chat import ChatEvent, Finish, StreamEnd, StreamFailure, UsageReport
from jackfield.wire.openai_responses.stream_decoder import OpenAIResponsesDecoder
from jackfield.wire.openai_responses.stream_encoder import write_failure
from jackfield.wire.sse import parse_event, split_events

_MARKS = (b"response.completed", b"response.incomplete", b"response.failed", b"response.cancelled", b"[DONE]")
_ERROR = b'"error"'
_NUMBER = re.compile(rb'"sequence_number"\s*:\s*(\d{1,15})')
# A running answer says that it has no error yet.
_NO_ERROR = re.compile(rb'"error"\s*:\s*null')


class OpenAIResponsesScanner:
    """The usage is always in the last event, so there is none to strip."""

    def __init__(self) -> None:
        self.scan = Scan()
        self._latest = b""

    def fail(self, error: JackfieldError) -> bytes:
        """Numbered after the last event that went out."""
        numbers = _NUMBER.findall(self._latest)
        return write_failure(error, int(numbers[-1]) + 1 if numbers else 0)

    def feed(self, events: bytes) -> bytes:
        self._latest = events
        if _ERROR in events or any(mark in events for mark in _MARKS):
            for raw in split_events(events):
                if _says_more(raw):
                    self._read(raw)
        return events

    def _read(self, raw: bytes) -> None:
        event = parse_event(raw)
        try:
            for told in OpenAIResponsesDecoder().decode(event.event, event.data):
                self._note(told)
        except UpstreamBroken as error:
            self.scan.error = error.message

    def _note(self, event: ChatEvent) -> None:
        scan = self.scan
        if isinstance(event, UsageReport):
            scan.usage = event.usage
        elif isinstance(event, Finish):
            scan.finish_reason, scan.finished = event.reason, True
        elif isinstance(event, StreamEnd):
            scan.finished = True
        elif isinstance(event, StreamFailure):
            scan.error = event.message


def _says_more(raw: bytes) -> bool:
    return any(mark in raw for mark in _MARKS) or (_ERROR in raw and len(_NO_ERROR.findall(raw)) < raw.count(_ERROR))
