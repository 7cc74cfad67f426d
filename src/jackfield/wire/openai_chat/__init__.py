"""The Chat Completions format of the OpenAI API and of the many servers that are compatible with it."""

from __future__ import annotations

from jackfield.errors import JackfieldError
from jackfield.wire import openai_errors
from jackfield.wire.base import Encoded, Operation
from jackfield.wire.chat import ChatRequest, ChatResponse, ErrorResponse, Request, Response
from jackfield.wire.openai_chat import requests, responses
from jackfield.wire.openai_chat.chunks import OpenAIChatEncoder
from jackfield.wire.openai_chat.parts import FORMAT
from jackfield.wire.openai_chat.scanner import OpenAIChatScanner
from jackfield.wire.openai_chat.streams import OpenAIChatDecoder


class OpenAIChat:
    name: str = FORMAT
    operation: Operation = "chat"
    restates = False

    peek = staticmethod(requests.peek)
    with_model = staticmethod(requests.with_model)
    with_stream_usage = staticmethod(requests.with_stream_usage)
    decode_request = staticmethod(requests.decode_request)
    decode_response = staticmethod(responses.decode_response)
    usage_of = staticmethod(responses.usage_of)
    decode_error = staticmethod(openai_errors.decode_error)

    def answering(self, body: bytes) -> OpenAIChat:
        return self

    def encode_request(self, request: Request) -> Encoded:
        if not isinstance(request, ChatRequest):
            raise TypeError(f"{type(request).__name__} is no conversation")
        return requests.encode_request(request)

    def encode_response(self, response: Response) -> Encoded:
        if isinstance(response, ErrorResponse):
            return openai_errors.encode_error_response(response)
        if not isinstance(response, ChatResponse):
            raise TypeError(f"{type(response).__name__} is no completion")
        return responses.encode_response(response)

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
