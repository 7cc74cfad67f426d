"""What the official clients say of a body: golden files and encoded values are held against their types."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import anthropic.types as anthropic_types
from anthropic.lib.streaming._messages import accumulate_event
from anthropic.types.message_count_tokens_params import MessageCountTokensParams
from anthropic.types.message_create_params import MessageCreateParamsBase
from anthropic.types.shared.error_response import ErrorResponse
from openai import omit
from openai.lib.streaming.responses._responses import ResponseStreamState
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from openai.types.chat.completion_create_params import CompletionCreateParamsBase
from openai.types.responses import ParsedResponse, Response, ResponseStreamEvent
from openai.types.responses.response_create_params import ResponseCreateParamsBase
from pydantic import TypeAdapter

_ANTHROPIC_REQUEST = TypeAdapter(MessageCreateParamsBase)
_ANTHROPIC_COUNT = TypeAdapter(MessageCountTokensParams)
_ANTHROPIC_EVENT: TypeAdapter[Any] = TypeAdapter(anthropic_types.RawMessageStreamEvent)
_OPENAI_REQUEST = TypeAdapter(CompletionCreateParamsBase)
_RESPONSES_REQUEST = TypeAdapter(ResponseCreateParamsBase)
_NAMED = {"id": "msg_1", "status": "completed"}
_RESPONSES_EVENT: TypeAdapter[Any] = TypeAdapter(ResponseStreamEvent)


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


def check_responses_request(body: Any) -> None:
    """What the API takes without an id, the official types give one."""
    items = body.get("input")
    if isinstance(items, list):
        items = [item if isinstance(item.get("content"), str) else _NAMED | item for item in items]
    _walk(_RESPONSES_REQUEST.validate_python(body | ({"input": items} if items is not None else {})))


def check_responses_response(body: Any) -> None:
    assert Response.model_validate(body).object == "response"


def streamed_response(documents: list[Any]) -> ParsedResponse[Any] | None:
    """The response that the official client makes of a stream; `None` for one that is incomplete or ends in an error.

    Events must be numbered without gaps, and what the last one repeats must be what the others told.
    """
    state: ResponseStreamState[Any] = ResponseStreamState(input_tools=omit, text_format=omit)
    assert [document["sequence_number"] for document in documents] == list(range(len(documents)))
    for document in documents:
        event = _RESPONSES_EVENT.validate_python(document)
        if event.type == "error":
            assert document["error"]["message"]
        else:
            state.handle_event(event)
    last = documents[-1]
    if last["type"] in ("response.completed", "response.incomplete"):
        assert output_told(documents) == last["response"]["output"]
    return state._completed_response


def output_told(documents: list[Any]) -> list[Any]:
    """The items as their own events told them, whose deltas must add up to them."""
    told: dict[int, str] = {}
    items: dict[int, Any] = {}
    for document in documents:
        kind = document["type"]
        if kind.endswith(".delta"):
            told[document["output_index"]] = told.get(document["output_index"], "") + document["delta"]
        elif kind == "response.output_item.added":
            assert document["output_index"] == len(items)
            items[document["output_index"]] = None
        elif kind == "response.output_item.done":
            items[document["output_index"]] = document["item"]
            assert told.get(document["output_index"], "") == _text_of(document["item"])
    return [items[place] for place in sorted(items)]


def _text_of(item: Any) -> str:
    parts = (*item.get("summary", ()), *(item.get("content") or ()))
    return "".join((item.get("arguments", ""), *(part.get("text", part.get("refusal", "")) for part in parts)))
