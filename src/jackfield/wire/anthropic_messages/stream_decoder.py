"""Reading streams, event by event."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
from msgspec import Raw

from jackfield.errors import Malformed
from jackfield.wire.anthropic_messages.errors import ErrorObject, quoted
from jackfield.wire.anthropic_messages.parts import FORMAT
from jackfield.wire.anthropic_messages.responses import finish_reason, is_exact
from jackfield.wire.anthropic_messages.usage import NO_COUNTS, Counts
from jackfield.wire.chat import (
    ChatEvent,
    Finish,
    OpaqueEvent,
    StreamEnd,
    StreamFailure,
    StreamStart,
    TextDelta,
    ThinkingDelta,
    ToolCallDelta,
    UsageReport,
)
from jackfield.wire.json import NULL, Fields, Read, read_fields, read_object, reader, upstream_broken, wrong

Events = tuple[ChatEvent, ...]


class _Event(msgspec.Struct, frozen=True):
    type: str | None = None
    index: int | None = None
    delta: Raw = NULL
    content_block: Raw = NULL
    message: Raw = NULL
    usage: Counts | None = None
    error: Raw = NULL


class _Block(msgspec.Struct, frozen=True):
    type: str | None = None
    text: str | None = None
    thinking: str | None = None
    signature: str | None = None
    data: str | None = None
    id: str | None = None
    name: str | None = None
    input: Raw = NULL


class _Delta(msgspec.Struct, frozen=True):
    type: str | None = None
    text: str | None = None
    thinking: str | None = None
    signature: str | None = None
    partial_json: str | None = None


class _Ending(msgspec.Struct, frozen=True):
    stop_reason: str | None = None
    stop_sequence: str | None = None


class _Start(msgspec.Struct, frozen=True):
    id: str | None = None
    model: str | None = None
    usage: Counts | None = None


_read_event: Read[_Event] = reader(_Event)
_read_block: Read[_Block] = reader(_Block)
_read_delta: Read[_Delta] = reader(_Delta)
_read_ending: Read[_Ending] = reader(_Ending)
_read_start: Read[_Start] = reader(_Start)
_read_error: Read[ErrorObject | str] = reader(ErrorObject | str)


class AnthropicStreamDecoder:
    """The start and stop of each block are told too, so that an encoder that observes them knows which blocks
    are open: a start as an empty piece, a stop as an `OpaqueEvent` of type `content_block_stop`."""

    faithful = True

    def __init__(self) -> None:
        self._opaque: set[int] = set()
        self._bare_calls: set[int] = set()  # whose arguments have not come yet
        self._counts = NO_COUNTS
        self._ended = False

    def decode(self, event: str, data: bytes) -> Events:
        if not data or data == b"[DONE]":
            return self._end() if data else ()
        try:
            found = _read_event(Raw(data), "")
            kind = found.type or event or ("error" if found.error != NULL else "")
            if "\n" in kind or "\r" in kind:
                raise wrong("type", "expected a name on one line")
            read = _READERS.get(kind)
            return read(self, found, data) if read else (_opaque(kind, data),)
        except Malformed as error:
            raise upstream_broken(error) from error

    def _end(self) -> Events:
        """The end, once: some upstreams add a `[DONE]` of another format to it."""
        events: Events = () if self._ended else (StreamEnd(),)
        self._ended = True
        return events

    def _read_message_start(self, event: _Event, data: bytes) -> Events:
        start = _read_start(read_object(event.message, "message"), "message")
        if start.usage is not None:
            self._counts = self._counts.updated(start.usage)
        usage = self._counts.usage() if start.usage is not None else None
        return (StreamStart(id=start.id or "", model=start.model or "", usage=usage),)

    def _read_block_start(self, event: _Event, data: bytes) -> Events:
        index = event.index or 0
        block = _read_block(read_object(event.content_block, "content_block"), "content_block")
        begin = _BEGINNINGS.get(block.type or "")
        if begin is None:
            self._opaque.add(index)
            return (_opaque("content_block_start", data),)
        self._opaque.discard(index)
        begun = begin(block, index)
        if isinstance(begun, ToolCallDelta) and not begun.arguments:
            self._bare_calls.add(index)
        return (begun,)

    def _read_block_delta(self, event: _Event, data: bytes) -> Events:
        index = event.index or 0
        delta = _read_delta(read_object(event.delta, "delta"), "delta")
        if index in self._opaque:
            return (_opaque("content_block_delta", data),)
        if delta.type == "text_delta":
            return (TextDelta(text=delta.text or "", index=index),)
        if delta.type == "input_json_delta":
            if delta.partial_json:
                self._bare_calls.discard(index)
            return (ToolCallDelta(index=index, arguments=delta.partial_json or ""),)
        if delta.type == "thinking_delta":
            return (ThinkingDelta(text=delta.thinking or "", index=index),)
        if delta.type == "signature_delta":
            return (ThinkingDelta(signature=delta.signature, index=index),)
        return (_opaque("content_block_delta", data),)

    def _read_block_stop(self, event: _Event, data: bytes) -> Events:
        """A call without arguments has no pieces here; elsewhere its arguments are an empty object."""
        index = event.index or 0
        stop = _opaque("content_block_stop", data)
        if index not in self._bare_calls:
            return (stop,)
        self._bare_calls.discard(index)
        return ToolCallDelta(index=index, arguments="{}"), stop

    def _read_message_delta(self, event: _Event, data: bytes) -> Events:
        events: list[ChatEvent] = []
        if event.delta != NULL:
            ending = _read_ending(event.delta, "delta")
            if _says_more(read_fields(event.delta, "delta")) or not is_exact(ending.stop_reason):
                events.append(_opaque("message_delta", data))
            if (reason := finish_reason(ending.stop_reason)) is not None:
                events.append(Finish(reason=reason, stop_sequence=ending.stop_sequence))
        if event.usage is not None:
            self._counts = self._counts.updated(event.usage)
            events.append(UsageReport(usage=self._counts.usage()))
        return tuple(events)

    def _read_message_stop(self, event: _Event, data: bytes) -> Events:
        return self._end()

    def _read_ping(self, event: _Event, data: bytes) -> Events:
        return ()

    def _read_error(self, event: _Event, data: bytes) -> Events:
        error = _read_error(event.error, "error") if event.error != NULL else ErrorObject()
        if isinstance(error, str):
            error = ErrorObject(message=error)
        code = str(error.type or error.code or "api_error")
        return (StreamFailure(code=code, message=error.message or quoted(data)),)


def _opaque(kind: str, data: bytes) -> OpaqueEvent:
    return OpaqueEvent(format=FORMAT, type=kind, raw=Raw(data))


def _says_more(ending: Fields) -> bool:
    """Whether a message delta has more than the canonical form can hold, such as the details of a refusal."""
    return any(raw != NULL for name, raw in ending.items() if name not in _Ending.__struct_fields__)


def _begin_text(block: _Block, index: int) -> ChatEvent:
    return TextDelta(text=block.text or "", index=index)


def _begin_thinking(block: _Block, index: int) -> ChatEvent:
    return ThinkingDelta(text=block.thinking or "", signature=block.signature or None, index=index)


def _begin_redacted(block: _Block, index: int) -> ChatEvent:
    return ThinkingDelta(redacted=block.data or "", index=index)


def _begin_tool_use(block: _Block, index: int) -> ChatEvent:
    """The input comes in pieces afterwards, but some upstreams give all of it here."""
    given = bytes(block.input).decode() if block.input not in (NULL, _EMPTY) else ""
    return ToolCallDelta(index=index, id=block.id or "", name=block.name or "", arguments=given)


_EMPTY = Raw(b"{}")
_BEGINNINGS: dict[str, Callable[[_Block, int], ChatEvent]] = {
    "text": _begin_text,
    "thinking": _begin_thinking,
    "redacted_thinking": _begin_redacted,
    "tool_use": _begin_tool_use,
}
_READERS: dict[str, Callable[[AnthropicStreamDecoder, _Event, bytes], Events]] = {
    "content_block_delta": AnthropicStreamDecoder._read_block_delta,
    "content_block_start": AnthropicStreamDecoder._read_block_start,
    "content_block_stop": AnthropicStreamDecoder._read_block_stop,
    "message_start": AnthropicStreamDecoder._read_message_start,
    "message_delta": AnthropicStreamDecoder._read_message_delta,
    "message_stop": AnthropicStreamDecoder._read_message_stop,
    "ping": AnthropicStreamDecoder._read_ping,
    "error": AnthropicStreamDecoder._read_error,
}
