"""Streams from an upstream, event by event.

Deltas become canonical events. What tells where items and parts begin and end goes along as it is, for an encoder of
the same format that has to go on where an upstream's own bytes were forwarded.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from hashlib import blake2b
from typing import Any

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
from jackfield.wire.json import NULL, Read, reader, upstream_broken, wrong
from jackfield.wire.openai_errors import decode_error
from jackfield.wire.openai_responses.parts import FORMAT
from jackfield.wire.openai_responses.responses import Outline
from jackfield.wire.sealing import unseal

Events = list[ChatEvent]
# A place in the output: its item, what of the item, and the number of the part.
Place = tuple[int, str, int]


class Item(msgspec.Struct):
    """Of an item, what is acted on; its parts may come in its last event alone. Items of other kinds have fields of
    these names with something else in them."""

    type: Any = None
    id: Any = None
    call_id: Any = None
    name: Any = None
    arguments: Any = None
    encrypted_content: Any = None
    content: Any = None
    summary: Any = None


class _Response(Outline):
    id: str | None = None
    model: str | None = None
    created_at: int | float | None = None


class _Items(msgspec.Struct):
    output: list[Item] | None = None


class _Event(msgspec.Struct):
    type: str | None = None
    response: Raw = NULL
    item: Raw = NULL
    output_index: int | None = None
    content_index: int | None = None
    summary_index: int | None = None
    delta: Any = None
    text: Any = None
    refusal: Any = None
    arguments: Any = None
    error: Raw = NULL

    def place(self, kind: str) -> Place:
        number = self.summary_index if kind == "summary" else self.content_index
        return self.output_index or 0, kind, number or 0


_read_event: Read[_Event] = reader(_Event)
_read_response: Read[_Response] = reader(_Response)
_read_items: Read[_Items] = reader(_Items)
read_item: Read[Item] = reader(Item)

# The events that say no more than where something begins or ends, or repeat what was said.
STRUCTURE = frozenset(
    f"response.{name}"
    for name in (
        "queued",
        "in_progress",
        "output_item.added",
        "output_item.done",
        "content_part.added",
        "content_part.done",
        "output_text.done",
        "refusal.done",
        "function_call_arguments.done",
        "reasoning_summary_part.added",
        "reasoning_summary_part.done",
        "reasoning_summary_text.done",
        "reasoning_text.done",
    )
)


class OpenAIResponsesDecoder:
    """Tolerates what compatible servers leave out: the first event, deltas before a text that is told whole, and whole
    items that only the last event has. What is told twice is compared."""

    def __init__(self) -> None:
        self.faithful = True
        self._started = self._ended = False
        self._blocks: dict[Place, int] = {}
        self._latest: dict[int, int] = {}
        self._begun: set[int] = set()
        self._sealed: set[int] = set()
        self._told: dict[int, blake2b] = {}

    def decode(self, event: str, data: bytes) -> tuple[ChatEvent, ...]:
        data = data.strip()
        if not data:
            return ()
        if data == b"[DONE]":
            return tuple(self._end())
        try:
            found = _read_event(Raw(data), "")
            kind = found.type or event or ("error" if found.error != NULL else "")
            if "\n" in kind or "\r" in kind:
                raise wrong("type", "expected a name on one line")
            read = _READERS.get(kind)
            events = list(read(self, found, data)) if read is not None else []
        except Malformed as error:
            raise upstream_broken(error) from error
        if read is None or kind in STRUCTURE:
            # A begin stands before what it begins, an end after what it ends.
            place = 0 if kind.endswith(".added") else len(events)
            events.insert(place, _opaque(kind, data))
        return tuple(events)

    def _end(self) -> Events:
        events: Events = [] if self._ended else [StreamEnd()]
        self._ended = True
        return events

    def _block(self, place: Place) -> int:
        """Parts are numbered in the order in which they begin."""
        block = self._latest[place[0]] = self._blocks.setdefault(place, len(self._blocks))
        return block

    def _start(self, event: _Event, data: bytes) -> Iterator[ChatEvent]:
        if self._started or event.response == NULL:
            return
        self._started = True
        response = _read_response(event.response, "response")
        created = int(response.created_at) if response.created_at is not None else None
        yield StreamStart(id=response.id or "", model=response.model or "", created=created)

    def _text(self, event: _Event, data: bytes) -> Iterator[ChatEvent]:
        yield from self._piece(event.place("content"), event.delta, TextDelta)

    def _refusal(self, event: _Event, data: bytes) -> Iterator[ChatEvent]:
        yield from self._piece(event.place("content"), event.delta, _refusal_delta)

    def _summary(self, event: _Event, data: bytes) -> Iterator[ChatEvent]:
        yield from self._piece(event.place("summary"), event.delta, ThinkingDelta)

    def _reasoning(self, event: _Event, data: bytes) -> Iterator[ChatEvent]:
        yield from self._piece(event.place("reasoning"), event.delta, _verbatim)

    def _piece(self, place: Place, text: Any, make: Callable[..., ChatEvent]) -> Iterator[ChatEvent]:
        block, text = self._block(place), _text_of(text)
        told = self._told.get(block)
        if told is None:
            told = self._told[block] = blake2b()
        if text:
            told.update(text.encode())
            yield make(text=text, index=block)

    def _arguments(self, event: _Event, data: bytes) -> Iterator[ChatEvent]:
        yield from self._piece(event.place("call"), event.delta, _arguments_delta)

    def _item_added(self, event: _Event, data: bytes) -> Iterator[ChatEvent]:
        if event.item == NULL:
            return
        yield from self._begin(event.output_index or 0, read_item(event.item, "item"))

    def _begin(self, index: int, item: Item) -> Iterator[ChatEvent]:
        self._begun.add(index)
        if item.type == "function_call":
            block = self._block((index, "call", 0))
            identifier = _text_of(item.call_id) or f"call_{block}"
            yield ToolCallDelta(index=block, id=identifier, name=_text_of(item.name))

    def _item_done(self, event: _Event, data: bytes) -> Iterator[ChatEvent]:
        if event.item != NULL:
            yield from self._finish(event.output_index or 0, read_item(event.item, "item"))

    def _finish(self, index: int, item: Item) -> Iterator[ChatEvent]:
        """Whatever of an item its deltas have not told."""
        if index not in self._begun:
            yield from self._begin(index, item)
        if item.type == "message":
            for number, part in enumerate(_parts_of(item.content)):
                refused = part.get("type") == "refusal"
                text, make = (part.get("refusal"), _refusal_delta) if refused else (part.get("text"), TextDelta)
                yield from self._whole((index, "content", number), text, make)
        elif item.type == "function_call":
            yield from self._whole((index, "call", 0), item.arguments, _arguments_delta)
        elif item.type == "reasoning":
            yield from self._finish_reasoning(index, item)

    def _finish_reasoning(self, index: int, item: Item) -> Iterator[ChatEvent]:
        for number, part in enumerate(_parts_of(item.summary)):
            yield from self._whole((index, "summary", number), part.get("text"), ThinkingDelta)
        for number, part in enumerate(_parts_of(item.content)):
            yield from self._whole((index, "reasoning", number), part.get("text"), _verbatim)
        signature, redacted = unseal(_text_of(item.encrypted_content))
        if (signature is None and redacted is None) or index in self._sealed:
            return
        self._sealed.add(index)
        last = self._latest[index] if index in self._latest else self._block((index, "summary", 0))
        yield ThinkingDelta(signature=signature, redacted=redacted, index=last)

    def _whole(self, place: Place, text: Any, make: Callable[..., ChatEvent]) -> Iterator[ChatEvent]:
        """A text that no delta told, or one that must be what its deltas told."""
        told = self._told.get(self._block(place))
        if told is None:
            yield from self._piece(place, text, make)
        elif blake2b(_text_of(text).encode()).digest() != told.digest():
            self.faithful = False

    def _text_done(self, event: _Event, data: bytes) -> Iterator[ChatEvent]:
        yield from self._whole(event.place("content"), event.text, TextDelta)

    def _refusal_done(self, event: _Event, data: bytes) -> Iterator[ChatEvent]:
        yield from self._whole(event.place("content"), event.refusal, _refusal_delta)

    def _summary_done(self, event: _Event, data: bytes) -> Iterator[ChatEvent]:
        yield from self._whole(event.place("summary"), event.text, ThinkingDelta)

    def _reasoning_done(self, event: _Event, data: bytes) -> Iterator[ChatEvent]:
        yield from self._whole(event.place("reasoning"), event.text, _verbatim)

    def _arguments_done(self, event: _Event, data: bytes) -> Iterator[ChatEvent]:
        yield from self._whole(event.place("call"), event.arguments, _arguments_delta)

    def _over(self, event: _Event, data: bytes) -> Iterator[ChatEvent]:
        yield from self._start(event, data)
        response = _read_response(event.response, "response") if event.response != NULL else _Response()
        items = _read_items(event.response, "response") if event.response != NULL else _Items()
        for index, item in enumerate(items.output or ()):
            yield from self._finish(index, item)
        reason = response.finish_reason()
        yield Finish(reason=reason if reason is not None else "unknown")
        if response.usage is not None:
            yield UsageReport(usage=response.usage.usage())
        yield from self._end()

    def _failed(self, event: _Event, data: bytes) -> Iterator[ChatEvent]:
        if self._ended:
            return
        self._ended = True
        response = _read_response(event.response, "response") if event.response != NULL else _Response()
        if response.usage is not None:
            yield UsageReport(usage=response.usage.usage())
        said = bytes(response.error) if response.error != NULL else data
        code, message = decode_error(said)
        yield StreamFailure(code=code, message=message)


def _text_of(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _parts_of(value: Any) -> list[dict[str, Any]]:
    return [part for part in value if isinstance(part, dict)] if isinstance(value, list) else []


def _refusal_delta(text: str, index: int) -> RefusalDelta:
    return RefusalDelta(text=text)


def _verbatim(text: str, index: int) -> ThinkingDelta:
    return ThinkingDelta(text=text, index=index, verbatim=True)


def _arguments_delta(text: str, index: int) -> ToolCallDelta:
    return ToolCallDelta(arguments=text, index=index)


def _opaque(kind: str, data: bytes) -> OpaqueEvent:
    return OpaqueEvent(format=FORMAT, type=kind, raw=Raw(data), structural=kind in STRUCTURE)


_D = OpenAIResponsesDecoder
_READERS: dict[str, Callable[[OpenAIResponsesDecoder, _Event, bytes], Iterator[ChatEvent]]] = {
    "response.created": _D._start,
    "response.queued": _D._start,
    "response.in_progress": _D._start,
    "response.output_item.added": _D._item_added,
    "response.output_item.done": _D._item_done,
    "response.output_text.delta": _D._text,
    "response.output_text.done": _D._text_done,
    "response.refusal.delta": _D._refusal,
    "response.refusal.done": _D._refusal_done,
    "response.content_part.added": lambda decoder, event, data: iter(()),
    "response.content_part.done": lambda decoder, event, data: iter(()),
    "response.function_call_arguments.delta": _D._arguments,
    "response.function_call_arguments.done": _D._arguments_done,
    "response.reasoning_summary_part.added": lambda decoder, event, data: iter(()),
    "response.reasoning_summary_part.done": lambda decoder, event, data: iter(()),
    "response.reasoning_summary_text.delta": _D._summary,
    "response.reasoning_summary_text.done": _D._summary_done,
    "response.reasoning_text.delta": _D._reasoning,
    "response.reasoning_text.done": _D._reasoning_done,
    "response.completed": _D._over,
    "response.incomplete": _D._over,
    "response.failed": _D._failed,
    "response.cancelled": _D._failed,
    "error": _D._failed,
    "keepalive": lambda decoder, event, data: iter(()),
}
