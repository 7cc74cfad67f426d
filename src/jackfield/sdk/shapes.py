"""Whether a value that a plugin made is what its type says. Structs do not check what they are built from, and a wrong
field would otherwise break the gateway far from the hook that set it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from jackfield.sdk.context import Candidate, Head, InboundRequest
from jackfield.sdk.providers import PreparedRequest, Target
from jackfield.transport.messages import OutgoingRequest
from jackfield.wire.chat import (
    ChatRequest,
    ChatResponse,
    Choice,
    EmbeddingsRequest,
    EmbeddingsResponse,
    ErrorResponse,
    Message,
    Part,
    Refusal,
    RefusalDelta,
    Text,
    TextDelta,
    Thinking,
    ThinkingDelta,
    TokenCount,
    ToolCall,
    ToolCallDelta,
)

_HEADER_NAME = re.compile(rb"[a-z0-9!#$%&'*+.^_`|~-]+")
_LINE_END = re.compile(rb"[\r\n\0]")


def is_sound(value: object) -> bool:
    """Looks at what the gateway itself acts on; what only passes through is not looked at."""
    check = _CHECKS.get(type(value))
    return check is None or check(value)


def _headers(headers: Any) -> bool:
    """Names in lower case, and nothing that would begin another header."""
    return isinstance(headers, tuple) and all(
        isinstance(pair, tuple)
        and len(pair) == 2
        and isinstance(pair[0], bytes)
        and isinstance(pair[1], bytes)
        and _HEADER_NAME.fullmatch(pair[0]) is not None
        and _LINE_END.search(pair[1]) is None
        for pair in headers
    )


def _texts(*values: object) -> bool:
    return all(isinstance(value, str) for value in values)


def _all(values: object, kind: type | tuple[type, ...]) -> bool:
    return isinstance(values, tuple) and all(isinstance(value, kind) for value in values)


def _message(message: Message) -> bool:
    return _texts(message.role) and _all(message.parts, Part.__args__) and all(map(is_sound, message.parts))


def _inbound(value: InboundRequest) -> bool:
    return _texts(value.method, value.path) and isinstance(value.body, bytes) and _headers(value.headers)


def _outgoing(value: OutgoingRequest) -> bool:
    return _texts(value.method, value.url) and isinstance(value.body, bytes) and _headers(value.headers)


def _target(value: Target) -> bool:
    """Names may be in capitals here: no hook looks for them."""
    pairs = value.headers if value.credential is None else (*value.headers, value.credential)
    return _texts(value.url) and all(isinstance(pair, tuple) and len(pair) == 2 and _all(pair, bytes) for pair in pairs)


def _prepared(value: PreparedRequest) -> bool:
    return (
        _texts(value.url) and isinstance(value.body, bytes) and all(map(_headers, (value.headers, value.credentials)))
    )


def _head(value: Head) -> bool:
    return type(value.status) is int and 200 <= value.status <= 599 and _headers(value.headers)


def _chat_request(value: ChatRequest) -> bool:
    return _texts(value.model) and _all(value.messages, Message) and all(map(_message, value.messages))


def _chat_response(value: ChatResponse) -> bool:
    return _texts(value.id, value.model) and _all(value.choices, Choice) and all(map(_choice, value.choices))


def _choice(choice: Choice) -> bool:
    return isinstance(choice.message, Message) and _message(choice.message)


def _error(value: ErrorResponse) -> bool:
    return type(value.status) is int and 400 <= value.status <= 599 and _texts(value.code, value.message)


_CHECKS: Mapping[type, Callable[[Any], bool]] = {
    InboundRequest: _inbound,
    OutgoingRequest: _outgoing,
    Target: _target,
    PreparedRequest: _prepared,
    Head: _head,
    Candidate: lambda value: _texts(value.upstream, value.model, value.provider),
    ChatRequest: _chat_request,
    EmbeddingsRequest: lambda value: _texts(value.model) and isinstance(value.input, msgspec.Raw),
    ChatResponse: _chat_response,
    EmbeddingsResponse: lambda value: _texts(value.model) and isinstance(value.data, tuple),
    TokenCount: lambda value: type(value.input) is int,
    ErrorResponse: _error,
    Text: lambda value: _texts(value.text),
    Refusal: lambda value: _texts(value.text),
    Thinking: lambda value: _texts(value.text),
    ToolCall: lambda value: _texts(value.id, value.name, value.arguments),
    TextDelta: lambda value: _texts(value.text),
    RefusalDelta: lambda value: _texts(value.text),
    ThinkingDelta: lambda value: _texts(value.text),
    ToolCallDelta: lambda value: type(value.index) is int and _texts(value.arguments),
}
