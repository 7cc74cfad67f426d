"""Streams to a client: canonical events as items that begin, grow and end, and a last event that repeats it all."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from msgspec import Raw

from jackfield.errors import JackfieldError, Malformed, UpstreamBroken
from jackfield.wire.chat import (
    NO_USAGE,
    ChatEvent,
    Extra,
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
from jackfield.wire.crossing import Body
from jackfield.wire.json import NULL, Fields, Read, encode, encoded, reader
from jackfield.wire.openai_errors import error_body
from jackfield.wire.openai_responses.parts import FORMAT
from jackfield.wire.openai_responses.responses import (
    COMPLETED,
    FAILED,
    INCOMPLETE,
    UNKNOWN_ID,
    details_of,
    incomplete_reason,
    response_body,
)
from jackfield.wire.openai_responses.stream_decoder import STRUCTURE, Item, read_item
from jackfield.wire.openai_responses.stream_items import ItemKind, Line, Output, OutputItem, Piece, PieceKind
from jackfield.wire.sealing import seal
from jackfield.wire.sse import write_event

# The last event repeats the whole answer, which is kept for it.
HELD_CHARACTERS = 32 * 1024 * 1024

_CANONICAL = ("message", "reasoning", "function_call")
_REFUSAL = -1  # refusals have no index of their own
# An event that was decoded once is not refused any more.
_read_event: Read[Fields] = reader(Fields)
_read_integer: Read[int | None] = reader(int | None)


class OpenAIResponsesEncoder:
    """After the end, or an error, nothing more is written."""

    def __init__(self, *, model: str, echo: Extra) -> None:
        self.dropped: set[str] = set()
        self._echo = echo
        self._start_event = StreamStart(id="", model=model)
        self._model = model
        self._line = Line()
        self._output = Output(self._line, UNKNOWN_ID)
        self._usage: Usage | None = None
        self._finish: Finish | None = None
        self._started = self._ended = False
        self._held = 0
        # Where an upstream of this format is written anew: its own places, and the call that has begun.
        self._places: dict[int, int] = {}
        self._begun_call: OutputItem | None = None

    def encode(self, event: ChatEvent) -> bytes:
        if self._ended:
            return b""
        if getattr(event, "choice", 0):
            self.dropped.add("choices[1:]")
            return b""
        begun = b"" if self._started or type(event) in _NO_START else self._start(self._start_event)
        return begun + _ENCODERS[type(event)](self, event)

    def observe(self, event: ChatEvent) -> None:
        if (note := _OBSERVERS.get(type(event))) is not None:
            note(self, event)

    def fail(self, error: JackfieldError) -> bytes:
        """Clients look for the failed answer, for an event `error`, or for an object `error` in one."""
        if self._ended:
            return b""
        self._ended = True
        failed = b""
        if self._started:
            code = "rate_limit_exceeded" if error.status == 429 else "server_error"
            reason = {"code": code, "message": error.message}
            failed = self._tell("response.failed", self._response(FAILED) | {"error": reason})
        return failed + write_failure(error, self._line.sequence)

    def _tell(self, kind: str, response: Body) -> bytes:
        return self._line.write(kind, {"response": response})

    def _response(self, status: str) -> Body:
        start = self._start_event
        identifier, model = start.id or UNKNOWN_ID, start.model or self._model
        return response_body(identifier, model, start.created, status, self._output.items(), self._usage, self._echo)

    def _set_start(self, event: StreamStart) -> None:
        self._started, self._start_event = True, event
        self._output.identifier = event.id or UNKNOWN_ID
        self._note_usage(event.usage)

    def _start(self, event: StreamStart) -> bytes:
        if self._started:
            return b""
        self._set_start(event)
        response = self._response("in_progress") | {"usage": None}
        return self._tell("response.created", response) + self._tell("response.in_progress", response)

    def _hold(self, text: str) -> None:
        self._held += len(text)
        if self._held > HELD_CHARACTERS:
            raise UpstreamBroken("the stream is longer than what can be held to repeat it at its end")

    def _text(self, event: TextDelta) -> bytes:
        return self._said("text", event.index, event.text)

    def _refusal(self, event: RefusalDelta) -> bytes:
        return self._said("refusal", _REFUSAL, event.text)

    def _said(self, kind: PieceKind, source: int, text: str) -> bytes:
        if not text:
            return b""
        self._hold(text)
        item, begun = self._output.written("message")
        piece, opened = self._output.piece(item, kind, source)
        return begun + opened + self._output.delta(item, piece, text)

    def _thinking(self, event: ThinkingDelta) -> bytes:
        if not (event.text or event.signature or event.redacted is not None):
            return b""
        closed = self._output.close_written("reasoning") if event.redacted is not None else b""
        item, written = self._output.written("reasoning")
        written = closed + written
        if event.text:
            self._hold(event.text)
            piece, opened = self._output.piece(item, "reasoning" if event.verbatim else "summary", event.index)
            written += opened + self._output.delta(item, piece, event.text)
        encrypted = seal(event.signature, event.redacted)
        return written if encrypted is None else written + self._output.seal(item, encrypted)

    def _tool_call(self, event: ToolCallDelta) -> bytes:
        self._hold(event.arguments)
        item, begun = self._output.call(event.index), b""
        if item is None:
            if event.id is None and event.name is None:
                return b""  # of a call that is over
            item, begun = self._output.begin_call(event.index, event.id or "", event.name or "")
        return begun + self._output.arguments(item, event.arguments) if event.arguments else begun

    def _finished(self, event: Finish) -> bytes:
        self._finish = event
        if event.stop_sequence is not None:
            self.dropped.add("stop_sequence")
        return self._close()

    def _close(self) -> bytes:
        return self._output.close(INCOMPLETE if self._incomplete() else COMPLETED)

    def _incomplete(self) -> bool:
        return self._finish is not None and incomplete_reason(self._finish.reason) is not None

    def _report(self, event: UsageReport) -> bytes:
        self._note_usage(event.usage)
        return b""

    def _note_usage(self, usage: Usage | None) -> None:
        if usage is not None:
            self._usage = merge_usage(self._usage or NO_USAGE, usage)

    def _end(self, event: StreamEnd) -> bytes:
        closed = self._close()
        self._ended = True
        status = INCOMPLETE if self._incomplete() else COMPLETED
        response = self._response(status)
        response["incomplete_details"] = details_of(self._finish.reason if self._finish is not None else None)
        return closed + self._tell(f"response.{status}", response)

    def _failure(self, event: StreamFailure) -> bytes:
        error = UpstreamBroken(event.message)
        error.code = event.code
        return self.fail(error)

    def _opaque(self, event: OpaqueEvent) -> bytes:
        if event.format != FORMAT:
            if not (event.structural or event.type.endswith("_stop")):
                self.dropped.add(f"stream.{event.type}")
            return b""
        fields = _read_event(event.raw, "")
        if event.type in ("response.output_item.added", "response.output_item.done"):
            return self._own_item(event.type.endswith("added"), fields) if "item" in fields else b""
        if event.type in STRUCTURE:
            return b""
        if "content_index" in fields:
            self.dropped.add(f"stream.{event.type}")  # it marks a place in a text, which is not what it was
            return b""
        return self._renumbered(event.type, fields)

    def _own_item(self, added: bool, fields: Fields) -> bytes:
        item, place = read_item(fields["item"], "item"), _place_of(fields)
        if item.type not in _CANONICAL:
            known = self._places.get(place)
            self._places[place], written = self._output.pass_on(added, fields["item"], known)
            return written
        if added:
            if isinstance(item.id, str) and item.id:
                self._output.named[item.type] = item.id
            return b""
        if item.type == "function_call":
            return self._output.close_call(item.call_id)
        return self._output.close_written(item.type)

    def _renumbered(self, kind: str, fields: Fields) -> bytes:
        if "output_index" in fields and (place := self._places.get(_place_of(fields))) is not None:
            fields["output_index"] = encoded(place)
        fields["sequence_number"] = encoded(self._line.sequence)
        self._line.sequence += 1
        return write_event(encode(fields), kind)

    def _observe_start(self, event: StreamStart) -> None:
        self._set_start(event)
        self._line.sequence = 1

    def _observe_text(self, event: TextDelta) -> None:
        self._observe_piece("message", "text", event.index, event.text)

    def _observe_refusal(self, event: RefusalDelta) -> None:
        self._observe_piece("message", "refusal", _REFUSAL, event.text)

    def _observe_thinking(self, event: ThinkingDelta) -> None:
        if event.text:
            kind: PieceKind = "reasoning" if event.verbatim else "summary"
            self._observe_piece("reasoning", kind, event.index, event.text)

    def _observe_piece(self, item_kind: str, kind: PieceKind, source: int, text: str) -> None:
        self._line.sequence += 1
        self._hold(text)
        item = self._output.open_item
        if item is None or item.kind != item_kind:
            return
        piece = item.open_piece
        if piece is None or piece.kind != kind or piece.source not in (None, source):
            piece = item.open_piece = Piece(kind, len(item.pieces), source)
            item.pieces.append(piece)
        piece.source = source
        piece.texts.append(text)

    def _observe_tool_call(self, event: ToolCallDelta) -> None:
        if event.id is not None:
            item, self._begun_call = self._begun_call, None
            if item is not None:
                item.call_id, item.name = event.id, event.name or ""
                self._output.observe_call(event.index, item)
            return
        self._line.sequence += 1
        self._hold(event.arguments)
        if (item := self._output.call(event.index)) is not None:
            item.add(event.arguments)

    def _observe_finish(self, event: Finish) -> None:
        self._finish = event

    def _observe_report(self, event: UsageReport) -> None:
        self._note_usage(event.usage)

    def _observe_end(self, event: StreamEnd | StreamFailure) -> None:
        self._ended = True

    def _observe_opaque(self, event: OpaqueEvent) -> None:
        fields = _read_event(event.raw, "")
        number = _read_number(fields.get("sequence_number", NULL))
        self._line.sequence = self._line.sequence + 1 if number is None else number + 1
        if event.type == "response.output_item.added" and "item" in fields:
            self._observe_item(_place_of(fields), read_item(fields["item"], "item"))
        elif event.type == "response.output_item.done" and "item" in fields:
            self._output.observe_done(_place_of(fields), fields["item"])
        elif event.type in _BEGINNINGS and (item := self._output.open_item) is not None:
            self._observe_part(item, event.type, fields)

    def _observe_item(self, place: int, found: Item) -> None:
        kind = cast("ItemKind", found.type if found.type in _CANONICAL else "opaque")
        item = self._output.observe_item(kind, place, found.id if isinstance(found.id, str) else "")
        self._places[place] = place
        if kind == "function_call":
            self._begun_call = item

    def _observe_part(self, item: OutputItem, kind: str, fields: Fields) -> None:
        part = _read_event(fields.get("part", Raw(b"{}")), "part")
        summary = kind == _BEGINNINGS[1]
        piece_kind = "summary" if summary else _PIECES.get(bytes(part.get("type", NULL)), "text")
        number = fields.get("summary_index" if summary else "content_index", NULL)
        item.open_piece = Piece(piece_kind, _read_number(number) or 0, None)
        item.pieces.append(item.open_piece)


def write_failure(error: JackfieldError, number: int) -> bytes:
    told = error_body(error.status, error.code, error.message, param=error.param, plugin=error.plugin)
    told |= {"code": error.code, "message": error.message, "param": error.param}
    return write_event(encode({"type": "error", "sequence_number": number, **told}), "error")


_BEGINNINGS = ("response.content_part.added", "response.reasoning_summary_part.added")
_PIECES: dict[bytes, PieceKind] = {b'"refusal"': "refusal", b'"reasoning_text"': "reasoning"}


def _place_of(fields: Fields) -> int:
    return _read_number(fields.get("output_index", NULL)) or 0


def _read_number(raw: Raw) -> int | None:
    """What is no number has been passed on as it is: here it counts as not given."""
    try:
        return _read_integer(raw, "")
    except Malformed:
        return None


_NO_START = (StreamStart, StreamFailure)
_ENCODERS: dict[type[ChatEvent], Callable[[OpenAIResponsesEncoder, Any], bytes]] = {
    TextDelta: OpenAIResponsesEncoder._text,
    ToolCallDelta: OpenAIResponsesEncoder._tool_call,
    ThinkingDelta: OpenAIResponsesEncoder._thinking,
    RefusalDelta: OpenAIResponsesEncoder._refusal,
    StreamStart: OpenAIResponsesEncoder._start,
    Finish: OpenAIResponsesEncoder._finished,
    UsageReport: OpenAIResponsesEncoder._report,
    StreamEnd: OpenAIResponsesEncoder._end,
    StreamFailure: OpenAIResponsesEncoder._failure,
    OpaqueEvent: OpenAIResponsesEncoder._opaque,
}
_OBSERVERS: dict[type[ChatEvent], Callable[[OpenAIResponsesEncoder, Any], None]] = {
    StreamStart: OpenAIResponsesEncoder._observe_start,
    TextDelta: OpenAIResponsesEncoder._observe_text,
    RefusalDelta: OpenAIResponsesEncoder._observe_refusal,
    ThinkingDelta: OpenAIResponsesEncoder._observe_thinking,
    ToolCallDelta: OpenAIResponsesEncoder._observe_tool_call,
    Finish: OpenAIResponsesEncoder._observe_finish,
    UsageReport: OpenAIResponsesEncoder._observe_report,
    StreamEnd: OpenAIResponsesEncoder._observe_end,
    StreamFailure: OpenAIResponsesEncoder._observe_end,
    OpaqueEvent: OpenAIResponsesEncoder._observe_opaque,
}
