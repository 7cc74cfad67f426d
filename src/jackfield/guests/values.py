"""Canonical values as JSON, and back: each says by `is` what it is, so that a value of several kinds can be read.

The other side may be a stranger: what is read is of the type that is asked for, to its last field, or is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import msgspec

from jackfield.wire.chat import (
    ChatEvent,
    ChatRequest,
    ChatResponse,
    EmbeddingsRequest,
    EmbeddingsResponse,
    Request,
    Response,
    Value,
    freeze,
)

T = TypeVar("T")

_EXTRA = b'"extra":'


def _plain(value: Any) -> Any:
    """Frozen mappings are the only values of the canonical form that JSON has no word for."""
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{type(value).__name__} is not JSON")


_encode = msgspec.json.Encoder(enc_hook=_plain).encode


def encode(value: object) -> bytes:
    """A canonical value, or a tuple of them. Raises `ValueError` where something in it is not what its type says."""
    try:
        return _encode(value)
    except (TypeError, UnicodeError, OverflowError, RecursionError) as error:
        raise ValueError(f"cannot be sent: {error}") from error


def reader(kind: Any) -> Callable[[bytes], Any]:
    """A function that reads JSON as `kind`; it raises `ValueError`."""
    decode = msgspec.json.Decoder(kind).decode

    def read(data: bytes) -> Any:
        try:
            value = decode(data)
        except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
            raise ValueError(f"is not understood: {error}") from error
        return _frozen(value) if _EXTRA in data else value

    return read


def _frozen(value: Any) -> Any:
    """With no mapping in it that anybody could write to."""
    if isinstance(value, tuple):
        return tuple(map(_frozen, value))
    if not isinstance(value, Value):
        return value
    changes: dict[str, Any] = {}
    for name in value.__struct_fields__:
        held = getattr(value, name)
        if name == "extra":
            changes[name] = freeze(held)
        elif isinstance(held, tuple | Value):
            changes[name] = _frozen(held)
    return msgspec.structs.replace(value, **changes)


read_request: Callable[[bytes], Request] = reader(Request)
read_response: Callable[[bytes], Response] = reader(Response)
read_chat_request: Callable[[bytes], ChatRequest] = reader(ChatRequest)
read_embeddings_request: Callable[[bytes], EmbeddingsRequest] = reader(EmbeddingsRequest)
read_chat_response: Callable[[bytes], ChatResponse] = reader(ChatResponse)
read_embeddings_response: Callable[[bytes], EmbeddingsResponse] = reader(EmbeddingsResponse)
read_event: Callable[[bytes], ChatEvent] = reader(ChatEvent)
read_events: Callable[[bytes], tuple[ChatEvent, ...]] = reader(tuple[ChatEvent, ...])
