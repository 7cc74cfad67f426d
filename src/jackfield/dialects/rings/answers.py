"""`ctx.response`, and what a plugin made of it, read back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from jackfield.dialects.rings.bodies import OPENAI_CHAT, OPENAI_EMBEDDINGS, Body, decode, encode
from jackfield.dialects.rings.merging import merge_response
from jackfield.dialects.rings.names.plugin_sdk import block_status
from jackfield.errors import UpstreamBroken
from jackfield.sdk.context import Exchange
from jackfield.sdk.outcomes import LONGEST_RETRY_S, Reject
from jackfield.wire.chat import (
    ChatResponse,
    Choice,
    EmbeddingsResponse,
    Message,
    Response,
    Text,
    TokenCount,
)

ERROR = 400
TOO_MANY = 429
RETRY_S = 60.0


class RingResponse:
    """The answer with its body in the shape of the OpenAI API. All may be assigned; headers change nothing."""

    __slots__ = ("body", "headers", "status_code")

    media_type = "application/json"

    def __init__(self, status_code: int, body: bytes, headers: Mapping[str, str]) -> None:
        self.status_code, self.body, self.headers = status_code, body, dict(headers)


def write_response(response: Response) -> bytes:
    if isinstance(response, TokenCount):
        return encode({"input_tokens": response.input})
    if isinstance(response, EmbeddingsResponse):
        return OPENAI_EMBEDDINGS.encode_response(response).body
    return OPENAI_CHAT.encode_response(response).body


def content_of(response: Any) -> tuple[int, bytes]:
    """Status and body of what a plugin gave as a response: that of a web framework, or a body alone. Raises `TypeError`
    for anything else, such as a response that streams."""
    if isinstance(response, dict | list):
        return 200, encode(response)
    if isinstance(response, str):
        return 200, response.encode("utf-8", "surrogatepass")
    if isinstance(response, bytes | bytearray | memoryview):
        return 200, bytes(response)
    body, status = getattr(response, "body", None), getattr(response, "status_code", 200)
    if body is None or isinstance(body, int | float) or not isinstance(status, int):
        raise TypeError(f"answered with a {type(response).__name__}, which has no body to send")
    return status, content_of(body)[1]


def read_answer(given: Any, exchange: Exchange) -> Response | Reject:
    """What a plugin answers in an upstream's place."""
    return _interpret(given, exchange, None)


def read_edit(given: Any, exchange: Exchange, original: Response) -> Response | Reject:
    """What a plugin left of an answer."""
    return _interpret(given, exchange, original)


def _interpret(given: Any, exchange: Exchange, original: Response | None) -> Response | Reject:
    status, body = content_of(given)
    if status >= ERROR:
        return reject(status, *OPENAI_CHAT.decode_error(body), _stated_pause(given))
    if exchange.operation == "count_tokens":
        return TokenCount(input=msgspec.json.decode(body, type=dict[str, int])["input_tokens"])
    try:
        if exchange.operation == "embeddings":
            return OPENAI_EMBEDDINGS.decode_response(body)
        return _completion(body, exchange, original if isinstance(original, ChatResponse) else None)
    except UpstreamBroken as error:
        raise ValueError(f"left an answer that is not understood: {error.message}") from error


def reject(status: Any, code: str, message: str, retry_after_s: Any) -> Reject:
    """A refusal by a plugin, who may have stated anything as its status and its pause."""
    told = block_status(status)
    pause = _seconds(retry_after_s)
    if pause is None and told == TOO_MANY:
        pause = RETRY_S
    return Reject(told, code, message, pause)


def _stated_pause(given: Any) -> Any:
    headers = getattr(given, "headers", None)
    return headers.get("retry-after") if isinstance(headers, Mapping) else None


def _seconds(stated: Any) -> float | None:
    try:
        seconds = float(stated)
    except (TypeError, ValueError, OverflowError):
        return None
    return seconds if 0 <= seconds <= LONGEST_RETRY_S else None


def _completion(body: bytes, exchange: Exchange, original: ChatResponse | None) -> ChatResponse:
    """A body in the shape of a completion, or else the completion whose text it is."""
    fields = read_fields(body)
    if "choices" not in fields:
        return _say(body.decode("utf-8", "replace"), exchange, original)
    after = OPENAI_CHAT.decode_response(body)
    assert isinstance(after, ChatResponse)
    if original is not None and original.format != OPENAI_CHAT.name:
        before = OPENAI_CHAT.decode_response(write_response(original))
        assert isinstance(before, ChatResponse)
        return merge_response(original, before, after)
    return msgspec.structs.replace(after, id=after.id or f"chatcmpl-{exchange.id}", model=after.model or exchange.model)


def _say(text: str, exchange: Exchange, original: ChatResponse | None) -> ChatResponse:
    """Nothing but this text: tool calls and all else that the answer held are gone with it."""
    message = Message(role="assistant", parts=(Text(text=text),))
    choices = (Choice(message=message, finish_reason="stop"),)
    if original is not None:
        return msgspec.structs.replace(original, choices=choices)
    return ChatResponse(id=f"chatcmpl-{exchange.id}", model=exchange.model, choices=choices)


def read_fields(body: Any) -> Body:
    """The fields of a JSON object; none where it is not one."""
    try:
        value = decode(body)
    except (msgspec.DecodeError, TypeError, UnicodeError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}
