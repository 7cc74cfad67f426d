"""The conversation, both ways."""

from __future__ import annotations

from collections.abc import Iterable
from typing import get_args

from msgspec import Raw

from jackfield.wire.chat import (
    File,
    Image,
    Message,
    Opaque,
    Part,
    Refusal,
    Role,
    Text,
    Thinking,
    ToolCall,
    ToolResult,
    freeze,
)
from jackfield.wire.crossing import Body, Crossing
from jackfield.wire.json import (
    NULL,
    Fields,
    encode,
    encoded,
    read_fields_list,
    read_optional_text,
    read_text,
    take,
    wrong,
)
from jackfield.wire.openai_chat.parts import read_content, write_content
from jackfield.wire.openai_chat.thinking import is_signed, put_thinking, take_thinking
from jackfield.wire.openai_chat.tool_calls import is_custom_call, read_tool_calls, write_tool_call

# The role of results before there were tools: kept in `extra` of a message that is a result without an id.
_FUNCTION = encoded("function")
_ROLES: dict[bytes, Role] = {encode(role): role for role in get_args(Role)} | {bytes(_FUNCTION): "tool"}


def read_messages(raw: Raw, path: str) -> tuple[Message, ...]:
    messages = read_fields_list(raw, path)
    if not messages:
        raise wrong(path, "expected at least one message")
    return tuple(read_message(fields, f"{path}[{index}]") for index, fields in enumerate(messages))


def read_message(fields: Fields, path: str, default_role: Role | None = None) -> Message:
    """One message. An assistant's `default_role` is what responses may leave out."""
    raw = fields.pop("role", NULL)
    role = default_role if default_role and raw == NULL else _ROLES.get(bytes(raw))
    if role is None:
        expected = "required" if raw == NULL else "expected system, developer, user, assistant or tool"
        raise wrong(f"{path}.role", expected)
    if raw == _FUNCTION:
        fields["role"] = raw
    name = read_optional_text(fields.pop("name"), f"{path}.name") if "name" in fields else None
    read = _read_assistant if role == "assistant" else _read_result if role == "tool" else _read_turn
    parts = read(fields, path)
    return Message(role=role, parts=parts, name=name, extra=freeze(fields))


def _read_turn(fields: Fields, path: str) -> tuple[Part, ...]:
    return take(fields, "content", read_content, path)


def _read_result(fields: Fields, path: str) -> tuple[Part, ...]:
    identifier = "" if "role" in fields else take(fields, "tool_call_id", read_text, path)
    raw = fields.pop("content", NULL)
    parts = read_content(raw, f"{path}.content") if raw != NULL else ()
    kept = tuple(part for part in parts if isinstance(part, Text | Image | File | Opaque))
    if len(kept) < len(parts):
        raise wrong(f"{path}.content", "a tool's result cannot hold a refusal")
    return (ToolResult(tool_call_id=identifier, parts=kept),)


def _read_assistant(fields: Fields, path: str) -> tuple[Part, ...]:
    content = fields.pop("content", NULL)
    parts = read_content(content, f"{path}.content") if content != NULL else ()
    return _read_more(parts, fields, path) if fields else parts


def _read_more(content: tuple[Part, ...], fields: Fields, path: str) -> tuple[Part, ...]:
    """What stands beside the content: reasoning before it, a refusal and tool calls after it."""
    parts = [*take_thinking(fields, path), *content]
    if fields.get("refusal", NULL) != NULL:
        text = read_text(fields.pop("refusal"), f"{path}.refusal")
        parts += (Refusal(text=text),) if text else ()
    raw = fields.pop("tool_calls", NULL)
    if raw != NULL:
        parts += read_tool_calls(raw, f"{path}.tool_calls")
    return tuple(parts)


def write_messages(messages: Iterable[Message], crossing: Crossing) -> list[Body]:
    """Tool results become messages of their own. What such a message has no place for, like an image, moves
    on into the user's message after them."""
    bodies: list[Body] = []
    moved: list[Part] = []
    for message in messages:
        rest: tuple[Part, ...] = message.parts
        results = [part for part in rest if isinstance(part, ToolResult)]
        if results:
            bodies += (_write_result(part, message, moved, crossing) for part in results)
            rest = tuple(part for part in rest if not isinstance(part, ToolResult))
            if not rest:
                continue
        if moved and message.role != "user":
            bodies.append({"role": "user", "content": write_content(moved, crossing)})
        elif moved:
            rest = (*moved, *rest)
        moved = []
        bodies.append(_write_turn(message, rest, crossing))
    if moved:
        bodies.append({"role": "user", "content": write_content(moved, crossing)})
    return bodies


def _write_result(part: ToolResult, message: Message, moved: list[Part], crossing: Crossing) -> Body:
    texts = [piece for piece in part.parts if crossing.own or isinstance(piece, Text)]
    others = [piece for piece in part.parts if not (crossing.own or isinstance(piece, Text))]
    moved += others
    content = write_content(texts, crossing) or ("See the next message." if others else "")
    body: Body = {"role": "tool", "tool_call_id": part.tool_call_id, "content": content}
    if not part.tool_call_id:
        del body["tool_call_id"]
    if part.is_error:
        crossing.drop("content.is_error")
    if part.cache is not None:
        crossing.drop("content.cache_control")
    crossing.add_extra(body, part.extra, "content.")
    _finish(body, message, crossing)
    return body


def _write_turn(message: Message, parts: tuple[Part, ...], crossing: Crossing) -> Body:
    if message.role == "assistant":
        return write_assistant(message, crossing, thinking_of(parts, crossing))
    content = write_content(parts, crossing)
    body: Body = {"role": message.role, "content": content if content is not None else ""}
    _finish(body, message, crossing)
    return body


def thinking_of(parts: Iterable[Part], crossing: Crossing) -> list[Thinking]:
    """The reasoning that a request may repeat. What another format's upstream signed is of no use here, and
    strict upstreams refuse it."""
    found = [part for part in parts if isinstance(part, Thinking)]
    kept = [part for part in found if crossing.own or not is_signed(part)]
    if len(kept) < len(found):
        crossing.drop("messages[].thinking")
    return kept


def write_assistant(message: Message, crossing: Crossing, thinking: list[Thinking]) -> Body:
    calls: list[ToolCall | Opaque] = []
    refusals: list[str] = []
    content: list[Part] = []
    for part in message.parts:
        if isinstance(part, ToolCall) or (isinstance(part, Opaque) and is_custom_call(part)):
            calls.append(part)
        elif isinstance(part, Refusal):
            refusals.append(part.text)
        elif not isinstance(part, Thinking | ToolResult):
            content.append(part)
    body: Body = {"role": "assistant", "content": write_content(content, crossing)}
    put_thinking(body, thinking, crossing)
    if calls:
        body["tool_calls"] = [write_tool_call(call, crossing) for call in calls]
    if body["content"] is None and not (calls or refusals or "function_call" in message.extra):
        body["content"] = ""
    _finish(body, message, crossing)
    if refusals:
        body["refusal"] = "".join(refusals)
    return body


def _finish(body: Body, message: Message, crossing: Crossing) -> None:
    if message.name is not None:
        body["name"] = message.name
    if message.extra:
        crossing.add_extra(body, message.extra, "messages[].")
