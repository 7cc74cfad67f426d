"""The items of a stream being written, and the events that tell of them.

Several may be open at once, since every event says which it belongs to. A message or reasoning ends where anything else
begins; a call ends once its arguments are whole and another item begins, as the pieces of parallel calls may alternate.
"""

from __future__ import annotations

from itertools import islice
from typing import Literal

import msgspec
from msgspec import Raw

from jackfield.wire.crossing import Body
from jackfield.wire.json import encode
from jackfield.wire.openai_responses.output import NO_ARGUMENTS, item_id
from jackfield.wire.sse import write_event

ItemKind = Literal["message", "reasoning", "function_call", "opaque"]
PieceKind = Literal["text", "refusal", "summary", "reasoning"]

_is_object = msgspec.json.Decoder(dict[str, Raw]).decode
_MOST_SEARCHES = 64
_MOST_OPEN = 8  # of the open calls, how many may be found to be over before the end

# Of each kind of part: its own type, the field of its text, and the events of its text and of itself.
_PARTS: dict[PieceKind, tuple[str, str, str, str]] = {
    "text": ("output_text", "text", "output_text", "content_part"),
    "refusal": ("refusal", "refusal", "refusal", "content_part"),
    "summary": ("summary_text", "text", "reasoning_summary_text", "reasoning_summary_part"),
    "reasoning": ("reasoning_text", "text", "reasoning_text", "content_part"),
}


class Line:
    """Numbers the events of one stream."""

    __slots__ = ("sequence",)

    def __init__(self) -> None:
        self.sequence = 0

    def write(self, kind: str, body: Body) -> bytes:
        number = self.sequence
        self.sequence += 1
        return write_event(encode({"type": kind, "sequence_number": number, **body}), kind)


class Piece:
    """One part of an item. `source` is the index that canonical events give it; `None` until one came."""

    __slots__ = ("kind", "number", "source", "texts")

    def __init__(self, kind: PieceKind, number: int, source: int | None) -> None:
        self.kind, self.number, self.source = kind, number, source
        self.texts: list[str] = []

    def part(self, text: str) -> Body:
        kind, field, _, _ = _PARTS[self.kind]
        lists: Body = {"annotations": [], "logprobs": []} if self.kind == "text" else {}
        return {"type": kind, field: text, **lists}


class OutputItem:
    __slots__ = (
        "_searched",
        "_size",
        "arguments",
        "call_id",
        "encrypted",
        "id",
        "kind",
        "name",
        "open_piece",
        "pieces",
        "place",
        "raw",
    )

    def __init__(self, kind: ItemKind, place: int, identifier: str) -> None:
        self.kind, self.place, self.id = kind, place, identifier
        self.call_id = self.name = ""
        self.arguments: list[str] = []
        self.encrypted: str | None = None
        self.pieces: list[Piece] = []
        self.open_piece: Piece | None = None
        self.raw: Raw | None = None
        self._size = self._searched = 0

    @property
    def where(self) -> Body:
        return {"item_id": self.id, "output_index": self.place}

    def body(self, status: str) -> Body | Raw:
        if self.raw is not None:
            return self.raw
        if self.kind == "function_call":
            return {
                "id": self.id,
                "type": "function_call",
                "status": status,
                "arguments": "".join(self.arguments),
                "call_id": self.call_id,
                "name": self.name,
            }
        parts = [(piece.kind, piece.part("".join(piece.texts))) for piece in self.pieces]
        if self.kind == "message":
            content = [part for _, part in parts]
            return {"id": self.id, "type": "message", "status": status, "role": "assistant", "content": content}
        summary = [part for kind, part in parts if kind == "summary"]
        body: Body = {"id": self.id, "type": "reasoning", "summary": summary}
        if len(parts) > len(summary):
            body["content"] = [part for kind, part in parts if kind != "summary"]
        if self.encrypted is not None:
            body["encrypted_content"] = self.encrypted
        return body

    def add(self, arguments: str) -> None:
        self.arguments.append(arguments)
        self._size += len(arguments)

    def is_whole(self) -> bool:
        """Arguments in very many pieces are not looked through each time something else begins."""
        if self._searched > _MOST_SEARCHES * self._size:
            return False
        self._searched += self._size
        try:
            _is_object("".join(self.arguments))
        except (msgspec.DecodeError, UnicodeError, RecursionError):
            return False
        return True


