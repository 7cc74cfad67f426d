"""A request as a provider that cannot do everything is asked."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Raw

from jackfield.dialects.provider.metadata import Capabilities
from jackfield.errors import UpstreamRejected
from jackfield.runtimes.http.errors import INVALID_REQUEST

_STREAMING = ("stream", "stream_options")
_TOOLS = ("tools", "functions")
_EMPTY = (b"null", b"[]", b"")

_read_fields = msgspec.json.Decoder(dict[str, Raw]).decode
_read_anything = msgspec.json.Decoder(Any).decode
_encode = msgspec.json.Encoder().encode


def fit_request(body: bytes, model: str, can: Capabilities) -> bytes:
    """The same bytes wherever nothing has to change. Raises `UpstreamRejected` for what the model cannot do."""
    if not can.function_calling and (b'"tools"' in body or b'"functions"' in body) and _asks_for_tools(body):
        raise _refuse(model, "function calling")
    if not can.vision and b'"image_url"' in body and _shows_images(body):
        raise _refuse(model, "images")
    if not can.streaming and b'"stream' in body:
        return _without_streaming(body)
    return body


def _refuse(model: str, what: str) -> UpstreamRejected:
    told = f"the model {model!r:.200} does not take {what}: its provider does not say that it can"
    return UpstreamRejected(400, told, code=INVALID_REQUEST, again=False, sent=False)


def _fields(body: bytes) -> dict[str, Raw]:
    try:
        return _read_fields(body)
    except (msgspec.DecodeError, UnicodeError):
        return {}


def _asks_for_tools(body: bytes) -> bool:
    fields = _fields(body)
    return any(bytes(fields.get(name, Raw(b""))) not in _EMPTY for name in _TOOLS)


def _shows_images(body: bytes) -> bool:
    try:
        messages: Any = _read_anything(_fields(body).get("messages", Raw(b"[]")))
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return False
    parts = (message.get("content") for message in messages if isinstance(message, dict))
    return any(
        isinstance(part, dict) and part.get("type") == "image_url"
        for content in parts
        if isinstance(content, list)
        for part in content
    )


def _without_streaming(body: bytes) -> bytes:
    fields = _fields(body)
    if not any(name in fields for name in _STREAMING):
        return body
    return _encode({name: value for name, value in fields.items() if name not in _STREAMING})
