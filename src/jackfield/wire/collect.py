"""Between a stream and a whole answer: folding events together, and telling a whole answer as events."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from jackfield.wire.chat import (
    ChatEvent,
    ChatResponse,
    Choice,
    Finish,
    Message,
    OpaqueEvent,
    Part,
    Refusal,
    RefusalDelta,
    StreamEnd,
    StreamFailure,
    StreamStart,
    Text,
    TextDelta,
    Thinking,
    ThinkingDelta,
    ToolCall,
    ToolCallDelta,
    Usage,
    UsageReport,
)

_Kind = Literal["text", "thinking", "refusal", "tool_call"]


def merge_usage(before: Usage, later: Usage) -> Usage:
    """Running totals: what a later report leaves at nought is as it was."""
    return Usage(
        input=later.input or before.input,
        output=later.output or before.output,
        cached=later.cached or before.cached,
        cache_write=later.cache_write or before.cache_write,
        reasoning=later.reasoning or before.reasoning,
    )


class _Piece:
    """One part on its way. `texts` are joined once, at the end."""

    __slots__ = ("id", "kind", "name", "redacted", "signature", "texts", "verbatim")

    def __init__(self, kind: _Kind) -> None:
        self.kind = kind
        self.texts: list[str] = []
        self.id = self.name = ""
        self.signature: str | None = None
        self.redacted: str | None = None
        self.verbatim = False

    def part(self) -> Part | None:
        text = "".join(self.texts)
        if self.kind == "tool_call":
            return ToolCall(id=self.id, name=self.name, arguments=text)
        if self.redacted is not None:
            return Thinking(redacted=self.redacted)
        if not text and self.signature is None:
            return None
        if self.kind == "thinking":
            return Thinking(text=text, signature=self.signature, verbatim=self.verbatim)
        return Text(text=text) if self.kind == "text" else Refusal(text=text)


class _Choice:
    def __init__(self) -> None:
        self.finish: Finish | None = None
        self._pieces: list[_Piece] = []
        self._open: dict[tuple[_Kind, int], _Piece] = {}

    def piece(self, kind: _Kind, index: int) -> _Piece:
        piece = self._open.get((kind, index))
        return piece if piece is not None else self.begin(kind, index)

    def begin(self, kind: _Kind, index: int) -> _Piece:
        piece = self._open[kind, index] = _Piece(kind)
        self._pieces.append(piece)
        return piece

    def think(self, delta: ThinkingDelta) -> None:
        """A signature ends a block, also where the source does not number its blocks."""
        piece = self.piece("thinking", delta.index)
        ended = piece.signature is not None and (delta.text or delta.signature)
        if piece.redacted is not None or ended or (delta.redacted is not None and piece.texts):
            piece = self.begin("thinking", delta.index)
        if delta.text:
            piece.texts.append(delta.text)
        piece.signature = delta.signature or piece.signature
        piece.redacted = delta.redacted
        piece.verbatim = piece.verbatim or delta.verbatim

    def choice(self, index: int) -> Choice:
        parts = tuple(part for piece in self._pieces if (part := piece.part()) is not None)
        return Choice(
            index=index,
            message=Message(role="assistant", parts=parts),
            finish_reason=self.finish.reason if self.finish is not None else None,
            stop_sequence=self.finish.stop_sequence if self.finish is not None else None,
        )


class StreamCollector:
    """Folds a stream into the answer it tells. `finished` once it ended as its format ends, `failure` if it
    told of one; `opaque` are the events that have no canonical meaning, and so no place in the answer."""

    def __init__(self) -> None:
        self.finished = False
        self.failure: StreamFailure | None = None
        self.opaque: list[OpaqueEvent] = []
        self._start = StreamStart(id="", model="")
        self._usage: Usage | None = None
        self._choices: dict[int, _Choice] = {}

    def add(self, event: ChatEvent) -> None:
        if isinstance(event, TextDelta):
            self._choice(event.choice).piece("text", event.index).texts.append(event.text)
        elif isinstance(event, ToolCallDelta):
            self._add_tool_call(event)
        elif isinstance(event, ThinkingDelta):
            self._choice(event.choice).think(event)
        elif isinstance(event, RefusalDelta):
            self._choice(event.choice).piece("refusal", 0).texts.append(event.text)
        elif isinstance(event, Finish):
            self._choice(event.choice).finish = event
        else:
            self._note(event)

    def _choice(self, index: int) -> _Choice:
        choice = self._choices.get(index)
        if choice is None:
            choice = self._choices[index] = _Choice()
        return choice

    def _add_tool_call(self, event: ToolCallDelta) -> None:
        piece = self._choice(event.choice).piece("tool_call", event.index)
        piece.id = event.id or piece.id
        piece.name = event.name or piece.name
        piece.texts.append(event.arguments)

    def _note(self, event: StreamStart | UsageReport | StreamEnd | StreamFailure | OpaqueEvent) -> None:
        if isinstance(event, StreamStart):
            self._start = event
            self._note_usage(event.usage)
        elif isinstance(event, UsageReport):
            self._note_usage(event.usage)
        elif isinstance(event, StreamEnd):
            self.finished = True
        elif isinstance(event, StreamFailure):
            self.failure = event
        else:
            self.opaque.append(event)

    def _note_usage(self, usage: Usage | None) -> None:
        if usage is not None:
            self._usage = merge_usage(self._usage, usage) if self._usage is not None else usage

    def response(self) -> ChatResponse:
        """The answer so far; of a stream without any choice, one that is empty."""
        choices = self._choices or {0: _Choice()}
        return ChatResponse(
            id=self._start.id,
            model=self._start.model,
            created=self._start.created,
            choices=tuple(choices[index].choice(index) for index in sorted(choices)),
            usage=self._usage,
        )


def replay(response: ChatResponse) -> Iterator[ChatEvent]:
    """A whole answer as the events of a stream, one for each part."""
    yield StreamStart(id=response.id, model=response.model, created=response.created)
    for choice in response.choices:
        for index, part in enumerate(choice.message.parts):
            if (event := _event_of(part, index, choice.index)) is not None:
                yield event
        yield Finish(reason=choice.finish_reason or "stop", stop_sequence=choice.stop_sequence, choice=choice.index)
    if response.usage is not None:
        yield UsageReport(usage=response.usage)
    yield StreamEnd()


def _event_of(part: Part, index: int, choice: int) -> ChatEvent | None:
    if isinstance(part, Text):
        return TextDelta(text=part.text, choice=choice, index=index)
    if isinstance(part, ToolCall):
        return ToolCallDelta(index=index, id=part.id, name=part.name, arguments=part.arguments, choice=choice)
    if isinstance(part, Thinking):
        return ThinkingDelta(
            text=part.text,
            signature=part.signature,
            redacted=part.redacted,
            verbatim=part.verbatim,
            choice=choice,
            index=index,
        )
    return RefusalDelta(text=part.text, choice=choice) if isinstance(part, Refusal) else None
