"""The Chat Completions format of the OpenAI API and of the many servers that are compatible with it."""

from __future__ import annotations

from jackfield.errors import JackfieldError
from jackfield.wire import openai_errors
from jackfield.wire.base import Encoded, Operation, Peek
from jackfield.wire.chat import ChatRequest, ChatResponse, ErrorResponse, FinishReason, Request, Response, Usage
from jackfield.wire.openai_chat import requests, responses
from jackfield.wire.openai_chat.chunks import OpenAIChatEncoder
from jackfield.wire.openai_chat.parts import FORMAT
from jackfield.wire.openai_chat.scanner import OpenAIChatScanner
from jackfield.wire.openai_chat.streams import OpenAIChatDecoder


class OpenAIChat:
    name: str = FORMAT
    operation: Operation = "chat"
    restates = False

    def answering(self, body: bytes) -> OpenAIChat:
        return self

    def peek(self, body: bytes) -> Peek:
        return requests.peek(body)

    def with_model(self, body: bytes, model: str) -> bytes:
        return requests.with_model(body, model)

    def with_stream_usage(self, body: bytes) -> bytes:
        return requests.with_stream_usage(body)

    def decode_request(self, body: bytes) -> ChatRequest:
        return requests.decode_request(body)

    def encode_request(self, request: Request) -> Encoded:
        if not isinstance(request, ChatRequest):
            raise TypeError(f"{type(request).__name__} is no conversation")
        return requests.encode_request(request)

    def decode_response(self, body: bytes) -> ChatResponse:
        return responses.decode_response(body)

    def encode_response(self, response: Response) -> Encoded:
        if isinstance(response, ErrorResponse):
            return openai_errors.encode_error_response(response)
        if not isinstance(response, ChatResponse):
            raise TypeError(f"{type(response).__name__} is no completion")
        return responses.encode_response(response)

    def usage_of(self, body: bytes) -> tuple[Usage | None, FinishReason | None]:
        return responses.usage_of(body)

    def decode_error(self, body: bytes) -> tuple[str, str]:
        return openai_errors.decode_error(body)

    def encode_error(self, error: JackfieldError, request_id: str) -> bytes:
        """The request's id has no place in this form: it is in the answer's head."""
        return openai_errors.encode_error(error)

    def stream_decoder(self) -> OpenAIChatDecoder:
        return OpenAIChatDecoder()

    def stream_encoder(self, *, model: str, usage: bool) -> OpenAIChatEncoder:
        return OpenAIChatEncoder(model=model, usage=usage)

    def stream_scanner(self, *, strip_usage: bool) -> OpenAIChatScanner:
        return OpenAIChatScanner(strip_usage=strip_usage)


WIRE_FORMAT = OpenAIChat()
