"""Completions and embeddings: the wire formats of hosts around the canonical values that a provider works with."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

import msgspec

from jackfield.errors import Malformed
from jackfield.ids import new_id
from jackfield.sdk.providers import Upstream
from jackfield.sdk.serve.faults import ProviderFault
from jackfield.sdk.shapes import is_sound
from jackfield.wire.chat import (
    ChatEvent,
    ChatRequest,
    ChatResponse,
    EmbeddingsRequest,
    EmbeddingsResponse,
    Finish,
    StreamEnd,
    StreamFailure,
    StreamStart,
    Usage,
    UsageReport,
)
from jackfield.wire.collect import StreamCollector, merge_usage, replay
from jackfield.wire.openai_chat import OpenAIChat
from jackfield.wire.openai_embeddings import OpenAIEmbeddings
from jackfield.wire.openai_usage import write_usage

# A host leaves far earlier; this is for one that does not.
LONGEST_S = 600.0

_CHAT = OpenAIChat()
_EMBEDDINGS = OpenAIEmbeddings()


def read_chat(body: bytes) -> ChatRequest:
    return _CHAT.decode_request(body)


def read_embeddings(body: bytes) -> EmbeddingsRequest:
    request = _EMBEDDINGS.decode_request(body)
    if not isinstance(request, EmbeddingsRequest):
        raise Malformed("asks for no embeddings")
    return request


async def complete(plugin: Any, request: ChatRequest, price: float | None, now: float) -> bytes:
    """The whole answer, made `now`; of a class that only streams, what it streams."""
    async with asyncio.timeout(LONGEST_S):
        response = await (_call(plugin, request) if hasattr(plugin, "complete") else _collect(plugin, request, now))
    filled = msgspec.structs.replace(
        response,
        id=response.id or new_id("chatcmpl"),
        model=response.model or request.model,
        created=response.created or int(now),
    )
    return _with_cost(_CHAT.encode_response(filled).body, filled.usage, price)


async def _call(plugin: Any, request: ChatRequest) -> ChatResponse:
    response = await plugin.complete(request, Upstream(name=plugin.id))
    if not isinstance(response, ChatResponse) or not is_sound(response):
        raise ProviderFault("internal_error", f"complete answered {type(response).__name__}: no sound ChatResponse")
    return response


async def _collect(plugin: Any, request: ChatRequest, now: float) -> ChatResponse:
    collector = StreamCollector()
    async for event in events_of(plugin, request, now):
        collector.add(event)
    return collector.response()


def _with_cost(body: bytes, usage: Usage | None, price: float | None) -> bytes:
    if usage is None or price is None:
        return body
    fields = msgspec.json.decode(body, type=dict[str, msgspec.Raw])
    told = msgspec.json.decode(fields["usage"], type=dict[str, Any])
    told.setdefault("cost_usd", _cost(usage, price))
    return msgspec.json.encode({**fields, "usage": told})


def _cost(usage: Usage, price: float) -> float:
    return usage.total * price / 1_000_000


async def events_of(plugin: Any, request: ChatRequest, now: float) -> AsyncGenerator[ChatEvent, None]:
    """The events of a whole stream, whichever of the outer ones the provider leaves out; of a class that does not
    stream, its answer. Raises what the provider raises."""
    given = _stream(plugin, request) if hasattr(plugin, "stream") else _replayed(plugin, request)
    begun = finished = False
    async with aclosing(given):
        async for event in given:
            if isinstance(event, StreamEnd):
                break
            if isinstance(event, StreamFailure):
                raise ProviderFault(event.code, event.message)
            if not begun:
                begun = True
                yield _start(event, request, now)
            finished = finished or isinstance(event, Finish)
            if not isinstance(event, StreamStart):
                yield event
    if not begun:
        yield _start(None, request, now)
    if not finished:
        yield Finish(reason="stop")
    yield StreamEnd()


async def _stream(plugin: Any, request: ChatRequest) -> AsyncGenerator[ChatEvent, None]:
    iterator = plugin.stream(request, Upstream(name=plugin.id))
    try:
        while True:
            async with asyncio.timeout(LONGEST_S):
                event = await anext(iterator, None)
            if event is None:
                return
            if not isinstance(event, ChatEvent) or not is_sound(event):
                raise ProviderFault("internal_error", f"stream yielded {type(event).__name__}: no sound ChatEvent")
            yield event
    finally:
        if hasattr(iterator, "aclose"):
            await iterator.aclose()


async def _replayed(plugin: Any, request: ChatRequest) -> AsyncGenerator[ChatEvent, None]:
    async with asyncio.timeout(LONGEST_S):
        response = await _call(plugin, request)
    for event in replay(response):
        yield event


def _start(event: ChatEvent | None, request: ChatRequest, now: float) -> StreamStart:
    given = event if isinstance(event, StreamStart) else StreamStart(id="", model="")
    return msgspec.structs.replace(
        given,
        id=given.id or new_id("chatcmpl"),
        model=given.model or request.model,
        created=given.created or int(now),
    )


class Chunks:
    """One stream as server-sent events. Usage is told in a chunk of its own before the last word, with what it
    cost."""

    def __init__(self, model: str, price: float | None) -> None:
        self._encoder = _CHAT.stream_encoder(model=model, usage=False)
        self._price = price
        self._usage: Usage | None = None
        self._start = StreamStart(id="", model=model)

    def write(self, event: ChatEvent) -> bytes:
        if isinstance(event, UsageReport):
            self._usage = merge_usage(self._usage or Usage(), event.usage)
            return b""
        if isinstance(event, StreamStart):
            self._start, self._usage = event, event.usage
        if isinstance(event, StreamEnd):
            return self._write_usage() + self._encoder.encode(event)
        return self._encoder.encode(event)

    def _write_usage(self) -> bytes:
        if self._usage is None:
            return b""
        usage = write_usage(self._usage)
        if self._price is not None:
            usage["cost_usd"] = _cost(self._usage, self._price)
        head: dict[str, Any] = {"id": self._start.id, "object": "chat.completion.chunk", "created": self._start.created}
        chunk = {**head, "model": self._start.model, "choices": [], "usage": usage}
        return b"data: " + msgspec.json.encode(chunk) + b"\n\n"


async def embed(plugin: Any, request: EmbeddingsRequest, price: float | None) -> bytes:
    async with asyncio.timeout(LONGEST_S):
        response = await plugin.embed(request, Upstream(name=plugin.id))
    if not isinstance(response, EmbeddingsResponse) or not is_sound(response):
        kind = type(response).__name__
        raise ProviderFault("internal_error", f"embed answered {kind}: no sound EmbeddingsResponse")
    return _with_cost(_EMBEDDINGS.encode_response(response).body, response.usage, price)
