"""From the life of an exchange to the events of the guide."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

import msgspec

from jackfield.dialects.factory.names.events import HookContext, HookEvent
from jackfield.dialects.factory.observers import Observers
from jackfield.errors import JackfieldError, UpstreamError
from jackfield.sdk.context import Attempt, Exchange
from jackfield.sdk.outcomes import Headers
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
        self.attempts = 0
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
        self._post(exchange, HookEvent.REQUEST_STARTED, lambda: _request(exchange))
        body = exchange.inbound.body
        self._post(
            exchange,
            HookEvent.HTTP_REQUEST,
            lambda: {**_request(exchange), **_body("body", body), "is_client_request": True},
        )

    def send(self, exchange: Exchange) -> None:
        self._tell_attempts(exchange)
        self._post(exchange, HookEvent.PROVIDER_REQUEST_SENT, lambda: _outgoing(exchange))
        self._post(
            exchange, HookEvent.HTTP_REQUEST, lambda: {**_outgoing(exchange), "is_provider_request": True}
        )  # fmt: skip

    def head(self, exchange: Exchange) -> None:
        """An answer begins; whether an upstream gave it is in its attempts."""
        self._tell_attempts(exchange)
        if exchange.error is not None or not was_served(exchange):
            return
        for event in (HookEvent.PROVIDER_RESPONSE_RECEIVED, HookEvent.HTTP_RESPONSE):
            self._post(exchange, event, lambda: {**_response(exchange), "is_provider_response": True})
        if exchange.stream:
            exchange.local(self._notes).streaming = True
            self._post(exchange, HookEvent.PROVIDER_STREAM_START, lambda: _outgoing(exchange))

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
        self._post(exchange, HookEvent.PROVIDER_STREAM_CHUNK, lambda: {**_outgoing(exchange), **told})

    def end(self, exchange: Exchange) -> None:
        self._tell_attempts(exchange)
        notes = exchange.local(self._notes)
        if notes.streaming:
            if isinstance(exchange.error, UpstreamError):
                self._tell_broken(exchange, exchange.error)
            self._post(exchange, HookEvent.PROVIDER_STREAM_END, lambda: _stream_end(exchange, notes))
        self._post(exchange, HookEvent.HTTP_RESPONSE, lambda: _client_response(exchange))
        failed = has_failed(exchange)
        event = HookEvent.REQUEST_FAILED if failed else HookEvent.REQUEST_COMPLETED
        self._post(exchange, event, lambda: _completed(exchange, notes), error=exchange.error if failed else None)

    def _tell_attempts(self, exchange: Exchange) -> None:
        """Those that failed, each once."""
        notes = exchange.local(self._notes)
        for attempt in exchange.attempts[notes.attempts :]:
            if attempt.error is not None:
                self._tell_failed(exchange, attempt)
        notes.attempts = len(exchange.attempts)

    def _tell_failed(self, exchange: Exchange, attempt: Attempt) -> None:
        provider = next((one.provider for one in exchange.candidates if one.upstream == attempt.upstream), None)
        error = AttemptFailed(attempt.error)
        data: dict[str, Any] = {
            "error": attempt.error,
            "error_type": "upstream",
            "error_detail": attempt.error,
            "phase": "request",
        }
        if attempt.status is not None:
            data["status_code"] = attempt.status
        for event in (HookEvent.HTTP_ERROR, HookEvent.PROVIDER_ERROR):
            self._post(exchange, event, lambda: {**_outgoing(exchange), **data}, provider=provider, error=error)

    def _tell_broken(self, exchange: Exchange, error: JackfieldError) -> None:
        data = {"error": error.message, "error_type": error.code, "error_detail": error.message, "phase": "stream"}
        for event in (HookEvent.HTTP_ERROR, HookEvent.PROVIDER_ERROR):
            self._post(exchange, event, lambda: {**_outgoing(exchange), **data}, error=error)

    def _post(
        self,
        exchange: Exchange,
        event: HookEvent,
        make: Callable[[], dict[str, Any]],
        *,
        provider: str | None = None,
        error: Exception | None = None,
    ) -> None:
        """What nobody wants is not even made."""
        if self._observers.wants(event):
            context = HookContext(event, self._now(), make(), describe(exchange), error=error)
            context.provider = provider or provider_of(exchange)
            self._observers.post(context)


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


def describe(exchange: Exchange) -> dict[str, Any]:
    """The metadata of every event."""
    told: dict[str, Any] = {
        "request_id": exchange.id,
        "endpoint": exchange.inbound.path,
        "service_type": provider_of(exchange),
    }
    if exchange.trying is not None:
        told |= {"client_model": exchange.model, "provider_model": exchange.trying.model}
        told["_model_alias_map"] = {exchange.trying.model: exchange.model}
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


def _outgoing(exchange: Exchange) -> dict[str, Any]:
    """What goes to an upstream; of one in process there is none."""
    told: dict[str, Any] = {"request_id": exchange.id, "is_streaming": exchange.stream}
    trying, outgoing = exchange.trying, exchange.outgoing
    if trying is not None:
        told |= {"origin": "upstream", "upstream": trying.upstream, "model": trying.model, "method": "POST", "url": ""}
    if outgoing is not None:
        told |= {"method": outgoing.method, "url": outgoing.url, "headers": as_texts(outgoing.headers)}
        told |= _body("body", outgoing.body)
    return told


def _response(exchange: Exchange) -> dict[str, Any]:
    told = {key: value for key, value in _outgoing(exchange).items() if key not in ("body", "is_json")}
    headers = as_texts(exchange.head.headers) if exchange.head is not None else {}
    return {**told, "status_code": SERVED, "response_headers": headers}


def _client_response(exchange: Exchange) -> dict[str, Any]:
    headers = as_texts(exchange.head.headers) if exchange.head is not None else {}
    told = {**_request(exchange), "status_code": exchange.status, "response_headers": headers}
    response = exchange.response
    if isinstance(response, ErrorResponse):
        told["response_body"] = {"error": {"code": response.code, "message": response.message}}
    elif response is not None:
        encoded = exchange.wire_format.encode_response(response)
        told["response_body"] = msgspec.json.decode(encoded.body)
    return {**told, "is_client_response": True}


def _stream_end(exchange: Exchange, notes: Notes) -> dict[str, Any]:
    return {
        **_outgoing(exchange),
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
