"""What it takes to keep answers in an upstream's place: reading that it is asked for, putting a conversation in front
of a request, and saying in the answer that it was kept."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec
from msgspec import Raw

from jackfield.errors import Malformed
from jackfield.wire.json import (
    NULL,
    Fields,
    Read,
    encode,
    encoded,
    read_document,
    read_fields_list,
    read_list,
    read_members,
    read_text_or_fields_list,
    reader,
)
from jackfield.wire.openai_responses.responses import COMPLETED, INCOMPLETE
from jackfield.wire.sealing import is_sealed
from jackfield.wire.sse import parse_event, split_events, write_event

_PREFIXES = {"message": "msg", "reasoning": "rs", "function_call": "fc", "function_call_output": "fco"}
# Items whose id means something only to who gave it: they are told whole.
_NAMELESS = frozenset(map(encode, _PREFIXES))
_MESSAGE, _ASSISTANT, _TRUE, _FALSE = Raw(b'"message"'), b'"assistant"', Raw(b"true"), Raw(b"false")
_REASONING = encode("reasoning")
_KEPT_STATUSES = frozenset(map(encode, (COMPLETED, INCOMPLETE)))
_ENDS = frozenset({"response.completed", "response.incomplete"})
# Events that hold the answer as it is so far.
_WITH_ANSWER = _ENDS | {"response.created", "response.in_progress", "response.queued", "response.failed"}


class Wishes(msgspec.Struct, frozen=True):
    """Whether the answer is to be kept, `None` where nothing is said, and the answer that this goes on from."""

    store: bool | None = None
    previous_response_id: str | None = None


_read_wishes: Read[Wishes] = reader(Wishes)


def read_wishes(body: bytes) -> Wishes:
    return _read_wishes(Raw(body), "")


class Turn(msgspec.Struct, frozen=True):
    """One request on its way: `items` are those of the whole conversation, each with an id; `body` asks for the next
    answer to them and mentions nothing that is kept."""

    items: bytes
    body: bytes


def begin_turn(body: bytes, answer: str, former: Iterable[Raw] = (), *, native: bool = False) -> Turn:
    """`former` is the conversation so far, `answer` the id of the answer to come. Where it is asked of upstreams that
    speak this format it is `native`: these take back only the reasoning that they can read. Raises `Malformed`."""
    fields = read_document(body)
    earlier = [_read_item(item, "input") for item in former]
    every = [*earlier, *map(_at_length, _read_said(fields.pop("input", NULL)))]
    items = _named(every, len(earlier), answer)
    fields.pop("previous_response_id", None)
    told = [_nameless(item, native) for item in items if not native or _may_return(item)]
    fields |= {"store": _FALSE, "input": encoded(told)}
    return Turn(encode(items), encode(fields))


def _read_said(raw: Raw) -> list[Fields]:
    if raw == NULL:
        return []
    said = read_text_or_fields_list(raw, "input")
    if isinstance(said, str):
        return [{"type": _MESSAGE, "role": Raw(b'"user"'), "content": _long_content(encoded(said), "input_text")}]
    return said


def _at_length(item: Fields) -> Fields:
    """As the API tells of an item, but for its id."""
    if item.get("type", NULL) == NULL and "role" in item:
        item = {**item, "type": _MESSAGE}
    if bytes(item.get("type", NULL)) != bytes(_MESSAGE):
        return item
    content = item.get("content", NULL)
    if bytes(memoryview(content)[:1]) == b'"':
        said = "output_text" if bytes(item.get("role", NULL)) == _ASSISTANT else "input_text"
        item = {**item, "content": _long_content(content, said)}
    return item if item.get("status", NULL) != NULL else {**item, "status": Raw(b'"completed"')}


def _named(items: list[Fields], earlier: int, answer: str) -> list[Fields]:
    """Each with an id of its own, by which a client asks for the next page: upstreams give the same one again and
    again. Those said now are numbered from 0, and the `earlier` ones after them."""
    seen: set[str] = set()
    named = []
    for place, item in enumerate(items):
        name = _text_of(item.get("id", NULL))
        if not name or name in seen:
            prefix = _PREFIXES.get(_text_of(item.get("type", NULL)), "item")
            name = f"{prefix}_{answer.removeprefix('resp_')}_{(place - earlier) % len(items)}"
            item = {**item, "id": encoded(name)}
        seen.add(name)
        named.append(item)
    return named


def _long_content(text: Raw, kind: str) -> Raw:
    return encoded([{"type": kind, "text": text}])


def _text_of(raw: Raw) -> str:
    try:
        return msgspec.json.decode(raw, type=str)
    except (msgspec.DecodeError, UnicodeError):
        return ""


_read_item: Read[Fields] = reader(Fields)


def _nameless(item: Fields, native: bool) -> Fields:
    kind = bytes(item.get("type", NULL))
    if kind not in _NAMELESS or (native and kind == _REASONING):
        return item
    return {name: raw for name, raw in item.items() if name not in ("id", "status")}


def _may_return(item: Fields) -> bool:
    """Reasoning must hold what the upstream encrypted, and what another kind of upstream signed is not that."""
    if bytes(item.get("type", NULL)) != _REASONING:
        return True
    encrypted = _text_of(item.get("encrypted_content", NULL))
    return bool(encrypted) and not is_sealed(encrypted)


def conversation(items: bytes, body: bytes) -> list[Raw]:
    """What was said up to an answer, and the answer itself."""
    return [*read_list(Raw(items), "items"), *read_list(read_members(body).get("output", NULL), "output")]


class Marks(msgspec.Struct, frozen=True):
    """What an answer says of its being kept. Without an `id` it keeps its own."""

    id: str | None
    previous: str | None
    store: bool

    def put(self, answer: Fields) -> Fields:
        told = {**answer, "store": _TRUE if self.store else _FALSE, "previous_response_id": encoded(self.previous)}
        return told if self.id is None else {**told, "id": encoded(self.id)}


def read_answer(body: bytes) -> Fields | None:
    """An answer that may be kept: one that is an object, and over."""
    try:
        answer = read_members(body)
    except Malformed:
        return None
    return answer if bytes(answer.get("status", NULL)) in _KEPT_STATUSES else None


class AnswerEvent(msgspec.Struct, frozen=True):
    """An event of a stream that repeats the answer, which is over where it `ends`."""

    name: str
    event: Fields
    answer: Fields
    ends: bool

    def with_answer(self, answer: Fields) -> bytes:
        return write_event(encode({**self.event, "response": encoded(answer)}), self.name)


def split_answers(piece: bytes) -> list[bytes | AnswerEvent]:
    """Whole events of a stream: those that repeat the answer, and the bytes between them."""
    found: list[bytes | AnswerEvent] = []
    for raw in split_events(piece) if b'"response"' in piece else (piece,):
        told = _read_event(raw)
        if told is None and found and isinstance(found[-1], bytes):
            found[-1] += raw
        else:
            found.append(raw if told is None else told)
    return found


def _read_event(raw: bytes) -> AnswerEvent | None:
    if b'"response"' not in raw:
        return None
    sent = parse_event(raw)
    try:
        event = read_members(sent.data)
        name = sent.event or _text_of(event.get("type", NULL))
        if name not in _WITH_ANSWER:
            return None
        return AnswerEvent(name, event, read_members(bytes(event.get("response", NULL))), name in _ENDS)
    except Malformed:
        return None


class Listing(msgspec.Struct, frozen=True):
    """Which of the items are wanted: `limit` of them, beginning `after` the one with that id."""

    limit: int = 20
    after: str | None = None
    newest_first: bool = True


def list_items(items: bytes, wanted: Listing) -> bytes:
    """Raises `Malformed` where there is no item to begin after."""
    every = [(_text_of(fields.get("id", NULL)), fields) for fields in read_fields_list(Raw(items), "items")]
    if wanted.newest_first:
        every.reverse()
    if wanted.after is not None:
        places = [place for place, (name, _) in enumerate(every) if name == wanted.after]
        if not places:
            raise Malformed("after: the response has no such item", param="after")
        every = every[places[0] + 1 :]
    shown: list[tuple[str, Any]] = every[: wanted.limit]
    return encode(
        {
            "object": "list",
            "data": [fields for _, fields in shown],
            "first_id": shown[0][0] if shown else None,
            "last_id": shown[-1][0] if shown else None,
            "has_more": len(every) > len(shown),
        }
    )
