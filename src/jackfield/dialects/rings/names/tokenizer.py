"""`core.tokenizer`: estimates, by the same rule for every model."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from jackfield.wire.tokens import CALL, IMAGE, TURN, count_text

PAGE_TOKENS = 2_000


def count_tokens(text: str, model: str = "") -> int:
    return count_text(text) if text else 0


def count_messages_tokens(messages: Iterable[Mapping[str, Any]], model: str = "") -> int:
    """Of messages in OpenAI chat shape; what is not in that shape counts nothing."""
    counted = [message for message in messages or () if isinstance(message, Mapping)]
    return sum(TURN + _count_message(message) for message in counted)


def _count_message(message: Mapping[str, Any]) -> int:
    calls = message.get("tool_calls")
    called = sum(CALL + _count_json(call) for call in calls) if isinstance(calls, list) else 0
    return _count_content(message.get("content")) + count_tokens(_text(message.get("name"))) + called


def _count_content(content: Any) -> int:
    if isinstance(content, str):
        return count_text(content)
    return sum(map(_count_part, content)) if isinstance(content, list) else 0


def _count_part(part: Any) -> int:
    if isinstance(part, str):
        return count_text(part)
    if not isinstance(part, Mapping):
        return 0
    kind = part.get("type")
    if kind in ("image_url", "input_image", "image"):
        return IMAGE
    if kind in ("file", "input_file", "document"):
        return PAGE_TOKENS
    return count_tokens(_text(part.get("text")))


def _count_json(call: Any) -> int:
    function = call.get("function") if isinstance(call, Mapping) else None
    return len(msgspec.json.encode(function)) // 4 if isinstance(function, Mapping) else 0


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


__all__ = ["count_messages_tokens", "count_tokens"]