class Output:
    """All items of one stream. `identifier` is the answer's."""

    def __init__(self, line: Line, identifier: str) -> None:
        self.identifier = identifier
        self._line = line
        self._next = 0
        self._written: OutputItem | None = None
        # Open calls by their source's index; and where to look for those that an upstream of this format closes.
        self._calls: dict[int, OutputItem] = {}
        self._by_id: dict[str, int] = {}
        self._by_place: dict[int, int] = {}
        self._done: dict[int, Body | Raw] = {}
        # The ids that the upstream gave, where it is one of this format.
        self.named: dict[str, str] = {}

    def items(self) -> list[Body | Raw]:
        """What is over, in its order."""
        return [self._done[place] for place in sorted(self._done)]

    def written(self, kind: Literal["message", "reasoning"]) -> tuple[OutputItem, bytes]:
        """The open message or reasoning, begun where none is; and the events of that."""
        item = self._written
        if item is not None and item.kind == kind:
            return item, b""
        closed = self._make_room()
        item = self._written = self._new(kind)
        return item, closed + self._added(item)

    def piece(self, item: OutputItem, kind: PieceKind, source: int) -> tuple[Piece, bytes]:
        piece = item.open_piece
        if piece is not None and piece.kind == kind and piece.source in (None, source):
            piece.source = source
            return piece, b""
        closed = self._close_piece(item)
        own = sum(1 for piece in item.pieces if (piece.kind == "summary") == (kind == "summary"))
        piece = item.open_piece = Piece(kind, own, source)
        item.pieces.append(piece)
        added = self._line.write(f"response.{_PARTS[kind][3]}.added", {**_place(item, piece), "part": piece.part("")})
        return piece, closed + added

    def delta(self, item: OutputItem, piece: Piece, text: str) -> bytes:
        piece.texts.append(text)
        logprobs: Body = {"logprobs": []} if piece.kind == "text" else {}
        body = {**_place(item, piece), "delta": text, **logprobs}
        return self._line.write(f"response.{_PARTS[piece.kind][2]}.delta", body)

    def call(self, source: int) -> OutputItem | None:
        return self._calls.get(source)

    def begin_call(self, source: int, call_id: str, name: str) -> tuple[OutputItem, bytes]:
        closed = self._make_room()
        item = self._calls[source] = self._new("function_call")
        item.call_id, item.name = call_id or f"call_{item.place}", name
        self._by_id[item.call_id] = source
        return item, closed + self._added(item)

    def arguments(self, item: OutputItem, arguments: str) -> bytes:
        item.add(arguments)
        return self._line.write("response.function_call_arguments.delta", {**item.where, "delta": arguments})

    def seal(self, item: OutputItem, encrypted: str | None) -> bytes:
        """What is encrypted ends its item."""
        item.encrypted = encrypted
        return self.close_written("reasoning")

    def close_written(self, kind: str, status: str = "completed") -> bytes:
        item = self._written
        if item is None or item.kind != kind:
            return b""
        self._written = None
        return self._close_piece(item) + self._over(item, status)

    def close_call(self, call_id: str) -> bytes:
        source = self._by_id.get(call_id)
        return b"" if source is None or source not in self._calls else self._close_call(source, "completed")

    def close(self, status: str) -> bytes:
        """Everything that is open; only the last item has this status."""
        open_places = [item.place for item in (self._written, *self._calls.values()) if item is not None]
        last = max(open_places, default=-1)
        written: list[bytes] = []
        if (item := self._written) is not None:
            written.append(self.close_written(item.kind, status if item.place == last else "completed"))
        for source in tuple(self._calls):
            own = status if self._calls[source].place == last else "completed"
            written.append(self._close_call(source, own))
        return b"".join(written)

    def pass_on(self, added: bool, raw_item: Raw, place: int | None) -> tuple[int, bytes]:
        """An item that only this format has, as its upstream wrote it; its place in what is written."""
        closed = b""
        if place is None:
            closed = self._make_room()
            place, self._next = self._next, self._next + 1
        if not added:
            self._done[place] = raw_item
        kind = "added" if added else "done"
        return place, closed + self._line.write(
            f"response.output_item.{kind}", {"output_index": place, "item": raw_item}
        )

    def observe_item(self, kind: ItemKind, place: int, identifier: str) -> OutputItem:
        """One whose beginning was forwarded."""
        self._next = max(self._next, place + 1)
        item = OutputItem(kind, place, identifier)
        if kind in ("message", "reasoning"):
            self._written = item
        return item

    def observe_call(self, source: int, item: OutputItem) -> None:
        self._calls[source] = item
        self._by_id[item.call_id] = self._by_place[item.place] = source

    def observe_done(self, place: int, raw: Raw) -> None:
        self._done[place] = raw
        if self._written is not None and self._written.place == place:
            self._written = None
        if (source := self._by_place.pop(place, None)) is not None:
            self._calls.pop(source, None)

    @property
    def open_item(self) -> OutputItem | None:
        return self._written

    def _new(self, kind: Literal["message", "reasoning", "function_call"]) -> OutputItem:
        place, self._next = self._next, self._next + 1
        return OutputItem(kind, place, self.named.pop(kind, "") or item_id(kind, self.identifier, place))

    def _added(self, item: OutputItem) -> bytes:
        body = {"output_index": item.place, "item": item.body("in_progress")}
        return self._line.write("response.output_item.added", body)

    def _make_room(self) -> bytes:
        written = b"" if self._written is None else self.close_written(self._written.kind)
        latest = tuple(islice(reversed(self._calls), _MOST_OPEN))
        whole = [source for source in reversed(latest) if self._calls[source].is_whole()]
        return written + b"".join([self._close_call(source, "completed") for source in whole])

    def _close_piece(self, item: OutputItem) -> bytes:
        piece, item.open_piece = item.open_piece, None
        if piece is None:
            return b""
        _, field, told, part = _PARTS[piece.kind]
        text, where = "".join(piece.texts), _place(item, piece)
        logprobs: Body = {"logprobs": []} if piece.kind == "text" else {}
        done = self._line.write(f"response.{told}.done", {**where, field: text, **logprobs})
        return done + self._line.write(f"response.{part}.done", {**where, "part": piece.part(text)})

    def _close_call(self, source: int, status: str) -> bytes:
        item = self._calls.pop(source)
        empty = b"" if item.arguments or status != "completed" else self.arguments(item, NO_ARGUMENTS)
        body = {**item.where, "name": item.name, "arguments": "".join(item.arguments)}
        done = self._line.write("response.function_call_arguments.done", body)
        return empty + done + self._over(item, status)

    def _over(self, item: OutputItem, status: str) -> bytes:
        body = self._done[item.place] = item.body(status)
        return self._line.write("response.output_item.done", {"output_index": item.place, "item": body})


def _place(item: OutputItem, piece: Piece) -> Body:
    number = "summary_index" if piece.kind == "summary" else "content_index"
    return {"item_id": item.id, "output_index": item.place, number: piece.number}
