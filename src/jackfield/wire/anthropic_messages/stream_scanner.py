"""Following a forwarded stream: only the few events that tell of usage, the end or an error are decoded."""

from __future__ import annotations

from jackfield.errors import JackfieldError, UpstreamBroken
from jackfield.wire.anthropic_messages.errors import body_of
from jackfield.wire.anthropic_messages.stream_decoder import AnthropicStreamDecoder
from jackfield.wire.base import Scan
from jackfield.wire.chat import (
    ChatEvent,
    Finish,
    StreamEnd,
    StreamFailure,
    StreamStart,
    UsageReport,
)
from jackfield.wire.json import encode
from jackfield.wire.sse import parse_event, split_events, write_event

_PIECE = b'"content_block_'


class AnthropicStreamScanner:
    """`strip_usage` has no meaning here: this format always sends the usage. A stop reason counts as the end."""

    def __init__(self) -> None:
        self.scan = Scan()
        self._decoder = AnthropicStreamDecoder()

    def feed(self, events: bytes) -> bytes:
        if b"message_" in events or b'"error"' in events or b"[DONE]" in events:
            for raw in split_events(events):
                if _PIECE not in raw[:80]:
                    self._read(raw)
        return events

    def fail(self, error: JackfieldError) -> bytes:
        return write_event(encode(body_of(error)), "error")

    def _read(self, raw: bytes) -> None:
        event = parse_event(raw)
        try:
            for told in self._decoder.decode(event.event, event.data):
                self._note(told)
        except UpstreamBroken as error:
            self.scan.error = error.message

    def _note(self, event: ChatEvent) -> None:
        scan = self.scan
        if isinstance(event, UsageReport | StreamStart):
            scan.usage = event.usage or scan.usage
        elif isinstance(event, Finish):
            scan.finish_reason = event.reason
            scan.finished = True
        elif isinstance(event, StreamEnd):
            scan.finished = True
        elif isinstance(event, StreamFailure):
            scan.error = event.message
