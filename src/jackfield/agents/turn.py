"""One turn: an exchange of its own, whose answer is kept as values in place of being sent."""

from __future__ import annotations

from collections.abc import AsyncGenerator

from jackfield.errors import JackfieldError, UpstreamBroken
from jackfield.pipeline.answers import Answer
from jackfield.pipeline.exchange import Route, State
from jackfield.pipeline.kept import KeptEvents
from jackfield.wire.base import Encoded, Operation, Peek, StreamDecoder, StreamScanner, WireFormat
from jackfield.wire.chat import (
    ChatEvent,
    ChatResponse,
    ErrorResponse,
    FinishReason,
    Request,
    Response,
    StreamFailure,
    Usage,
)

# What stands for each event where bytes are due: that it is not empty is all that matters.
_MARK = b"."


class KeptAnswer:
    """A client's wire format for the request; of the answer it keeps what the client would be told. Errors alone are
    written, as the client's format has them."""

    operation: Operation = "chat"

    def __init__(self, client: WireFormat) -> None:
        self.client, self.name, self.restates = client, client.name, client.restates
        self.events: list[ChatEvent] = []
        self.response: ChatResponse | None = None
        self.failure: JackfieldError | None = None

    def answering(self, body: bytes) -> WireFormat:
        return self

    def peek(self, body: bytes) -> Peek:
        return self.client.peek(body)

    def with_model(self, body: bytes, model: str) -> bytes:
        return self.client.with_model(body, model)

    def with_stream_usage(self, body: bytes) -> bytes:
        return self.client.with_stream_usage(body)

    def decode_request(self, body: bytes) -> Request:
        return self.client.decode_request(body)

    def encode_request(self, request: Request) -> Encoded:
        return self.client.encode_request(request)

    def decode_response(self, body: bytes) -> Response:
        return self.client.decode_response(body)

    def encode_response(self, response: Response) -> Encoded:
        assert isinstance(response, ChatResponse)
        self.response = response
        return Encoded(_MARK)

    def usage_of(self, body: bytes) -> tuple[Usage | None, FinishReason | None]:
        return self.client.usage_of(body)

    def decode_error(self, body: bytes) -> tuple[str, str]:
        return self.client.decode_error(body)

    def encode_error(self, error: JackfieldError, request_id: str) -> bytes:
        self.failure = error
        return self.client.encode_error(error, request_id)

    def stream_decoder(self) -> StreamDecoder:
        return self.client.stream_decoder()

    def stream_encoder(self, *, model: str, usage: bool) -> KeptStream:
        return KeptStream(self)

    def stream_scanner(self, *, strip_usage: bool) -> StreamScanner:
        return self.client.stream_scanner(strip_usage=strip_usage)


class KeptStream:
    """In the place of an encoder."""

    def __init__(self, kept: KeptAnswer) -> None:
        self.dropped: set[str] = set()
        self._kept = kept

    def encode(self, event: ChatEvent) -> bytes:
        self._kept.events.append(event)
        return _MARK

    def observe(self, event: ChatEvent) -> None:
        self._kept.events.append(event)

    def fail(self, error: JackfieldError) -> bytes:
        self._kept.failure = error
        return _MARK


def keep_answer(state: State) -> KeptAnswer:
    """From here on the exchange is a turn."""
    client = state.route.format
    kept = KeptAnswer(client.client if isinstance(client, KeptAnswer) else client)
    state.route = Route(state.route.name, kept)
    return kept


class Turn:
    """`response` is what the model said, `failure` why it did not; both only once `read` is through, or was cut."""

    def __init__(self, state: State, kept: KeptAnswer) -> None:
        self.state, self._kept = state, kept
        self._heard = KeptEvents()
        self.answer: Answer | None = None
        self.response: ChatResponse | None = None
        self.failure: JackfieldError | None = None

    def take(self, answer: Answer) -> None:
        """The answer that has begun."""
        self.answer = answer
        if answer.pieces is None:
            self.response = self._kept.response
            if answer.head.status >= 400:
                self.failure = self.state.error or self._kept.failure or _nameless(answer.head.status)

    async def read(self) -> AsyncGenerator[list[ChatEvent], None]:
        """The events of a stream, as they come."""
        assert self.answer is not None
        if self.answer.pieces is None:
            return
        async for _ in self.answer.pieces:
            events, self._kept.events = self._kept.events, []
            for event in events:
                self._heard.add(event)
                if isinstance(event, StreamFailure):
                    self.failure = self.failure or UpstreamBroken(event.message)
            yield events
        self.failure = self._kept.failure or self.failure
        self.end()

    def end(self) -> None:
        """What was heard is all that there will be."""
        response = self._heard.response()
        if isinstance(response, ErrorResponse):
            self.failure = self.failure or UpstreamBroken(response.message)
            return
        assert isinstance(response, ChatResponse)
        self.response = response

    async def aclose(self) -> None:
        if self.answer is not None:
            await self.answer.close()


def _nameless(status: int) -> JackfieldError:
    error = JackfieldError("the turn was refused")
    error.status = status
    return error
