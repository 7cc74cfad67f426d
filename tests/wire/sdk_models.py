"""What the official clients say of a body: golden files and encoded values are held against their types."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import anthropic.types as anthropic_types
from anthropic.lib.streaming._messages import accumulate_event
from anthropic.types.message_count_tokens_params import MessageCountTokensParams
from anthropic.types.message_create_params import MessageCreateParamsBase
from anthropic.types.shared.error_response import ErrorResponse
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from openai.types.chat.completion_create_params import CompletionCreateParamsBase
from pydantic import TypeAdapter

_ANTHROPIC_REQUEST = TypeAdapter(MessageCreateParamsBase)
_ANTHROPIC_COUNT = TypeAdapter(MessageCountTokensParams)
_ANTHROPIC_EVENT: TypeAdapter[Any] = TypeAdapter(anthropic_types.RawMessageStreamEvent)
_OPENAI_REQUEST = TypeAdapter(CompletionCreateParamsBase)


def _walk(value: Any) -> None:
    """Pydantic checks an `Iterable` only as it is read."""
    if isinstance(value, Mapping):
        for item in value.values():
            _walk(item)
    elif isinstance(value, Iterable) and not isinstance(value, str | bytes):
        for item in value:
            _walk(item)


def check_anthropic_request(body: Any) -> None:
    _walk(_ANTHROPIC_REQUEST.validate_python(body))
    assert isinstance(body["max_tokens"], int)


def check_anthropic_count(body: Any) -> None:
    _walk(_ANTHROPIC_COUNT.validate_python(body))
    assert body["messages"]


def check_openai_request(body: Any) -> None:
    _walk(_OPENAI_REQUEST.validate_python(body))
    assert body["messages"]


def check_anthropic_response(body: Any) -> None:
    assert anthropic_types.Message.model_validate(body).role == "assistant"


def check_openai_response(body: Any) -> None:
    assert ChatCompletion.model_validate(body).object == "chat.completion"


def check_anthropic_error(body: Any) -> None:
    assert ErrorResponse.model_validate(body).type == "error"


def anthropic_message(documents: list[Any]) -> anthropic_types.Message | None:
    """The message that the official client makes of a stream; `None` for one that ends in an error.

    Blocks must follow one another, each begun, filled and stopped, and be numbered without gaps.
    """
    message: Any = None
    buffers: dict[int, bytes] = {}
    begun, current = 0, None
    for document in documents:
        kind = document["type"]
        if kind == "ping":
            continue
        if kind == "error":
            check_anthropic_error(document)
            return None
        if kind == "content_block_start":
            assert current is None, document
            assert document["index"] == begun, document
            begun, current = begun + 1, document["index"]
        elif kind in ("content_block_delta", "content_block_stop"):
            assert document["index"] == current, document
            current = None if kind == "content_block_stop" else current
        elif kind == "message_delta":
            assert current is None, document
        event = _ANTHROPIC_EVENT.validate_python(document)
        message = accumulate_event(event=event, current_snapshot=message, json_bufs=buffers)
    assert documents[-1] == {"type": "message_stop"}
    return message  # type: ignore[no-any-return]


def check_openai_stream(documents: list[Any]) -> None:
    assert documents
    for document in documents:
        if "error" in document:
            assert document["error"]["message"]
        else:
            assert ChatCompletionChunk.model_validate(document).object == "chat.completion.chunk"
