"""From the life of an exchange to the events of the guide."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import Any

import msgspec

from jackfield.dialects.factory.names.events import HookContext, HookEvent
from jackfield.dialects.factory.observers import Observers
from jackfield.errors import JackfieldError, UpstreamError
from jackfield.sdk.context import Attempt, Candidate, Exchange
from jackfield.sdk.outcomes import Headers
from jackfield.transport.messages import OutgoingRequest
from jackfield.wire.chat import ChatEvent, ErrorResponse, Usage

CLIENT_GONE = 499
BROKEN = 500
REFUSED = 400
SERVED = 200
# Of a stream's text, for its last event.
MOST_TEXT = 1024 * 1024


class Notes:
    """What one plugin has been told of one exchange."""

    def __init__(self) -> None:
        self.begun = False
        self.attempts = 0
        # With the number of the attempt.
        self.sent: tuple[int, OutgoingRequest | None] | None = None
        self.streaming = False
        self.chunks = self.bytes = 0
        self.kept = bytearray()
        self.encoder: Any = None


class AttemptFailed(Exception):
    """An upstream that did not answer, or answered with an error."""


class Teller:
    """For one plugin."""

    def __init__(self, observers: Observers, now: Callable[[], datetime]) -> None:
        self._observers, self._now = observers, now
        # An exchange keeps one for each type: so each plugin has a type of its own.
        self._notes: type[Notes] = type("OwnNotes", (Notes,), {})

    def begin(self, exchange: Exchange) -> None:
        exchange.local(self._notes).begun = True
        self._post(exchange, HookEvent.REQUEST_STARTED, lambda: _request(exchange))
        body = exchange.inbound.body
        self._post(
            exchange,
            HookEvent.HTTP_REQUEST,
            lambda: {**_request(exchange), **_body("body", body), "is_client_request": True},
            size=len(body),
        )

    def send(self, exchange: Exchange) -> None:
        self.catch_up(exchange)
        tried, sent = exchange.trying, exchange.outgoing
        exchange.local(self._notes).sent = len(exchange.attempts), sent
        make = partial(_whole, exchange, tried, sent)
        self._post(exchange, HookEvent.PROVIDER_REQUEST_SENT, make, size=_size(sent))
        make = partial(make, is_provider_request=True)
        self._post(exchange, HookEvent.HTTP_REQUEST, make, size=_size(sent))

    def head(self, exchange: Exchange) -> None:
        """An answer begins; whether an upstream gave it is in its attempts."""
        self.catch_up(exchange)
        if exchange.error is not None or not was_served(exchange):
            return
        for event in (HookEvent.PROVIDER_RESPONSE_RECEIVED, HookEvent.HTTP_RESPONSE):
            self._post(exchange, event, lambda: {**_response(exchange), "is_provider_response": True})
        if exchange.stream:
            exchange.local(self._notes).streaming = True
            self._post(exchange, HookEvent.PROVIDER_STREAM_START, lambda: _asked(exchange))

    def chunk(self, exchange: Exchange, event: ChatEvent) -> None:
        notes = exchange.local(self._notes)
        if notes.encoder is None:
            notes.encoder = exchange.wire_format.stream_encoder(model=exchange.model, usage=True)
        data: bytes = notes.encoder.encode(event)
        if not data:
            return
        notes.chunks += 1
        notes.bytes += len(data)
        if len(notes.kept) < MOST_TEXT:
            notes.kept += data
        told = {"chunk": data, "chunk_number": notes.chunks, "chunk_size": len(data)}
        where = exchange.trying, exchange.outgoing
        self._post(
            exchange, HookEvent.PROVIDER_STREAM_CHUNK, lambda: {**_place(exchange, *where), **told}, size=len(data)
        )

    def end(self, exchange: Exchange) -> None:
        self.catch_up(exchange)
        notes = exchange.local(self._notes)
        if notes.streaming:
            if isinstance(exchange.error, UpstreamError):
                self._tell_broken(exchange, exchange.error)
            size = len(notes.kept)
            self._post(exchange, HookEvent.PROVIDER_STREAM_END, lambda: _stream_end(exchange, notes), size=size)
        answer = _answer(exchange) if self._observers.wants(HookEvent.HTTP_RESPONSE) else b""
        self._post(exchange, HookEvent.HTTP_RESPONSE, lambda: _client_response(exchange, answer), size=len(answer))
        failed = has_failed(exchange)
        event = HookEvent.REQUEST_FAILED if failed else HookEvent.REQUEST_COMPLETED
        self._post(exchange, event, lambda: _completed(exchange, notes), error=exchange.error if failed else None)

    def catch_up(self, exchange: Exchange) -> None:
        """That it began, where nobody was told, and of the attempts those that failed: each once."""
        notes = exchange.local(self._notes)
        if not notes.begun:
            self.begin(exchange)
        for number, attempt in enumerate(exchange.attempts[notes.attempts :], notes.attempts):
            if attempt.error is not None:
                sent = notes.sent[1] if notes.sent is not None and notes.sent[0] == number else None
                self._tell_failed(exchange, attempt, sent)
        notes.attempts = len(exchange.attempts)

    def _tell_failed(self, exchange: Exchange, attempt: Attempt, sent: OutgoingRequest | None) -> None:
        """By then another upstream may be tried."""
        tried = next((one for one in exchange.candidates if _is_of(attempt, one)), None)
        error = {"error": attempt.error, "error_type": "upstream", "error_detail": attempt.error, "phase": "request"}
        status = {} if attempt.status is None else {"status_code": attempt.status}
        for event in (HookEvent.HTTP_ERROR, HookEvent.PROVIDER_ERROR):
            self._post(
                exchange,
                event,
                partial(_whole, exchange, tried, sent, **error, **status),
                size=_size(sent),
                tried=tried,
                error=AttemptFailed(attempt.error),
            )

    def _tell_broken(self, exchange: Exchange, error: JackfieldError) -> None:
        data = {"error": error.message, "error_type": error.code, "error_detail": error.message, "phase": "stream"}
        tried, sent = exchange.trying, exchange.outgoing
        for event in (HookEvent.HTTP_ERROR, HookEvent.PROVIDER_ERROR):
            self._post(exchange, event, partial(_whole, exchange, tried, sent, **data), size=_size(sent), error=error)

    def _post(
        self,
        exchange: Exchange,
        event: HookEvent,
        make: Callable[[], dict[str, Any]],
        *,
        size: int = 0,
        tried: Candidate | None = None,
        error: Exception | None = None,
    ) -> None:
        """What nobody wants is not even made. `size` is that of the body in it."""
        if self._observers.wants(event):
            tried = tried or exchange.trying
            context = HookContext(event, self._now(), make(), describe(exchange, tried), error=error)
            context.provider = None if tried is None else tried.provider
            self._observers.post(context, size)


def provider_of(exchange: Exchange) -> str | None:
    return exchange.trying.provider if exchange.trying is not None else None


def was_served(exchange: Exchange) -> bool:
    """Whether an upstream has answered, and no plugin in its place."""
    return bool(exchange.attempts) and exchange.attempts[-1].status == SERVED


def has_failed(exchange: Exchange) -> bool:
    """Without an answer, or with one that broke off; that a request was refused is an answer."""
    status = exchange.status
    if exchange.error is None:
        return status >= BROKEN
    return status == CLIENT_GONE or status >= BROKEN or status < REFUSED


def _is_of(attempt: Attempt, candidate: Candidate) -> bool:
    return (attempt.upstream, attempt.model) == (candidate.upstream, candidate.model)


def describe(exchange: Exchange, tried: Candidate | None) -> dict[str, Any]:
    """The metadata of every event."""
    told: dict[str, Any] = {"request_id": exchange.id, "endpoint": exchange.inbound.path, "service_type": None}
    if tried is not None:
        told |= {"service_type": tried.provider, "client_model": exchange.model, "provider_model": tried.model}
        told["_model_alias_map"] = {tried.model: exchange.model}
    return told | _tokens(exchange) if exchange.usage is not None else told


def as_texts(headers: Headers) -> dict[str, str]:
    return {name.decode("latin-1"): value.decode("latin-1") for name, value in headers}


def _request(exchange: Exchange) -> dict[str, Any]:
    """Without credentials, and without the query, which may hold some."""
    inbound = exchange.inbound.without_credentials()
    return {
        "request_id": exchange.id,
        "method": inbound.method,
        "url": inbound.path,
        "endpoint": inbound.path,
        "client_ip": inbound.client,
        "headers": as_texts(inbound.headers),
    }


def _body(name: str, body: bytes) -> dict[str, Any]:
    try:
        return {name: msgspec.json.decode(body), "is_json": True}
    except msgspec.DecodeError:
        return {name: body, "is_json": False}


def _asked(exchange: Exchange) -> dict[str, Any]:
    """What the upstream is asked that is tried now, without the body: there may be thousands of events."""
    sent = exchange.outgoing
    headers = {} if sent is None else {"headers": as_texts(sent.headers)}
    return _place(exchange, exchange.trying, sent) | headers


def _whole(exchange: Exchange, tried: Candidate | None, sent: OutgoingRequest | None, **more: Any) -> dict[str, Any]:
    """What an upstream was asked."""
    told = _place(exchange, tried, sent) | more
    return told if sent is None else {**told, "headers": as_texts(sent.headers), **_body("body", sent.body)}


def _size(sent: OutgoingRequest | None) -> int:
    return 0 if sent is None else len(sent.body)


def _place(exchange: Exchange, tried: Candidate | None, sent: OutgoingRequest | None) -> dict[str, Any]:
    """Where a request went; to an upstream in process nothing is sent."""
    told: dict[str, Any] = {"request_id": exchange.id, "is_streaming": exchange.stream}
    if tried is not None:
        told |= {"origin": "upstream", "upstream": tried.upstream, "model": tried.model, "method": "POST", "url": ""}
    return told if sent is None else told | {"method": sent.method, "url": sent.url}


def _response(exchange: Exchange) -> dict[str, Any]:
    headers = as_texts(exchange.head.headers) if exchange.head is not None else {}
    return {**_asked(exchange), "status_code": SERVED, "response_headers": headers}


def _answer(exchange: Exchange) -> bytes:
    """The body, where it came whole and is no error."""
    response = exchange.response
    if response is None or isinstance(response, ErrorResponse):
        return b""
    return exchange.wire_format.encode_response(response).body


def _client_response(exchange: Exchange, answer: bytes) -> dict[str, Any]:
    headers = as_texts(exchange.head.headers) if exchange.head is not None else {}
    told = {**_request(exchange), "status_code": exchange.status, "response_headers": headers}
    response = exchange.response
    if isinstance(response, ErrorResponse):
        told["response_body"] = {"error": {"code": response.code, "message": response.message}}
    # A turn of a model that uses tools has no body of its own: the client gets that of them all.
    elif answer and (read := _body("body", answer))["is_json"]:
        told["response_body"] = read["body"]
    return {**told, "is_client_response": True}


def _stream_end(exchange: Exchange, notes: Notes) -> dict[str, Any]:
    return {
        **_asked(exchange),
        "total_chunks": notes.chunks,
        "total_bytes": notes.bytes,
        "upstream_stream_text": bytes(notes.kept).decode("utf-8", "replace"),
        "usage_metrics": _count(exchange),
        "completed": exchange.error is None,
    }


def _completed(exchange: Exchange, notes: Notes) -> dict[str, Any]:
    total_ms = exchange.timings.total if exchange.timings is not None else 0.0
    told = {
        **_request(exchange),
        "response_status": exchange.status,
        "status_code": exchange.status,
        "duration": total_ms / 1000,
        "service_type": provider_of(exchange),
        # Of a stream its last event has told them: who adds both up would count them twice.
        "usage": {} if notes.streaming else _count(exchange),
        "cost_usd": exchange.cost_usd,
        "streaming_completed": notes.streaming and exchange.error is None,
    }
    if exchange.trying is not None:
        told["model"] = exchange.model
    if exchange.head is not None:
        told["response_headers"] = as_texts(exchange.head.headers)
    if exchange.error is not None:
        told["error"] = exchange.error.message
    return told


def _tokens(exchange: Exchange) -> dict[str, Any]:
    """As metadata name them."""
    counted = _count(exchange)
    names = {
        "tokens_input": "input_tokens",
        "tokens_output": "output_tokens",
        "cache_read_tokens": "cache_read_input_tokens",
        "cache_write_tokens": "cache_creation_input_tokens",
        "cost_usd": "cost_usd",
    }
    return {name: counted[field] for name, field in names.items()} | {"model": exchange.model}


def _count(exchange: Exchange) -> dict[str, Any]:
    used: Usage | None = exchange.usage
    if used is None:
        return {}
    return {
        "input_tokens": used.input,
        "output_tokens": used.output,
        "cache_read_input_tokens": used.cached,
        "cache_creation_input_tokens": used.cache_write,
        "cost_usd": exchange.cost_usd,
    }
