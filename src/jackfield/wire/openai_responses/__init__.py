"""The Responses API of OpenAI: `POST /v1/responses`. What refers to kept state is left to upstreams that keep it."""

from __future__ import annotations

from jackfield.errors import JackfieldError
from jackfield.wire import openai_errors
from jackfield.wire.base import Encoded, Operation, Peek
from jackfield.wire.chat import (
    ChatRequest,
    ChatResponse,
    ErrorResponse,
    Extra,
    FinishReason,
    Request,
    Response,
    Usage,
)
from jackfield.wire.openai_responses import peeking, requests, responses
from jackfield.wire.openai_responses.echo import NO_ECHO, echo_of
from jackfield.wire.openai_responses.parts import FORMAT
from jackfield.wire.openai_responses.scanner import OpenAIResponsesScanner
from jackfield.wire.openai_responses.stream_decoder import OpenAIResponsesDecoder
from jackfield.wire.openai_responses.stream_encoder import OpenAIResponsesEncoder


class OpenAIResponses:
    """`echo` is what answers repeat of their request; of one that is not known, what they say by default."""

    name: str = FORMAT
    operation: Operation = "chat"
    restates = True

    def __init__(self, echo: Extra = NO_ECHO) -> None:
        self._echo = echo

    def answering(self, body: bytes) -> OpenAIResponses:
        return OpenAIResponses(echo_of(body))

    def peek(self, body: bytes) -> Peek:
        return peeking.peek(body)

    def with_model(self, body: bytes, model: str) -> bytes:
        return requests.with_model(body, model)

    def with_stream_usage(self, body: bytes) -> bytes:
        return body

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
            raise TypeError(f"{type(response).__name__} is no answer to a conversation")
        return responses.encode_response(response, self._echo)

    def usage_of(self, body: bytes) -> tuple[Usage | None, FinishReason | None]:
        return responses.usage_of(body)

    def decode_error(self, body: bytes) -> tuple[str, str]:
        return openai_errors.decode_error(body)

    def encode_error(self, error: JackfieldError, request_id: str) -> bytes:
        """The request's id has no place in this form: it is in the answer's head."""
        return openai_errors.encode_error(error)

    def stream_decoder(self) -> OpenAIResponsesDecoder:
        return OpenAIResponsesDecoder()

    def stream_encoder(self, *, model: str, usage: bool) -> OpenAIResponsesEncoder:
        return OpenAIResponsesEncoder(model=model, echo=self._echo)

    def stream_scanner(self, *, strip_usage: bool) -> OpenAIResponsesScanner:
        return OpenAIResponsesScanner()


WIRE_FORMAT = OpenAIResponses()
