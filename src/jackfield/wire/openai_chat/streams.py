"""Streams from an upstream, event by event."""

from __future__ import annotations

from typing import Any, Literal

import msgspec
from msgspec import Raw

from jackfield.errors import Malformed
from jackfield.wire.chat import (
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
    UsageReport,
)
from jackfield.wire.json import NULL, encode, read_text, reader, upstream_broken
from jackfield.wire.openai_chat.parts import FORMAT
from jackfield.wire.openai_chat.responses import finish_reason_of
from jackfield.wire.openai_errors import decode_error, is_error, is_error_object
from jackfield.wire.openai_usage import Counts


class _Function(msgspec.Struct):
    name: str | None = None
    arguments: str | dict[str, Any] | None = None


class _Call(msgspec.Struct):
    index: int | None = None
    id: str | None = None
    function: _Function | None = None


class _Block(msgspec.Struct):
    thinking: str | list[dict[str, Any]] | None = None
    signature: str | None = None
    data: str | None = None
    text: str | None = None


class _Delta(msgspec.Struct):
    content: str | list[_Block] | None = None
    reasoning_content: str | None = None
    reasoning: Raw = NULL
    thinking_blocks: list[_Block] | None = None
    refusal: str | None = None
    tool_calls: list[_Call] | None = None
    function_call: Raw = NULL
    audio: Raw = NULL


class _Choice(msgspec.Struct):
    delta: _Delta | None = None
    index: int | None = None
    finish_reason: str | None = None


class _Chunk(msgspec.Struct):
    id: str | int | None = None
    model: str | None = None
    created: int | float | None = None
    choices: list[_Choice] | None = None
    usage: Counts | None = None
    error: Raw = NULL
    object: Raw = NULL


class _TextDelta(msgspec.Struct, forbid_unknown_fields=True):
    content: str
    role: str | None = None
    refusal: None = None
    reasoning_content: None = None
    reasoning: None = None
    tool_calls: None = None
    function_call: None = None


class _TextChoice(msgspec.Struct):
    delta: _TextDelta
    index: int = 0
    finish_reason: Literal[""] | None = None


class _TextChunk(msgspec.Struct):
    """What a chunk in the middle of a text looks like. Nothing else is read as one."""

    choices: tuple[_TextChoice]
    usage: None = None
    error: None = None


_decode_text_chunk = msgspec.json.Decoder(_TextChunk).decode
_read_chunk = reader(_Chunk)
_decode_chunk = msgspec.json.Decoder(_Chunk).decode


def _read(data: bytes) -> _Chunk:
    """Raises `UpstreamBroken`. Every event of every stream that a hook looks at comes past here."""
    try:
        return _decode_chunk(data)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        pass
    try:
        chunk: _Chunk = _read_chunk(Raw(data), "")
    except Malformed as error:
        raise upstream_broken(error) from error
    return chunk


