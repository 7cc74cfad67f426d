"""An estimate of a request's tokens, for where no upstream can count.

It is no tokenizer. It takes four ASCII characters for a token, and three bytes of UTF-8 beyond ASCII: one
token for a Chinese character, two for three Cyrillic letters. Turns, tools, pictures and documents cost about
what the common models charge for them. Prose comes out better than code and numbers: they take more tokens.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from jackfield.wire.chat import (
    ChatRequest,
    File,
    Image,
    Opaque,
    Part,
    Refusal,
    Text,
    Thinking,
    Tool,
    ToolCall,
    ToolResult,
)

TURN = 4
TOOLS = 300  # the instructions that make a model able to call tools at all
TOOL = 12
CALL = 10
IMAGE = 1_500
PAGE = 2_000
PAGE_BYTES = 60_000  # of base64

_ASCII = bytes(range(128))


def estimate_tokens(request: ChatRequest) -> int:
    """At least 1; `request.max_tokens` and what the model will write have no part in it."""
    turns = sum(TURN + sum(map(_count_part, message.parts)) for message in request.messages)
    tools = TOOLS + sum(map(_count_tool, request.tools)) if request.tools else 0
    wanted = request.response_format
    schema = len(wanted.schema) // 4 if wanted is not None and wanted.schema is not None else 0
    return max(1, turns + tools + schema)


def count_text(text: str) -> int:
    if text.isascii():
        return (len(text) + 3) // 4
    encoded = text.encode("utf-8", "replace")
    beyond = len(encoded.translate(None, _ASCII))
    return (len(encoded) - beyond + 3) // 4 + (beyond + 2) // 3


def _count_tool(tool: Tool) -> int:
    schema = tool.opaque if tool.opaque is not None else tool.parameters
    size = len(schema) // 4 if schema is not None else 0
    return TOOL + count_text(tool.name) + count_text(tool.description or "") + size


def _count_part(part: Part) -> int:
    return _COUNTERS[type(part)](part)


def _count_call(part: ToolCall) -> int:
    return CALL + count_text(part.name) + count_text(part.arguments)


def _count_result(part: ToolResult) -> int:
    return CALL + sum(map(_count_part, part.parts))


def _count_file(part: File) -> int:
    """Pages by size; a document that is elsewhere counts as one page."""
    if part.data is not None and part.media_type == "text/plain":
        return count_text(part.data)
    return PAGE * max(1, -(-len(part.data or "") // PAGE_BYTES))


_COUNTERS: dict[type[Part], Callable[[Any], int]] = {
    Text: lambda part: count_text(part.text),
    Thinking: lambda part: count_text(part.text),
    Refusal: lambda part: count_text(part.text),
    Opaque: lambda part: len(part.raw) // 4,
    Image: lambda part: IMAGE,
    File: _count_file,
    ToolCall: _count_call,
    ToolResult: _count_result,
}
