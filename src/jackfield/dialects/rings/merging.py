"""Putting an edit that was made in one format into a value that was read from another.

The value was written as an OpenAI body (`before`), and the body was changed (`after`). What the change left alone is
taken from the value itself, with all that an OpenAI body has no place for: caching marks, signatures, unknown fields.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import zip_longest
from typing import Any, TypeVar

import msgspec

from jackfield.wire.chat import ChatRequest, ChatResponse, Message, Part, Text, ToolResult
from jackfield.wire.crossing import Crossing
from jackfield.wire.json import encoded
from jackfield.wire.openai_chat.messages import read_messages, write_messages
from jackfield.wire.openai_chat.parts import FORMAT, SPREAD

V = TypeVar("V", bound=msgspec.Struct)
# What belongs to the format of the value as a whole, and means nothing beside another one's.
_OF_THE_FORMAT = frozenset({"format", "extra"})


def merge_request(original: ChatRequest, before: ChatRequest, after: ChatRequest) -> ChatRequest:
    """`after`, in the format of `original`. Unknown fields that were added are not carried over: the format of the
    original would not know them."""
    merged = merge(original, before, msgspec.structs.replace(after, messages=before.messages))
    if after.messages == before.messages:
        return merged
    return msgspec.structs.replace(merged, messages=_merge_messages(original.messages, after.messages, original.format))


def merge_response(original: ChatResponse, before: ChatResponse, after: ChatResponse) -> ChatResponse:
    return merge(original, before, after)


def merge(original: V, before: V, after: V) -> V:
    """Field by field, as deep as the three are alike."""
    if after == before:
        return original
    if not type(original) is type(before) is type(after):
        return after
    changed = {}
    for name in type(original).__struct_fields__:
        was, now = getattr(before, name), getattr(after, name)
        if name not in _OF_THE_FORMAT and was != now:
            changed[name] = _merge_value(getattr(original, name), was, now)
    return msgspec.structs.replace(original, **changed)


def _merge_value(original: Any, before: Any, after: Any) -> Any:
    if isinstance(original, msgspec.Struct) and before is not None and after is not None:
        return merge(original, before, after)
    if isinstance(original, tuple):
        if len(original) == len(before) == len(after):
            return tuple(_merge_value(*three) for three in zip(original, before, after, strict=True))
        return _merge_texts(original, before, after)
    return after


def _merge_texts(original: tuple[Any, ...], before: tuple[Any, ...], after: tuple[Any, ...]) -> tuple[Any, ...]:
    """Parts of which there are more in the original, since the OpenAI form has one text for several. Where only texts
    changed, all the others stay, and the new text stands where the first one did."""
    if _without_texts(before) != _without_texts(after):
        return after
    others, texts = _without_texts(original), tuple(part for part in after if isinstance(part, Text))
    first = next((place for place, part in enumerate(original) if isinstance(part, Text)), len(original))
    return (*others[:first], *texts, *others[first:])


def _without_texts(parts: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple(part for part in parts if not isinstance(part, Text))


def _merge_messages(original: Sequence[Message], after: Sequence[Message], source: str) -> tuple[Message, ...]:
    """Messages before and after the edited ones stay as they are; one may have been written as several."""
    groups = [_as_written(message, source) for message in original]
    flat = [message for group in groups for message in group]
    head = _common(flat, after)
    tail = min(_common(flat[::-1], after[::-1]), len(flat) - head, len(after) - head)
    first, head = _whole_groups(groups, head)
    last, tail = _whole_groups(groups[first:][::-1], tail)
    edited = after[head : len(after) - tail]
    kept = original[len(original) - last :] if last else ()
    middle = range(first, len(original) - last)
    return (*original[:first], *_merge_edited([(original[i], groups[i]) for i in middle], edited), *kept)


def _merge_edited(pairs: Sequence[tuple[Message, Sequence[Message]]], after: Sequence[Message]) -> Iterator[Message]:
    """One to one where as many came back as were written."""
    if sum(len(group) for _, group in pairs) != len(after):
        yield from after
        return
    place = 0
    for message, group in pairs:
        now = after[place : place + len(group)]
        place += len(group)
        if list(now) == list(group):
            yield message
        elif len(group) == 1:
            yield merge(message, group[0], now[0])
        else:
            yield from _merge_group(message, group, now)


def _merge_group(message: Message, group: Sequence[Message], now: Sequence[Message]) -> Iterator[Message]:
    """A message that was written as several: each of its tool's results as one, and the rest as the last. It stays one
    where each of them is still what it was."""
    results = [part for part in message.parts if isinstance(part, ToolResult)]
    rest: tuple[Part, ...] = tuple(part for part in message.parts if not isinstance(part, ToolResult))
    edited = [merge(part, *_results(was, new)) for part, was, new in zip(results, group, now, strict=False)]
    was, new = group[len(results) :], now[len(results) :]
    alike = [one.role for one in group] == [one.role for one in now] and len(was) <= 1
    if not (alike and all(isinstance(part, ToolResult) for part in edited)):
        yield from now
        return
    if was:
        moved = max(len(was[0].parts) - len(rest), 0)
        if was[0].parts[:moved] == new[0].parts[:moved]:
            rest = _merge_value(rest, was[0].parts[moved:], new[0].parts[moved:])
        else:
            rest, edited = new[0].parts, [_only_texts(part) for part in edited]
    yield msgspec.structs.replace(message, parts=_in_places(message.parts, edited, rest))


def _results(was: Message, new: Message) -> tuple[Any, Any]:
    """The parts of two messages, where both are the result of a tool; else what no part is merged with."""
    if was.role == new.role == "tool" and len(was.parts) == len(new.parts) == 1:
        return was.parts[0], new.parts[0]
    return None, new


def _only_texts(result: ToolResult) -> ToolResult:
    """Without what was written in the message after it, such as images, and was changed there."""
    return msgspec.structs.replace(result, parts=tuple(part for part in result.parts if isinstance(part, Text)))


def _in_places(parts: Sequence[Part], results: Sequence[Part], rest: Sequence[Part]) -> tuple[Part, ...]:
    """Results where results stood, and the rest where the rest began."""
    first = next((place for place, part in enumerate(parts) if not isinstance(part, ToolResult)), len(parts))
    before = sum(isinstance(part, ToolResult) for part in parts[:first])
    return (*results[:before], *rest, *results[before:])


def _as_written(message: Message, source: str) -> Sequence[Message]:
    body = write_messages((message,), Crossing(source, FORMAT, SPREAD))
    return read_messages(encoded(body), "messages") if body else ()


def _common(one: Sequence[Message], other: Sequence[Message]) -> int:
    """How many are equal from the start."""
    for count, (left, right) in enumerate(zip_longest(one, other)):
        if left is None or right is None or left != right:
            return count
    return len(one)


def _whole_groups(groups: Sequence[Sequence[Message]], messages: int) -> tuple[int, int]:
    """How many groups lie within the first so many messages, and how many messages they are."""
    count = size = 0
    for group in groups:
        if size + len(group) > messages:
            break
        count, size = count + 1, size + len(group)
    return count, size
