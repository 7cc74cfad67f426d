"""The Anthropic Messages API: `POST /v1/messages`."""

from __future__ import annotations

from jackfield.errors import JackfieldError
from jackfield.wire.anthropic_messages.errors import body_of, read_error
from jackfield.wire.anthropic_messages.parts import FORMAT
from jackfield.wire.anthropic_messages.peeking import peek, with_model
from jackfield.wire.anthropic_messages.requests import decode_request, encode_request
from jackfield.wire.anthropic_messages.responses import decode_response, encode_response, usage_of
from jackfield.wire.anthropic_messages.stream_decoder import AnthropicStreamDecoder
from jackfield.wire.anthropic_messages.stream_encoder import AnthropicStreamEncoder
from jackfield.wire.anthropic_messages.stream_scanner import AnthropicStreamScanner
from jackfield.wire.base import Encoded, Operation, Peek
from jackfield.wire.chat import ChatRequest, ChatResponse, FinishReason, Request, Response, Usage
from jackfield.wire.json import encode

__all__ = ["AnthropicMessages", "AnthropicStreamDecoder", "AnthropicStreamEncoder", "AnthropicStreamScanner"]


class AnthropicMessages:
    name = FORMAT
    operation: Operation = "chat"
    restates = False

    def answering(self, body: bytes) -> AnthropicMessages:
        return self

    def peek(self, body: bytes) -> Peek:
        return peek(body)

    def with_model(self, body: bytes, model: str) -> bytes:
        return with_model(body, model)

    def with_stream_usage(self, body: bytes) -> bytes:
        return body

    def decode_request(self, body: bytes) -> ChatRequest:
        return decode_request(body)

    def encode_request(self, request: Request) -> Encoded:
        if not isinstance(request, ChatRequest):
            raise TypeError(f"{type(request).__name__} is no conversation")
        return encode_request(request)

    def decode_response(self, body: bytes) -> ChatResponse:
        return decode_response(body)

    def encode_response(self, response: Response) -> Encoded:
        return encode_response(response)

    def usage_of(self, body: bytes) -> tuple[Usage | None, FinishReason | None]:
        return usage_of(body)

    def decode_error(self, body: bytes) -> tuple[str, str]:
        return read_error(body)

    def encode_error(self, error: JackfieldError, request_id: str) -> bytes:
        return encode(body_of(error) | {"request_id": request_id})

    def stream_decoder(self) -> AnthropicStreamDecoder:
        return AnthropicStreamDecoder()

    def stream_encoder(self, *, model: str, usage: bool) -> AnthropicStreamEncoder:
        return AnthropicStreamEncoder(model)

    def stream_scanner(self, *, strip_usage: bool) -> AnthropicStreamScanner:
        return AnthropicStreamScanner()


WIRE_FORMAT = AnthropicMessages()
