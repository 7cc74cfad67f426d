"""Writing what a model said as items."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, TypeGuard, TypeVar

from msgspec import Raw
from msgspec.structs import replace

from jackfield.wire.chat import Extra, Item, Opaque, Part, Refusal, Text, Thinking, ToolCall, freeze
from jackfield.wire.crossing import Body, Crossing
from jackfield.wire.openai_responses.items import ITEM
from jackfield.wire.openai_responses.parts import FORMAT, is_within, write_output_text, write_part
from jackfield.wire.sealing import is_encrypted, seal

_Said = TypeVar("_Said", bound=Part)

NO_ARGUMENTS = "{}"  # clients read what other formats may leave empty
_OF_ITEM = f"{ITEM}."
_MOST_ID = 40  # of an answer's id within an item's: the API takes ids of up to 64 characters
_PREFIXES = {"message": "msg", "reasoning": "rs", "function_call": "fc"}


def item_id(kind: str, answer: str, place: int) -> str:
    """The same for the same answer, and no other answer's."""
    return f"{_PREFIXES[kind]}_{answer[-_MOST_ID:]}_{place}"


def write_output(parts: Iterable[Part], answer: str, crossing: Crossing, status: str) -> list[Any]:
    """The items of an answer with this id; the last has its `status`, those before it are complete."""
    groups = list(_groups(parts))
    items: list[Any] = []
    for group in groups:
        item = _write_item(group, crossing)
        if isinstance(item, dict):
            item.setdefault("id", item_id(item["type"], answer, len(items)))
            if item["type"] != "reasoning":
                item.setdefault("status", status if group is groups[-1] else "completed")
        if item is not None:
            items.append(item)
    return items


def write_said(parts: Iterable[Part], crossing: Crossing) -> list[Any]:
    """The items of a model's turn in a request."""
    items: list[Any] = []
    for group in _groups(parts):
        if not crossing.own and isinstance(group[0], Thinking) and not _may_return(group):
            crossing.drop("messages[].thinking")
        elif (short := _short(group)) is not None:
            items.append({"type": "message", "role": "assistant", "content": short})
        elif (item := _write_item(group, crossing)) is not None:
            items.append(item)
    return items


def _may_return(group: list[Part]) -> bool:
    """Whether it is reasoning that an upstream of this format encrypted: it takes no other."""
    return any(isinstance(part, Thinking) and is_encrypted(part) for part in group)


def _short(group: list[Part]) -> str | None:
    """A message that is one text and nothing more."""
    part = group[0]
    plain = len(group) == 1 and isinstance(part, Text) and part.item is None and not part.extra and part.cache is None
    return part.text if plain and isinstance(part, Text) else None


def _groups(parts: Iterable[Part]) -> Iterator[list[Part]]:
    """The parts that share an item."""
    group: list[Part] = []
    for part in parts:
        if group and not _share_item(group[-1], part):
            yield group
            group = []
        group.append(part)
    if group:
        yield group


def _share_item(before: Part, part: Part) -> bool:
    if is_within(before) and is_within(part):
        of, to = _item_of(before), _item_of(part)
        return (of == to or not _is_text(before) or not _is_text(part)) and not _begins_item(part)
    if not isinstance(before, Thinking) or not isinstance(part, Thinking):
        return False
    return before.item == part.item and not (before.signature or before.redacted is not None or part.redacted)


def _is_text(part: Part) -> TypeGuard[Text | Refusal]:
    """Only texts know their item."""
    return isinstance(part, Text | Refusal)


def _item_of(part: Part) -> Item | None:
    return part.item if _is_text(part) else None


def _begins_item(part: Part) -> bool:
    """Whether it has fields of its item, as only one part of each does."""
    return isinstance(part, Text | Refusal | Thinking) and any(name.startswith(_OF_ITEM) for name in part.extra)


def _write_item(group: list[Part], crossing: Crossing) -> Body | Raw | None:
    part = group[0]
    if isinstance(part, ToolCall):
        return _write_call(part, crossing)
    if isinstance(part, Thinking):
        return _write_reasoning([thought for thought in group if isinstance(thought, Thinking)], crossing)
    if is_within(part):
        return _write_message(group, crossing)
    if isinstance(part, Opaque) and part.format == FORMAT:
        return part.raw
    crossing.drop(f"content.{part.type if isinstance(part, Opaque) else type(part).__name__.lower()}")
    return None


def put_item(body: Body, item: Item | None) -> None:
    if item is not None and item.id is not None:
        body["id"] = item.id
    if item is not None and item.status is not None:
        body["status"] = item.status


def _write_call(part: ToolCall, crossing: Crossing) -> Body:
    arguments = part.arguments if crossing.own else part.arguments or NO_ARGUMENTS
    body: Body = {"type": "function_call", "call_id": part.id, "name": part.name, "arguments": arguments}
    put_item(body, part.item)
    if part.cache is not None:
        crossing.drop("content.cache_control")
    crossing.add_extra(body, part.extra, "tool_calls[].")
    return body


def _put_fields_of_item(body: Body, part: _Said, crossing: Crossing) -> _Said:
    """Puts what stands with a part for its item where it belongs; the part without it."""
    if not crossing.own or not _begins_item(part):
        return part
    extra: Extra = part.extra  # type: ignore[union-attr]
    body |= {name.removeprefix(_OF_ITEM): raw for name, raw in extra.items() if name.startswith(_OF_ITEM)}
    own = {name: raw for name, raw in extra.items() if not name.startswith(_OF_ITEM)}
    return replace(part, extra=freeze(own))


def _write_message(group: list[Part], crossing: Crossing) -> Body:
    body: Body = {"type": "message", "role": "assistant", "content": []}
    put_item(body, next((item for part in group if (item := _item_of(part)) is not None), None))
    for part in group:
        part = _put_fields_of_item(body, part, crossing)
        written = write_output_text(part, crossing) if isinstance(part, Text) else write_part(part, crossing)
        if written is not None:
            body["content"].append(written)
    return body


def _write_reasoning(group: list[Thinking], crossing: Crossing) -> Body | None:
    """One that says nothing is left out, unless the upstream knows it by its id."""
    told = [part for part in group if part.text or (crossing.own and len(group) > 1)]
    encrypted = seal(group[-1].signature, group[-1].redacted)
    if not told and encrypted is None and not (crossing.own and group[0].item):
        return None
    body: Body = {"type": "reasoning", "summary": [_summary(part) for part in told if not part.verbatim]}
    put_item(body, group[0].item)
    if verbatim := [{"type": "reasoning_text", "text": part.text} for part in told if part.verbatim]:
        body["content"] = verbatim
    if encrypted is not None:
        body["encrypted_content"] = encrypted
    for part in group:
        own = _put_fields_of_item(body, part, crossing)
        crossing.add_extra(body, own.extra, "content.thinking.")
    return body


def _summary(part: Thinking) -> Body:
    return {"type": "summary_text", "text": part.text}
