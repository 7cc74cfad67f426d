"""The token-count side of the Anthropic API: `POST /v1/messages/count_tokens`.

A request has the fields of a conversation, less those that steer the writing: the API refuses them.
"""

from __future__ import annotations

from typing import Never

import msgspec
from msgspec import Raw

from jackfield.errors import JackfieldError, Malformed
from jackfield.wire.anthropic_messages import AnthropicMessages
from jackfield.wire.anthropic_messages.blocks import crossing_from
from jackfield.wire.anthropic_messages.errors import disguised
from jackfield.wire.anthropic_messages.requests import request_body
from jackfield.wire.anthropic_messages.responses import encode_response
from jackfield.wire.base import Encoded, Operation, Peek
from jackfield.wire.chat import ChatRequest, FinishReason, Request, Response, TokenCount, Usage
from jackfield.wire.json import Read, clamp_count, encode, reader, upstream_broken
from jackfield.wire.tokens import estimate_tokens

__all__ = ["AnthropicCountTokens", "estimate_tokens"]

_NOT_COUNTED = (
    "max_tokens",
    "metadata",
    "stop_sequences",
    "stream",
    "temperature",
    "top_k",
    "top_p",
)


class _Count(msgspec.Struct, frozen=True):
    input_tokens: int | float | None = None


_read_count: Read[_Count] = reader(_Count)


class AnthropicCountTokens:
    name = "anthropic_count_tokens"
    operation: Operation = "count_tokens"
    restates = False

    def answering(self, body: bytes) -> AnthropicCountTokens:
        return self

    def __init__(self) -> None:
        self._messages = AnthropicMessages()

    def peek(self, body: bytes) -> Peek:
        return Peek(model=self._messages.peek(body).model)

    def with_model(self, body: bytes, model: str) -> bytes:
        return self._messages.with_model(body, model)

    def with_stream_usage(self, body: bytes) -> bytes:
        return body

    def decode_request(self, body: bytes) -> ChatRequest:
        """Its `format` is that of conversations: the fields are the same."""
        return self._messages.decode_request(body)

    def encode_request(self, request: Request) -> Encoded:
        if not isinstance(request, ChatRequest):
            raise TypeError(f"{type(request).__name__} is no conversation")
        crossing = crossing_from(request.format)
        body = request_body(request, crossing)
        for name in _NOT_COUNTED:
            body.pop(name, None)
        return Encoded(body=encode(body), dropped=crossing.names())

    def decode_response(self, body: bytes) -> TokenCount:
        try:
            found = _read_count(Raw(body), "")
        except Malformed as error:
            raise upstream_broken(error) from error
        if found.input_tokens is None:
            raise disguised(body)
        return TokenCount(input=clamp_count(found.input_tokens))

    def encode_response(self, response: Response) -> Encoded:
        if isinstance(response, TokenCount):
            return Encoded(body=encode({"input_tokens": response.input}))
        return encode_response(response)

    def usage_of(self, body: bytes) -> tuple[Usage | None, FinishReason | None]:
        """Counting costs nothing, so there is no usage."""
        self.decode_response(body)
        return None, None

    def decode_error(self, body: bytes) -> tuple[str, str]:
        return self._messages.decode_error(body)

    def encode_error(self, error: JackfieldError, request_id: str) -> bytes:
        return self._messages.encode_error(error, request_id)

    def stream_decoder(self) -> Never:
        raise _no_stream()

    def stream_encoder(self, *, model: str, usage: bool) -> Never:
        raise _no_stream()

    def stream_scanner(self, *, strip_usage: bool) -> Never:
        raise _no_stream()


def _no_stream() -> Malformed:
    return Malformed("stream: a token count is not streamed", param="stream")


WIRE_FORMAT = AnthropicCountTokens()
