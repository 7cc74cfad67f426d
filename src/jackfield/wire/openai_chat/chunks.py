"""Streams to a client, chunk by chunk."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from jackfield.errors import JackfieldError
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
from jackfield.wire.collect import merge_usage
from jackfield.wire.json import encode
from jackfield.wire.openai_chat.parts import FORMAT
from jackfield.wire.openai_chat.responses import FINISH_WORDS
from jackfield.wire.openai_errors import encode_error, error_body
from jackfield.wire.openai_usage import write_usage
from jackfield.wire.sse import write_event

_DONE = b"data: [DONE]\n\n"


_OF_A_CHOICE = frozenset((TextDelta, ThinkingDelta, RefusalDelta, Finish))


class OpenAIChatEncoder:
    """Each choice begins with its role, and each tool call has the number it came with."""

    def __init__(self, *, model: str, usage: bool) -> None:
        self.dropped: set[str] = set()
        self._wants_usage = usage
        self._usage: Usage | None = None
        self._usage_forwarded = False
        self._failed = False
        self._choices: set[int] = set()
        self._calls: dict[tuple[int, int], int] = {}
        self._call_counts: dict[int, int] = {}
        self._set_head(StreamStart(id="", model=model), model)

    def _set_head(self, start: StreamStart, model: str) -> None:
        self._model = model
        head = {
            "id": start.id,
            "object": "chat.completion.chunk",
            "created": start.created or 0,
            "model": start.model or model,
        }
        self._head = b"data: " + encode(head)[:-1] + b',"choices":['

    def encode(self, event: ChatEvent) -> bytes:
        return _WRITERS[type(event)](self, event)

    def observe(self, event: ChatEvent) -> None:
        if type(event) in _OF_A_CHOICE:
            self._choices.add(event.choice)  # type: ignore[union-attr]
        elif isinstance(event, ToolCallDelta):
            self._choices.add(event.choice)
            self._number_of(event)
        elif isinstance(event, StreamStart):
            self._set_head(event, self._model)
            self._choices.add(0)
        elif isinstance(event, UsageReport):
            self._usage_forwarded = True

    def fail(self, error: JackfieldError) -> bytes:
        self._failed = True
        return b"data: " + encode_error(error) + b"\n\n"

    def _chunk(self, choice: int, delta: bytes, reason: bytes = b"null") -> bytes:
        begin = b"" if choice in self._choices else self._begin(choice)
        body = b'{"index":%d,"delta":%b,"finish_reason":%b}]}\n\n' % (choice, delta, reason)
        return begin + self._head + body

    def _begin(self, choice: int) -> bytes:
        self._choices.add(choice)
        return self._chunk(choice, b'{"role":"assistant","content":""}')

    def _start(self, event: StreamStart) -> bytes:
        self._set_head(event, self._model)
        self._note_usage(event.usage)
        return b"" if 0 in self._choices else self._begin(0)

    def _text(self, event: TextDelta) -> bytes:
        return self._chunk(event.choice, b'{"content":%b}' % encode(event.text)) if event.text else b""

    def _thinking(self, event: ThinkingDelta) -> bytes:
        delta: dict[str, Any] = {"reasoning_content": event.text} if event.text else {}
        if event.redacted is not None:
            delta["thinking_blocks"] = [{"type": "redacted_thinking", "data": event.redacted}]
        elif event.signature:
            block = {"type": "thinking", "thinking": event.text, "signature": event.signature}
            delta["thinking_blocks"] = [block]
        return self._chunk(event.choice, encode(delta)) if delta else b""

    def _refusal(self, event: RefusalDelta) -> bytes:
        return self._chunk(event.choice, b'{"refusal":%b}' % encode(event.text))

    def _tool_call(self, event: ToolCallDelta) -> bytes:
        if event.id is None and event.name is None and not event.arguments:
            return b""
        call: dict[str, Any] = {"index": self._number_of(event)}
        if event.id is not None:
            call |= {"id": event.id, "type": "function"}
        function = {"arguments": event.arguments}
        call["function"] = function if event.name is None else {"name": event.name, **function}
        return self._chunk(event.choice, encode({"tool_calls": [call]}))

    def _number_of(self, event: ToolCallDelta) -> int:
        """Calls count from nought here; in formats that number blocks, their text counts too."""
        key = (event.choice, event.index)
        number = self._calls.get(key)
        if number is None:
            number = self._calls[key] = self._call_counts.get(event.choice, 0)
            self._call_counts[event.choice] = number + 1
        return number

    def _finish(self, event: Finish) -> bytes:
        if event.stop_sequence is not None:
            self.dropped.add("stop_sequence")
        return self._chunk(event.choice, b"{}", b'"%b"' % FINISH_WORDS[event.reason].encode())

    def _note_usage(self, usage: Usage | None) -> bytes:
        if usage is not None:
            self._usage = merge_usage(self._usage or NO_USAGE, usage)
        return b""

    def _end(self, event: StreamEnd) -> bytes:
        if self._failed:
            return b""
        if not self._wants_usage or self._usage_forwarded or self._usage is None:
            return _DONE
        usage = encode(write_usage(self._usage))
        return self._head + b'],"usage":' + usage + b"}\n\n" + _DONE

    def _failure(self, event: StreamFailure) -> bytes:
        self._failed = True
        return b"data: " + encode(error_body(502, event.code, event.message)) + b"\n\n"

    def _opaque(self, event: OpaqueEvent) -> bytes:
        if event.format == FORMAT:
            return write_event(bytes(event.raw))
        if not (event.structural or event.type.endswith("_stop")):
            self.dropped.add(f"stream.{event.type}")
        return b""


_WRITERS: dict[type, Callable[[OpenAIChatEncoder, Any], bytes]] = {
    StreamStart: OpenAIChatEncoder._start,
    TextDelta: OpenAIChatEncoder._text,
    ThinkingDelta: OpenAIChatEncoder._thinking,
    RefusalDelta: OpenAIChatEncoder._refusal,
    ToolCallDelta: OpenAIChatEncoder._tool_call,
    Finish: OpenAIChatEncoder._finish,
    UsageReport: lambda encoder, event: encoder._note_usage(event.usage),
    StreamEnd: OpenAIChatEncoder._end,
    StreamFailure: OpenAIChatEncoder._failure,
    OpaqueEvent: OpenAIChatEncoder._opaque,
}
