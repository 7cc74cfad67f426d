"""The conversation on its way to an upstream: `instructions` and `input`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from jackfield.wire.chat import Message, Part, Text, ToolResult
from jackfield.wire.crossing import Body, Crossing
from jackfield.wire.json import NULL
from jackfield.wire.openai_responses.output import put_item, write_said
from jackfield.wire.openai_responses.parts import write_input

# Remembers, in a message's `extra`, that it was the request's instructions and no item of its input.
INSTRUCTIONS = "instructions"


def write_conversation(messages: tuple[Message, ...], crossing: Crossing) -> tuple[str | None, str | list[Any]]:
    place = _place_of_instructions(messages, crossing)
    items: list[Any] = []
    for index, message in enumerate(messages):
        if index != place:
            items += _write_turn(message, crossing)
    instructions = messages[place].text() if place is not None else None
    return instructions, _short(items) if crossing.own else items


def _place_of_instructions(messages: tuple[Message, ...], crossing: Crossing) -> int | None:
    """Where the client's own stand; of another format's messages the first, where it instructs and is a text alone."""
    if crossing.own:
        return next((place for place, message in enumerate(messages) if INSTRUCTIONS in message.extra), None)
    if not messages or messages[0].role != "system" or messages[0].name is not None or messages[0].extra:
        return None
    part = messages[0].parts[0] if len(messages[0].parts) == 1 else None
    plain = isinstance(part, Text) and part.cache is None and not part.extra
    return 0 if plain else None


def _short(items: list[Any]) -> str | list[Any]:
    """One text of the user's alone."""
    only = items[0] if len(items) == 1 else None
    if isinstance(only, dict) and only.keys() == {"type", "role", "content"} and only["role"] == "user":
        content = only["content"]
        return content if isinstance(content, str) else items
    return items


def _write_turn(message: Message, crossing: Crossing) -> list[Any]:
    """Results are items of their own, before what else stands in their message."""
    if message.name is not None:
        crossing.drop("messages[].name")
    if message.role == "assistant":
        items = write_said(message.parts, crossing)
        _report(message, crossing)
        return items
    results = [_write_result(part, crossing) for part in message.parts if isinstance(part, ToolResult)]
    rest = [part for part in message.parts if not isinstance(part, ToolResult)]
    if results and not rest:
        _report(message, crossing)
        return results
    return [*results, _write_message(message, rest, crossing)]


def _report(message: Message, crossing: Crossing) -> None:
    for name, raw in message.extra.items():
        if raw != NULL:
            crossing.drop(f"messages[].{name}")


def _write_message(message: Message, parts: Iterable[Part], crossing: Crossing) -> Body:
    role = "user" if message.role == "tool" else message.role
    body: Body = {"type": "message", "role": role, "content": write_input(parts, crossing)}
    put_item(body, message.item)
    crossing.add_extra(body, message.extra, "messages[].")
    return body


def _write_result(part: ToolResult, crossing: Crossing) -> Body:
    body: Body = {
        "type": "function_call_output",
        "call_id": part.tool_call_id,
        "output": write_input(part.parts, crossing),
    }
    put_item(body, part.item)
    if part.is_error:
        crossing.drop("content.is_error")
    if part.cache is not None:
        crossing.drop("content.cache_control")
    crossing.add_extra(body, part.extra, "content.")
    return body
