"""An upstream without a network: it understands what it is sent, and answers as it was told.

It stands where the HTTP client stands, so that all of the gateway's own way to an upstream is gone: the provider's
target, the wire formats, the `attempt` hooks and the bytes.
"""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from jackfield.errors import JackfieldError, Malformed, UpstreamRejected
from jackfield.plugins.echo import Echo, count_tokens
from jackfield.sdk.outcomes import Headers
from jackfield.sdk.plugin import PluginConfig
from jackfield.sdk.providers import Upstream
from jackfield.transport.messages import Deadlines, OutgoingRequest
from jackfield.wire.base import WireFormat
from jackfield.wire.chat import (
    ChatEvent,
    ChatRequest,
    ChatResponse,
    Choice,
    EmbeddingsRequest,
    EmbeddingsResponse,
    ErrorResponse,
    Message,
    Request,
    Response,
    StreamStart,
    Text,
    TokenCount,
    Usage,
)
from jackfield.wire.collect import StreamCollector, replay

CREATED = 1_700_000_000
EVENT_STREAM = b"text/event-stream"
JSON = b"application/json"

Said = str | Response | Mapping[str, Any] | Iterable[ChatEvent] | JackfieldError
Script = Said | Callable[[Request], Any]

_echo = Echo("echo", PluginConfig())


@dataclass(frozen=True, kw_only=True)
class Sent:
    """One request as an upstream received it, after the last hook."""

    upstream: str
    url: str
    headers: Mapping[str, str]
    body: bytes
    format: WireFormat

    @property
    def json(self) -> Any:
        return msgspec.json.decode(self.body)

    @property
    def request(self) -> Request:
        """In the canonical form. Raises `Malformed` where a hook has made nonsense of it."""
        return self.format.decode_request(self.body)


class ScriptedResponse:
    """What the pipeline reads an upstream's answer from."""

    def __init__(self, status: int, content_type: bytes, pieces: AsyncIterator[bytes]) -> None:
        self.status = status
        self.headers: Headers = ((b"content-type", content_type), (b"x-request-id", b"req_scripted"))
        self._pieces = pieces

    def header(self, name: bytes) -> bytes | None:
        return dict(self.headers).get(name)

    async def read(self) -> bytes:
        return b"".join([piece async for piece in self._pieces])

    def chunks(self) -> AsyncIterator[bytes]:
        return self._pieces

    async def aclose(self) -> None:
        close = getattr(self._pieces, "aclose", None)
        if close is not None:
            await close()


class ScriptedClient:
    """Answers what one upstream is asked in one exchange; `sent` is told of each request."""

    def __init__(self, upstream: str, format: WireFormat, script: Script | None, sent: list[Sent]) -> None:  # noqa: A002
        self._upstream, self._format, self._script, self._sent = upstream, format, script, sent

    async def send(self, outgoing: OutgoingRequest, deadlines: Deadlines) -> ScriptedResponse:
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in outgoing.headers}
        sent = Sent(upstream=self._upstream, url=outgoing.url, headers=headers, body=outgoing.body, format=self._format)
        self._sent.append(sent)
        try:
            request = sent.request
            said = await say(self._script, request)
            if isinstance(request, ChatRequest) and request.stream and not isinstance(said, ErrorResponse):
                events = _as_events(said)
                return ScriptedResponse(200, EVENT_STREAM, self._stream(request, await anext(events, None), events))
            return self._whole(await self._gather(said, request))
        except UpstreamRejected as error:
            return self._refusal(error)
        except Malformed as error:
            return self._refusal(UpstreamRejected(400, error.message))

    def _whole(self, response: Response) -> ScriptedResponse:
        if isinstance(response, ErrorResponse):
            return self._refusal(UpstreamRejected(response.status, response.message, code=response.code))
        body = self._format.encode_response(_dated(response)).body
        return ScriptedResponse(200, JSON, _pieces(body))

    def _refusal(self, error: UpstreamRejected) -> ScriptedResponse:
        response = ScriptedResponse(error.status, JSON, _pieces(self._format.encode_error(error, "req_scripted")))
        if error.retry_after_s is not None:
            response.headers += ((b"retry-after", b"%g" % error.retry_after_s),)
        return response

    async def _stream(
        self, request: ChatRequest, first: ChatEvent | None, events: AsyncIterator[ChatEvent]
    ) -> AsyncIterator[bytes]:
        encoder = self._format.stream_encoder(model=request.model, usage=True)
        if first is not None:
            yield encoder.encode(_dated(first))
        async for event in events:
            yield encoder.encode(_dated(event))

    async def _gather(self, said: Any, request: Request) -> Response:
        """A whole answer, whatever way it was told."""
        if self._format.operation == "count_tokens" and not isinstance(said, TokenCount | ErrorResponse):
            return TokenCount(input=count_tokens(request.text()))
        if isinstance(said, ChatResponse | EmbeddingsResponse | TokenCount | ErrorResponse):
            return said
        collector = StreamCollector()
        async for event in _as_events(said):
            collector.add(event)
        return collector.response()


async def say(script: Script | None, request: Request) -> Any:
    """What the script answers to this: a response, or the events of a stream. Raises what it is told to raise."""
    if callable(script) and not isinstance(script, type):
        script = script(request)
        if inspect.isawaitable(script):
            script = await script
    if script is None or isinstance(script, Mapping):
        return await _echoed(request, script or {})
    if isinstance(script, JackfieldError):
        raise script
    if isinstance(script, str):
        return answer_text(script, request)
    return script


def answer_text(text: str, request: Request | None = None) -> ChatResponse:
    """A completion with this text and an honest usage."""
    asked = request.text() if request is not None else ""
    message = Message(role="assistant", parts=(Text(text=text),))
    return ChatResponse(
        id="scripted",
        model=request.model if request is not None else "scripted",
        choices=(Choice(message=message, finish_reason="stop"),),
        usage=Usage(input=count_tokens(asked), output=count_tokens(text)),
    )


async def _echoed(request: Request, options: Mapping[str, Any]) -> Any:
    upstream = Upstream(name="echo", options=options)
    if isinstance(request, EmbeddingsRequest):
        return await _echo.embed(request, upstream)
    return _echo.stream(request, upstream) if request.stream else await _echo.complete(request, upstream)


async def _as_events(said: Any) -> AsyncIterator[ChatEvent]:
    if isinstance(said, ChatResponse):
        said = replay(said)
    if hasattr(said, "__aiter__"):
        async for event in said:
            yield event
        return
    for event in said:
        if isinstance(event, JackfieldError):
            raise event
        yield event


def _dated(value: Any) -> Any:
    dated = isinstance(value, ChatResponse | StreamStart) and value.created is None
    return msgspec.structs.replace(value, created=CREATED) if dated else value


async def _pieces(body: bytes) -> AsyncIterator[bytes]:
    yield body
