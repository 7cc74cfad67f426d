"""The conversation, both ways."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from msgspec import Raw
from msgspec.structs import replace

from jackfield.wire.anthropic_messages.blocks import content_of, text_block
from jackfield.wire.anthropic_messages.parts import read_parts
from jackfield.wire.chat import (
    NOTHING,
    Extra,
    Message,
    Part,
    Role,
    Text,
    Thinking,
    ToolResult,
)
from jackfield.wire.crossing import Body, Crossing, extra_of
from jackfield.wire.json import NULL, Fields, read_fields_list, read_text, wrong
from jackfield.wire.sealing import is_encrypted

_ROLES: dict[str, Role] = {"user": "user", "assistant": "assistant", "system": "system"}
_USER = Raw(b'"user"')
_SYSTEM_ROLES = ("system", "developer")


def read_system(raw: Raw, path: str) -> Message:
    parts = read_parts(raw, path)
    for index, part in enumerate(parts):
        if not isinstance(part, Text):
            raise wrong(f"{path}[{index}].type", "expected text")
    return Message(role="system", parts=parts)


def read_messages(raw: Raw, path: str) -> tuple[Message, ...]:
    messages = read_fields_list(raw, path)
    if not messages:
        raise wrong(path, "expected at least one message")
    return tuple(_read_message(fields, f"{path}[{index}]") for index, fields in enumerate(messages))


def _read_message(fields: Fields, path: str) -> Message:
    raw_role, content = fields.pop("role", NULL), fields.pop("content", NULL)
    role = "user" if raw_role == _USER else _read_role(raw_role, path)
    if content == NULL:
        raise wrong(f"{path}.content", "required")
    parts = read_parts(content, f"{path}.content")
    if role == "user" and parts and _is_results(parts):
        role = "tool"
    return Message(role=role, parts=parts, extra=extra_of(fields, "", {}) if fields else NOTHING)


def _is_results(parts: tuple[Part, ...]) -> bool:
    return isinstance(parts[0], ToolResult) and all(isinstance(part, ToolResult) for part in parts)


def _read_role(raw: Raw, path: str) -> Role:
    if raw == NULL:
        raise wrong(f"{path}.role", "required")
    role = _ROLES.get(read_text(raw, f"{path}.role"))
    if role is None:
        raise wrong(f"{path}.role", "expected user, assistant or system")
    return role


class _Turn:
    """`closed`: what follows of the same role stays a message of its own."""

    __slots__ = ("closed", "extra", "joined", "parts", "role")

    def __init__(self, role: str, parts: Iterable[Part], extra: Extra, *, closed: bool) -> None:
        self.role = role
        self.parts = list(parts)
        self.extra = extra
        self.closed = closed
        self.joined = False

    def join(self, later: _Turn) -> None:
        self.parts += later.parts
        if later.extra:
            self.extra = {**self.extra, **later.extra}
        self.closed = later.closed
        self.joined = True

    def ordered(self) -> tuple[Part, ...]:
        """The results of parallel tool calls stand before anything else in their message."""
        if not self.joined:
            return tuple(self.parts)
        return tuple(sorted(self.parts, key=lambda part: not isinstance(part, ToolResult)))


def write_conversation(messages: tuple[Message, ...], crossing: Crossing) -> tuple[str | list[Any] | None, list[Body]]:
    """The `system` prompt and the messages. System messages of other formats are all hoisted, in their
    order; the client's own that stand after the first turn stay there, as this format allows."""
    system, rest = _hoist(messages, crossing)
    turns: list[_Turn] = []
    for message in rest:
        turn = _turn_of(message, crossing)
        if turn.parts or (crossing.own and not message.parts):
            _add_turn(turns, turn)
    return _write_system(system, crossing), [_write_turn(turn, crossing) for turn in turns]


def _hoist(messages: tuple[Message, ...], crossing: Crossing) -> tuple[list[Message], list[Message]]:
    system: list[Message] = []
    rest: list[Message] = []
    for message in messages:
        in_place = crossing.own and rest
        (system if message.role in _SYSTEM_ROLES and not in_place else rest).append(message)
    if not rest and system and not crossing.own:
        # This format demands a turn. Where there is nothing but instructions, the last of them is it.
        rest.append(replace(system.pop(), role="user"))
    return system, rest


def _write_system(messages: list[Message], crossing: Crossing) -> str | list[Any] | None:
    blocks: list[Any] = []
    for message in messages:
        _report_name(message, crossing)
        for name, raw in message.extra.items():
            if raw != NULL:
                crossing.drop(f"messages[].{name}")
        blocks += _system_blocks(message.parts, crossing)
    if len(blocks) == 1 and blocks[0].keys() == {"type", "text"}:
        return str(blocks[0]["text"])
    return blocks or None


def _system_blocks(parts: tuple[Part, ...], crossing: Crossing) -> list[Body]:
    blocks: list[Body] = []
    for part in parts:
        if not isinstance(part, Text):
            crossing.drop(f"system.{type(part).__name__.lower()}")
        elif part.text or crossing.own:
            blocks.append(text_block(part, crossing))
    return blocks


def _report_name(message: Message, crossing: Crossing) -> None:
    if message.name is not None:
        crossing.drop("messages[].name")


def _turn_of(message: Message, crossing: Crossing) -> _Turn:
    _report_name(message, crossing)
    role = {"tool": "user", "developer": "system"}.get(message.role, message.role)
    parts = _kept(message, crossing)
    return _Turn(role, parts, message.extra, closed=crossing.own and message.role != "tool")


def _kept(message: Message, crossing: Crossing) -> tuple[Part, ...]:
    """Without the parts that the API would refuse: reasoning that it did not sign, and empty texts."""
    empty_too = crossing.own or (len(message.parts) == 1 and message.role != "assistant")
    return tuple(part for part in message.parts if _has_place(part, crossing, empty_too=empty_too))


def _has_place(part: Part, crossing: Crossing, *, empty_too: bool) -> bool:
    if isinstance(part, Thinking) and part.redacted is None and (not part.signature or is_encrypted(part)):
        crossing.drop("content.thinking" if crossing.own else "messages[].reasoning_content")
        return False
    return empty_too or not isinstance(part, Text) or part.text != ""


def _add_turn(turns: list[_Turn], turn: _Turn) -> None:
    """Joins a turn to the one before it where both are one speaker's."""
    if not turns or turns[-1].closed or turns[-1].role != turn.role:
        turns.append(turn)
    else:
        turns[-1].join(turn)


def _write_turn(turn: _Turn, crossing: Crossing) -> Body:
    body: Body = {"role": turn.role, "content": content_of(turn.ordered(), crossing)}
    crossing.add_extra(body, turn.extra, "messages[].")
    return body