class OpenAIChatDecoder:
    """Tolerates what compatible servers do: calls without an index or an id, several calls under one index,
    reasoning under several names, finish reasons said twice, `usage` in every chunk."""

    faithful = True

    def __init__(self) -> None:
        self._started = self._in_text = False
        self._is_usual = True
        self._finished: set[int] = set()
        self._calls: dict[int, _Calls] = {}

    def decode(self, event: str, data: bytes) -> tuple[ChatEvent, ...]:
        if self._in_text and not event:
            try:
                choice = _decode_text_chunk(data).choices[0]
            except (msgspec.DecodeError, UnicodeError, RecursionError):
                self._in_text = False
                events = self._decode(event, data.strip())
                # Text after all, in another shape: so will the next be.
                self._is_usual = not self._in_text
                return events
            content = choice.delta.content
            return (TextDelta(text=content, choice=choice.index),) if content else ()
        return self._decode(event, data.strip())

    def _decode(self, event: str, data: bytes) -> tuple[ChatEvent, ...]:
        if not data:
            return ()
        if data == b"[DONE]":
            return (StreamEnd(),)
        if event == "error":
            return (_failure(data),)
        chunk = _read(data)
        if (chunk.error is not NULL and is_error(chunk.error)) or (not chunk.choices and is_error_object(chunk.object)):
            return (_failure(data),)
        return self._events_of(chunk, data)

    def _events_of(self, chunk: _Chunk, data: bytes) -> tuple[ChatEvent, ...]:
        events: list[ChatEvent] = []
        if not self._started and (chunk.choices or chunk.usage is not None):
            self._started = True
            created = int(chunk.created) if chunk.created is not None else None
            events.append(StreamStart(id=str(chunk.id or ""), model=chunk.model or "", created=created))
        for choice in chunk.choices or ():
            index = choice.index or 0
            if choice.delta is not None:
                self._add_delta(events, choice.delta, index, data)
            if choice.finish_reason and index not in self._finished:
                self._finished.add(index)
                events.append(Finish(reason=finish_reason_of(choice.finish_reason) or "unknown", choice=index))
        if chunk.usage is not None:
            events.append(UsageReport(usage=chunk.usage.usage()))
        self._in_text = self._is_usual and len(events) == 1 and type(events[0]) is TextDelta
        return tuple(events)

    def _add_delta(self, events: list[ChatEvent], delta: _Delta, choice: int, data: bytes) -> None:
        if delta.thinking_blocks or delta.reasoning_content or delta.reasoning is not NULL:
            events += _thinking(delta, choice)
        if (content := delta.content) and isinstance(content, str):
            events.append(TextDelta(text=content, choice=choice))
        elif content:
            events += _blocks(content, choice)
        if delta.refusal:
            events.append(RefusalDelta(text=delta.refusal, choice=choice))
        if delta.tool_calls:
            calls = self._calls.setdefault(choice, _Calls())
            events += (calls.delta(call, choice) for call in delta.tool_calls)
        if delta.audio is not NULL and delta.audio != NULL:
            events.append(OpaqueEvent(format=FORMAT, type="audio", raw=Raw(data)))
        elif delta.function_call is not NULL and delta.function_call != NULL:
            events.append(OpaqueEvent(format=FORMAT, type="function_call", raw=Raw(data)))


class _Calls:
    """The tool calls of one choice. Their own numbers are the order in which they began."""

    def __init__(self) -> None:
        self._ids: list[str | None] = []
        self._numbers: dict[int, int] = {}
        self._numbers_by_id: dict[str, int] = {}

    def delta(self, call: _Call, choice: int) -> ToolCallDelta:
        number = self._number_of(call)
        begins = number is None
        if number is None:
            number = len(self._ids)
            self._ids.append(call.id)
            if call.id:
                self._numbers_by_id.setdefault(call.id, number)
            if call.index is not None:
                self._numbers[call.index] = number
        function = call.function or _Function()
        return ToolCallDelta(
            index=number,
            id=(call.id or f"call_{number}") if begins else None,
            name=function.name or None if begins else None,
            arguments=_text_of(function.arguments),
            choice=choice,
        )

    def _number_of(self, call: _Call) -> int | None:
        """The call that a piece belongs to; `None` for one that begins with it."""
        if call.index is not None:
            number = self._numbers.get(call.index)
            known = self._ids[number] if number is not None else None
            return None if call.id and known and call.id != known else number
        if call.id:
            return self._numbers_by_id.get(call.id)
        begins = call.function is not None and call.function.name
        return None if begins or not self._ids else len(self._ids) - 1


def _text_of(arguments: str | dict[str, Any] | None) -> str:
    return encode(arguments).decode() if isinstance(arguments, dict) else arguments or ""


def _thinking(delta: _Delta, choice: int) -> list[ChatEvent]:
    if delta.thinking_blocks:
        return [
            ThinkingDelta(
                text=block.thinking if isinstance(block.thinking, str) else "",
                signature=block.signature or None,
                redacted=block.data,
                choice=choice,
            )
            for block in delta.thinking_blocks
        ]
    text = delta.reasoning_content
    if not text and bytes(memoryview(delta.reasoning)[:1]) == b'"':
        text = read_text(delta.reasoning, "reasoning")
    return [ThinkingDelta(text=text, choice=choice)] if text else []


def _blocks(blocks: list[_Block], choice: int) -> list[ChatEvent]:
    """Content in its long form, as servers write it that put reasoning among it."""
    events: list[ChatEvent] = []
    for block in blocks:
        thinking = block.thinking
        if isinstance(thinking, list):
            thinking = "".join(str(piece.get("text", "")) for piece in thinking)
        if thinking:
            events.append(ThinkingDelta(text=thinking, choice=choice))
        if block.text:
            events.append(TextDelta(text=block.text, choice=choice))
    return events


def _failure(data: bytes) -> StreamFailure:
    code, message = decode_error(data)
    return StreamFailure(code=code, message=message)
