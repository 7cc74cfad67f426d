"""Embeddings that the gateway asks for on its own behalf, as anybody would: through the pipeline, and on record."""

from __future__ import annotations

import asyncio
import base64
import binascii
import struct
from collections.abc import Callable, Sequence
from time import perf_counter_ns

import msgspec

from jackfield.errors import DeadlineExceeded, JackfieldError, Unavailable, UpstreamBroken
from jackfield.host.snapshot import Snapshot
from jackfield.ids import new_id
from jackfield.pipeline.answers import Answer
from jackfield.pipeline.exchange import Route, State
from jackfield.pipeline.run import Pipeline
from jackfield.sdk.caller import Caller, acting_for
from jackfield.sdk.context import InboundRequest
from jackfield.sdk.outcomes import Identity
from jackfield.wire import format_named
from jackfield.wire.chat import EmbeddingsResponse

# Who asks, on record. No key makes anybody this.
OWN = Identity(app="jackfield")

_ROUTE = Route("POST /v1/embeddings", format_named("openai_embeddings"))
_HEADERS = ((b"content-type", b"application/json"), (b"user-agent", b"jackfield"))

Numbers = tuple[float, ...]


class GatewayEmbedder:
    """Embeds with a model that the gateway serves. Plugins see the exchange like any other; the authenticators, which
    would be asked for a key that there is none of, are not asked."""

    def __init__(self, pipeline: Pipeline, snapshot: Callable[[], Snapshot], model: str) -> None:
        self.model = model
        self._pipeline, self._snapshot = pipeline, snapshot

    async def __call__(self, texts: Sequence[str]) -> tuple[Numbers, ...]:
        """One embedding for each text, all of as many dimensions. Raises `JackfieldError`."""
        state = self._begin(texts)
        try:
            with acting_for(Caller(app=OWN.app, request=state.id)):
                embeddings = _read(state, await self._run(state))
            return _checked(state, embeddings, len(texts))
        except asyncio.CancelledError:
            _fail(state, DeadlineExceeded("given up before the answer came"))
            raise
        finally:
            try:
                await self._pipeline.settle(state)
            finally:
                state.snapshot.unpin()

    def _begin(self, texts: Sequence[str]) -> State:
        body = msgspec.json.encode({"model": self.model, "input": texts})
        inbound = InboundRequest("POST", "/v1/embeddings", _HEADERS, body)
        snapshot = self._snapshot()
        snapshot.pins += 1
        state = State(new_id("req"), _ROUTE, inbound, snapshot, perf_counter_ns())
        state.identity = OWN
        return state

    async def _run(self, state: State) -> Answer:
        """Who is known is not received, so what stands there against every exchange is looked at here."""
        if state.row.barred is not None:
            plugin, reason = state.row.barred
            return await self._pipeline.refuse(state, Unavailable(reason, plugin=plugin))
        return await self._pipeline.run(state)


def _read(state: State, answer: Answer) -> tuple[Numbers, ...]:
    state.mark_first_byte()
    state.response_bytes = len(answer.body)
    if state.error is not None:
        raise state.error
    if answer.head.status != 200:
        _, told = state.route.format.decode_error(answer.body)
        raise UpstreamBroken(f"{state.model} answers with {answer.head.status}: {told}")
    response = state.route.format.decode_response(answer.body)
    assert isinstance(response, EmbeddingsResponse)
    return tuple(map(_numbers, response.data))


def _numbers(raw: msgspec.Raw) -> Numbers:
    """What was asked for is numbers; some upstreams answer in base64 of little-endian float32 all the same."""
    try:
        if bytes(raw)[:1] != b'"':
            return msgspec.json.decode(raw, type=Numbers)
        packed = base64.b64decode(msgspec.json.decode(raw, type=str), validate=True)
        return struct.unpack(f"<{len(packed) // 4}f", packed)
    except (msgspec.DecodeError, binascii.Error, struct.error) as error:
        raise UpstreamBroken(f"an embedding is neither numbers nor base64 of them: {error}") from error


def _checked(state: State, embeddings: tuple[Numbers, ...], expected: int) -> tuple[Numbers, ...]:
    if len(embeddings) != expected:
        raise UpstreamBroken(f"{state.model} answered with {len(embeddings)} embeddings for {expected} texts")
    dimensions = set(map(len, embeddings))
    if len(dimensions) > 1 or 0 in dimensions:
        raise UpstreamBroken(f"{state.model} answered with embeddings of {sorted(dimensions)} dimensions")
    return embeddings


def _fail(state: State, error: JackfieldError) -> None:
    state.fail(error)
    state.status = error.status
