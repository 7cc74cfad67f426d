"""Writing canonical parts as content blocks."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any

import msgspec
from msgspec import Raw

from jackfield.wire.anthropic_messages.parts import FORMAT, SPREAD
from jackfield.wire.chat import (
    CacheControl,
    File,
    Image,
    Opaque,
    Part,
    Refusal,
    Text,
    Thinking,
    ToolCall,
    ToolResult,
)
from jackfield.wire.crossing import Body, Crossing
from jackfield.wire.json import encoded

_DATA_URL = re.compile(r"data:([^;,]*)(?:;[^;,]*)*?;base64,", re.IGNORECASE)
_STRANGE_ID = re.compile(r"[^a-zA-Z0-9_-]")
_is_object = msgspec.json.Decoder(dict[str, Raw]).decode


def crossing_from(source: str) -> Crossing:
    return Crossing(source, FORMAT, SPREAD)


def put_cache(body: Body, cache: CacheControl | None) -> None:
    if cache is not None:
        body["cache_control"] = {"type": "ephemeral"} | ({"ttl": cache.ttl} if cache.ttl else {})


def content_of(parts: tuple[Part, ...], crossing: Crossing) -> str | list[Any]:
    """A message's `content`, in the short form where it says as much."""
    if len(parts) == 1 and isinstance(text := parts[0], Text) and text.cache is None and not text.extra:
        return text.text
    return blocks_of(parts, crossing)


def blocks_of(parts: Iterable[Part], crossing: Crossing) -> list[Any]:
    blocks = (_WRITERS[type(part)](part, crossing) for part in parts)
    return [block for block in blocks if block is not None]


def text_block(part: Text, crossing: Crossing) -> Body:
    block: Body = {"type": "text", "text": part.text}
    put_cache(block, part.cache)
    crossing.add_extra(block, part.extra, "content.")
    return block


def _image_block(part: Image, crossing: Crossing) -> Body | None:
    if part.detail not in (None, "auto"):
        crossing.drop("content.image_url.detail")
    data, media_type = _inlined(part.url, part.data, part.media_type)
    if data is not None:
        source = {"type": "base64", "media_type": media_type or "image/png", "data": data}
    elif part.url is not None:
        source = {"type": "url", "url": part.url}
    else:
        crossing.drop("content.image")
        return None
    block: Body = {"type": "image", "source": source}
    put_cache(block, part.cache)
    crossing.add_extra(block, part.extra, "content.image_url.")
    return block


def _inlined(url: str | None, data: str | None, media_type: str | None) -> tuple[str | None, str | None]:
    """Base64 data and its type, also where they stand in a `data:` address."""
    if data is None and url is not None and (found := _DATA_URL.match(url)):
        return url[found.end() :], found[1] or media_type
    return data, media_type


def _document_block(part: File, crossing: Crossing) -> Body | None:
    source = _document_source(part)
    if source is None:
        crossing.drop("content.file")
        return None
    block: Body = {"type": "document", "source": source}
    if part.name is not None:
        block["title"] = part.name
    put_cache(block, part.cache)
    crossing.add_extra(block, part.extra, "content.file.")
    return block


def _document_source(part: File) -> dict[str, str] | None:
    if part.data is not None and part.media_type == "text/plain":
        return {"type": "text", "media_type": "text/plain", "data": part.data}
    data, media_type = _inlined(part.url, part.data, part.media_type)
    if data is not None:
        return {"type": "base64", "media_type": media_type or "application/pdf", "data": data}
    if part.url is not None:
        return {"type": "url", "url": part.url}
    return {"type": "file", "file_id": part.file_id} if part.file_id is not None else None


def _tool_use_block(part: ToolCall, crossing: Crossing) -> Body:
    block: Body = {
        "type": "tool_use",
        "id": _call_id(part.id, crossing),
        "name": part.name,
        "input": input_of(part.arguments),
    }
    put_cache(block, part.cache)
    crossing.add_extra(block, part.extra, "tool_calls[].")
    return block


def _call_id(identifier: str, crossing: Crossing) -> str:
    """Other formats allow characters that are refused here; a call and its result are rewritten alike."""
    return identifier if crossing.own else _STRANGE_ID.sub("_", identifier)


def input_of(arguments: str) -> Raw:
    """Arguments as the object that this format demands. Text that is none is kept, as its only field."""
    text = arguments.strip()
    if not text:
        return Raw(b"{}")
    try:
        _is_object(text)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return encoded({"arguments": arguments})
    return Raw(text.encode())


def _tool_result_block(part: ToolResult, crossing: Crossing) -> Body:
    block: Body = {"type": "tool_result", "tool_use_id": _call_id(part.tool_call_id, crossing)}
    if part.parts:
        block["content"] = content_of(part.parts, crossing)
    if part.is_error:
        block["is_error"] = True
    put_cache(block, part.cache)
    crossing.add_extra(block, part.extra, "messages[].")
    return block


def _thinking_block(part: Thinking, crossing: Crossing) -> Body:
    if part.redacted is not None:
        block: Body = {"type": "redacted_thinking", "data": part.redacted}
    else:
        block = {"type": "thinking", "thinking": part.text, "signature": part.signature or ""}
    crossing.add_extra(block, part.extra, "content.thinking.")
    return block


def _refusal_block(part: Refusal, crossing: Crossing) -> Body:
    block: Body = {"type": "text", "text": part.text}
    crossing.add_extra(block, part.extra, "content.refusal.")
    return block


def _opaque_block(part: Opaque, crossing: Crossing) -> Raw | None:
    if part.format == FORMAT:
        return part.raw
    crossing.drop(f"content.{part.type}")
    return None


_WRITERS: dict[type[Part], Callable[[Any, Crossing], Body | Raw | None]] = {
    Text: text_block,
    Image: _image_block,
    File: _document_block,
    ToolCall: _tool_use_block,
    ToolResult: _tool_result_block,
    Thinking: _thinking_block,
    Refusal: _refusal_block,
    Opaque: _opaque_block,
}
