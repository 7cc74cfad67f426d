"""Writing streams: canonical events to this format's block structure."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from msgspec.structs import replace

from jackfield.errors import JackfieldError
from jackfield.wire.anthropic_messages.errors import body_of, error_body, stream_error_type
from jackfield.wire.anthropic_messages.parts import FORMAT
from jackfield.wire.anthropic_messages.responses import UNKNOWN_ID, finish_reason, stop_reason_of
from jackfield.wire.anthropic_messages.stream_blocks import Block, BlockLine
from jackfield.wire.anthropic_messages.usage import write_usage
from jackfield.wire.chat import (
    NO_USAGE,
    ChatEvent,
    Finish,
    OpaqueEvent,
    RefusalDelta,
    StreamEnd,
    StreamFailure,
    StreamStart,
    TextDelta,
    ThinkingDelta,
    ToolCallDelta,
    Usage,
    UsageReport,
)
from jackfield.wire.crossing import Body
from jackfield.wire.json import NULL, Fields, Read, encode, read_text, reader
from jackfield.wire.sse import write_event

_TEXT_DELTA = b'{"type":"text_delta","text":%b}'
_INPUT_DELTA = b'{"type":"input_json_delta","partial_json":%b}'
_THINKING_DELTA = b'{"type":"thinking_delta","thinking":%b}'
_SIGNATURE_DELTA = b'{"type":"signature_delta","signature":%b}'
_STOP = b'event: message_stop\ndata: {"type":"message_stop"}\n\n'


# An event that was decoded once is not refused any more.
_read_event: Read[Fields] = reader(Fields)
_read_index: Read[int | None] = reader(int | None)


class AnthropicStreamEncoder:
    """Finish reason and usage share one event here, which is written at the end of the stream: other formats
    report the usage last. After an error nothing more is written."""

    def __init__(self, model: str) -> None:
        self.dropped: set[str] = set()
        self._model = model
        self._started = self._ended = self._delta_written = False
        self._has_calls = self._refused = False
        self._blocks = BlockLine()
        self._finish: Finish | None = None
        self._ending: Fields = {}
        self._usage = NO_USAGE

    def encode(self, event: ChatEvent) -> bytes:
        if self._ended:
            return b""
        if getattr(event, "choice", 0):
            self.dropped.add("choices[1:]")
            return b""
        begun = b"" if self._started or type(event) in _NO_START else self._start(StreamStart(id="", model=""))
        return begun + _ENCODERS[type(event)](self, event)

    def observe(self, event: ChatEvent) -> None:
        self._started = True
        if (note := _OBSERVERS.get(type(event))) is not None:
            note(self, event)

    def fail(self, error: JackfieldError) -> bytes:
        return b"" if self._ended else self._fail(body_of(error))

    def _fail(self, body: dict[str, Any]) -> bytes:
        self._ended = True
        return write_event(encode(body), "error")

    def _start(self, event: StreamStart) -> bytes:
        if self._started:
            return b""
        self._started = True
        self._note_usage(event.usage or NO_USAGE)
        message: Body = {
            "id": event.id or UNKNOWN_ID,
            "type": "message",
            "role": "assistant",
            "model": event.model or self._model,
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            "usage": write_usage(event.usage),
        }
        return write_event(encode({"type": "message_start", "message": message}), "message_start")

    def _text(self, event: TextDelta) -> bytes:
        block = self._blocks.find("text", event.index)
        begun = b""
        if block is None:
            block = Block("text", event.index, {"type": "text", "text": ""})
            begun = self._blocks.begin(block)
        return begun + self._blocks.write(block, _TEXT_DELTA % encode(event.text)) if event.text else begun

    def _refusal(self, event: RefusalDelta) -> bytes:
        self._refused = True
        block = self._blocks.find("refusal", 0)
        begun = b""
        if block is None:
            block = Block("refusal", 0, {"type": "text", "text": ""})
            begun = self._blocks.begin(block)
        return begun + self._blocks.write(block, _TEXT_DELTA % encode(event.text))

    def _thinking(self, event: ThinkingDelta) -> bytes:
        if event.redacted is not None:
            start = {"type": "redacted_thinking", "data": event.redacted}
            return self._blocks.begin(Block("redacted", event.index, start))
        block = self._blocks.find("thinking", event.index)
        written = b""
        if block is None or (block.signed and (event.text or event.signature)):
            block = Block("thinking", event.index, {"type": "thinking", "thinking": "", "signature": ""})
            written = self._blocks.begin(block)
        if event.text:
            written += self._blocks.write(block, _THINKING_DELTA % encode(event.text))
        if event.signature:
            block.signed = True
            written += self._blocks.write(block, _SIGNATURE_DELTA % encode(event.signature))
        return written

    def _tool_call(self, event: ToolCallDelta) -> bytes:
        block = self._blocks.find("tool", event.index)
        begun = b""
        if block is None:
            if not event.name:
                # A piece of a call whose arguments were whole already.
                if event.arguments.strip():
                    self.dropped.add("tool_calls[].arguments")
                return b""
            block = self._new_call(event)
            begun = self._blocks.begin(block)
        if not event.arguments:
            return begun
        block.add(event.arguments)
        written = begun + self._blocks.write(block, _INPUT_DELTA % encode(event.arguments))
        return written + self._blocks.advance() if event.arguments.endswith("}") else written

    def _new_call(self, event: ToolCallDelta) -> Block:
        self._has_calls = True
        start: Body = {"type": "tool_use", "id": event.id or "", "name": event.name, "input": {}}
        return Block("tool", event.index, start)

    def _finished(self, event: Finish) -> bytes:
        self._finish = event
        return self._blocks.close()

    def _report(self, event: UsageReport) -> bytes:
        self._note_usage(event.usage)
        return b""

    def _note_usage(self, usage: Usage) -> None:
        said = {name: count for name in usage.__struct_fields__ if (count := getattr(usage, name))}
        self._usage = replace(self._usage, **said)

    def _end(self, event: StreamEnd) -> bytes:
        self._ended = True
        written = self._blocks.close()
        return written + (b"" if self._delta_written else self._message_delta()) + _STOP

    def _message_delta(self) -> bytes:
        reason = self._finish.reason if self._finish else None
        delta: Body = {
            "stop_reason": stop_reason_of(reason, has_calls=self._has_calls, refused=self._refused),
            "stop_sequence": self._finish.stop_sequence if self._finish else None,
        }
        own = self._ending.get("stop_reason")
        if own is not None and finish_reason(read_text(own, "stop_reason")) != reason:
            del self._ending["stop_reason"]
        body = {"type": "message_delta", "delta": delta | self._ending, "usage": write_usage(self._usage)}
        return write_event(encode(body), "message_delta")

    def _failed(self, event: StreamFailure) -> bytes:
        return self._fail(error_body(stream_error_type(event.code), event.message))

    def _opaque(self, event: OpaqueEvent) -> bytes:
        if event.format != FORMAT:
            if not event.structural:
                self.dropped.add(event.type)
            return b""
        fields = _read_event(event.raw, "")
        if event.type == "message_delta":
            self._ending = _more_of(fields)
            return b""
        if event.type not in ("content_block_start", "content_block_delta", "content_block_stop"):
            return write_event(bytes(event.raw), event.type)
        return self._opaque_block(event.type, fields)

    def _opaque_block(self, kind: str, fields: Fields) -> bytes:
        source = _source_of(fields)
        if kind == "content_block_stop":
            return self._blocks.stop(source)
        if kind == "content_block_start":
            return self._blocks.begin(Block("opaque", source, fields["content_block"]))
        block = self._blocks.find_source(source)
        return self._blocks.write(block, bytes(fields["delta"])) if block else b""

    def _observe_start(self, event: StreamStart) -> None:
        self._note_usage(event.usage or NO_USAGE)

    def _observe_text(self, event: TextDelta) -> None:
        if self._blocks.find("text", event.index) is None:
            self._blocks.observe(Block("text", event.index, {}))

    def _observe_thinking(self, event: ThinkingDelta) -> None:
        kind: Any = "thinking" if event.redacted is None else "redacted"
        if self._blocks.find(kind, event.index) is None:
            self._blocks.observe(Block(kind, event.index, {}))

    def _observe_tool_call(self, event: ToolCallDelta) -> None:
        self._has_calls = True
        block = self._blocks.find("tool", event.index)
        if block is None:
            block = Block("tool", event.index, {})
            self._blocks.observe(block)
        block.add(event.arguments)

    def _observe_finish(self, event: Finish) -> None:
        self._delta_written = True
        self._blocks.observe_stop()

    def _observe_report(self, event: UsageReport) -> None:
        self._note_usage(event.usage)

    def _observe_end(self, event: StreamEnd | StreamFailure) -> None:
        self._ended = True

    def _observe_opaque(self, event: OpaqueEvent) -> None:
        if event.type not in ("content_block_start", "content_block_stop"):
            return
        source = _source_of(_read_event(event.raw, ""))
        if event.type == "content_block_stop":
            self._blocks.observe_stop(source)
        else:
            self._blocks.observe(Block("opaque", source, {}))


def _source_of(fields: Fields) -> int:
    return _read_index(fields.get("index", NULL), "index") or 0


def _more_of(fields: Fields) -> Fields:
    """What a message delta says beyond the canonical form."""
    delta = _read_event(fields["delta"], "delta")
    return {name: raw for name, raw in delta.items() if name != "stop_sequence"}


_NO_START = (StreamStart, StreamFailure)
_ENCODERS: dict[type[ChatEvent], Callable[[AnthropicStreamEncoder, Any], bytes]] = {
    TextDelta: AnthropicStreamEncoder._text,
    ToolCallDelta: AnthropicStreamEncoder._tool_call,
    ThinkingDelta: AnthropicStreamEncoder._thinking,
    RefusalDelta: AnthropicStreamEncoder._refusal,
    StreamStart: AnthropicStreamEncoder._start,
    Finish: AnthropicStreamEncoder._finished,
    UsageReport: AnthropicStreamEncoder._report,
    StreamEnd: AnthropicStreamEncoder._end,
    StreamFailure: AnthropicStreamEncoder._failed,
    OpaqueEvent: AnthropicStreamEncoder._opaque,
}
_OBSERVERS: dict[type[ChatEvent], Callable[[AnthropicStreamEncoder, Any], None]] = {
    StreamStart: AnthropicStreamEncoder._observe_start,
    TextDelta: AnthropicStreamEncoder._observe_text,
    ThinkingDelta: AnthropicStreamEncoder._observe_thinking,
    ToolCallDelta: AnthropicStreamEncoder._observe_tool_call,
    Finish: AnthropicStreamEncoder._observe_finish,
    UsageReport: AnthropicStreamEncoder._observe_report,
    StreamEnd: AnthropicStreamEncoder._observe_end,
    StreamFailure: AnthropicStreamEncoder._observe_end,
    OpaqueEvent: AnthropicStreamEncoder._observe_opaque,
}
