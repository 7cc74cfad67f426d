"""A conversation that goes on after its tools were run."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec.structs import replace

from jackfield.ids import new_id
from jackfield.wire.chat import (
    NOTHING,
    ChatRequest,
    ChatResponse,
    Message,
    Part,
    ToolCall,
    ToolChoice,
    ToolResult,
)


def with_own_ids(response: ChatResponse, request: ChatRequest) -> ChatResponse:
    """Each call has an id that no other call of the conversation has: some models leave them out or repeat them."""
    if not response.choices:
        return response
    first = response.choices[0]
    seen = {part.id for message in request.messages for part in message.parts if isinstance(part, ToolCall)}
    parts = tuple(_with_own_ids(first.message.parts, seen))
    if parts == first.message.parts:
        return response
    changed = replace(first, message=replace(first.message, parts=parts))
    return replace(response, choices=(changed, *response.choices[1:]))


def _with_own_ids(parts: tuple[Part, ...], seen: set[str]) -> Iterator[Part]:
    for part in parts:
        if isinstance(part, ToolCall):
            if not part.id or part.id in seen:
                part = replace(part, id=new_id("call"))
            seen.add(part.id)
        yield part


def next_request(request: ChatRequest, response: ChatResponse, results: tuple[ToolResult, ...]) -> ChatRequest:
    """The same conversation with the model's turn, thinking and signatures included, and what its tools gave. That a
    tool must be called holds for one turn: else it would never end."""
    said = response.choices[0].message
    if response.format != request.format:
        said = replace(said, parts=tuple(map(plain, said.parts)), extra=NOTHING)
    choice = request.tool_choice
    return replace(
        request,
        messages=(*request.messages, said, Message(role="tool", parts=results)),
        tool_choice=None if isinstance(choice, ToolChoice) and choice.mode in ("required", "tool") else choice,
    )


def plain(part: Part) -> Part:
    """Without the fields that only another format knows."""
    return replace(part, extra=NOTHING) if getattr(part, "extra", None) else part
