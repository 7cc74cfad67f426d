"""`ctx.body`: the request as a dict in the shape of the OpenAI API, and the way back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from jackfield.dialects.rings.merging import merge_request
from jackfield.errors import Malformed
from jackfield.sdk.context import Exchange
from jackfield.wire import format_named
from jackfield.wire.base import Encoded
from jackfield.wire.chat import ChatRequest, EmbeddingsRequest, Request, freeze

OPENAI_CHAT = format_named("openai_chat")
OPENAI_EMBEDDINGS = format_named("openai_embeddings")
_OWN = frozenset({OPENAI_CHAT.name, OPENAI_EMBEDDINGS.name})

Body = dict[str, Any]

encode = msgspec.json.Encoder().encode
decode = msgspec.json.Decoder().decode


def is_private(name: str) -> bool:
    """Whether a field is for plugins alone. `headers` is among them: a caller must not set those that go upstream."""
    return name[:1] == "_" or name == "headers"


def public_part(body: Mapping[str, Any]) -> bytes:
    """What may reach an upstream, encoded. Raises `TypeError` for what JSON cannot hold."""
    # `is_private`, twice for each call of each plugin
    return encode({name: value for name, value in body.items() if name[:1] != "_" and name != "headers"})


def private_part(body: Mapping[str, Any]) -> Body:
    return {name: value for name, value in body.items() if name[:1] == "_" or name == "headers"}


def read_body(exchange: Exchange, request: Request) -> Body:
    """What an OpenAI client sent, field by field; for others the same in its shape. Raises `Malformed` for what only
    shows when all of it is read."""
    try:
        return _read_whole(exchange, request)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise Malformed(f"the body: {error}") from error


def _read_whole(exchange: Exchange, request: Request) -> Body:
    if exchange.client_format in _OWN and exchange.inbound.body and not exchange.replaced:
        found: Body = decode(exchange.inbound.body)
        return found
    body: Body = decode(write_request(request).body)
    return body | private_extra(request)


def write_request(request: Request) -> Encoded:
    return (OPENAI_EMBEDDINGS if isinstance(request, EmbeddingsRequest) else OPENAI_CHAT).encode_request(request)


def private_extra(request: Request) -> Body:
    """The private fields that a client of another API has sent."""
    return {
        name.removeprefix("."): decode(raw) for name, raw in request.extra.items() if is_private(name.removeprefix("."))
    }


def is_clean(request: Request) -> bool:
    return not any(is_private(name.removeprefix(".")) for name in request.extra)


def clean(request: Request) -> Request:
    """Without the private fields."""
    kept = {name: raw for name, raw in request.extra.items() if not is_private(name.removeprefix("."))}
    return msgspec.structs.replace(request, extra=freeze(kept))


def read_request(public: bytes, original: Request) -> Request:
    """The edited body as a canonical request. Raises `Malformed` where the edit left no request."""
    if isinstance(original, EmbeddingsRequest):
        return _without_messages(OPENAI_EMBEDDINGS.decode_request(public))
    after = OPENAI_CHAT.decode_request(public)
    assert isinstance(after, ChatRequest)
    after = msgspec.structs.replace(after, stream=original.stream, stream_usage=original.stream_usage)
    if original.format == OPENAI_CHAT.name:
        return after
    original = clean(original)
    before = OPENAI_CHAT.decode_request(OPENAI_CHAT.encode_request(original).body)
    assert isinstance(original, ChatRequest)
    assert isinstance(before, ChatRequest)
    return merge_request(original, before, after)


def _without_messages(request: Request) -> Request:
    """Plugins that edit messages set them where there are none."""
    kept = {name: raw for name, raw in request.extra.items() if name != "messages"}
    return msgspec.structs.replace(request, extra=freeze(kept))


def write_inbound(exchange: Exchange, request: Request) -> bytes:
    """The edited request as the client could have sent it."""
    return exchange.wire_format.encode_request(request).body
