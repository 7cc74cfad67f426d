"""`provider.request.prepared`: the one event that changes something, before each try of an upstream."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

import msgspec
import structlog

from jackfield.dialects.factory.names.events import HookContext, HookEvent
from jackfield.dialects.factory.observers import Observers
from jackfield.dialects.factory.telling import as_texts, describe, provider_of
from jackfield.sdk.context import Exchange
from jackfield.sdk.outcomes import Headers
from jackfield.transport.messages import OutgoingRequest

# The connection's own.
_OURS = frozenset(
    "connection content-length expect host keep-alive te trailer transfer-encoding upgrade".split()  # noqa: SIM905
)
_METHOD = re.compile(r"[A-Z]{1,20}")
_NAME = re.compile(r"[a-z0-9!#$%&'*+.^_`|~-]+")
_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*")

log = structlog.get_logger("plugin")


async def prepare(
    exchange: Exchange, outgoing: OutgoingRequest, observers: Observers, now: Callable[[], datetime]
) -> OutgoingRequest:
    """What the plugin's hooks made of it, one after the other; what one of them did that failed is undone."""
    context = _context(exchange, outgoing, now())
    for hook in observers.registry.get(HookEvent.PROVIDER_REQUEST_PREPARED):
        if await observers.tell(hook, context):
            outgoing = read_back(context.data, outgoing)
        context.data.update(_show(outgoing))
    return outgoing


def _show(outgoing: OutgoingRequest) -> dict[str, Any]:
    body, kind = _shown(outgoing.body)
    return {
        "method": outgoing.method,
        "url": outgoing.url,
        "headers": as_texts(outgoing.headers),
        "body": body,
        "body_raw": outgoing.body,
        "body_kind": kind,
        "is_json": kind == "json",
    }


def _context(exchange: Exchange, outgoing: OutgoingRequest, at: datetime) -> HookContext:
    data = {
        "request_id": exchange.id,
        **_show(outgoing),
        "original_body_raw": outgoing.body,
        "is_streaming": exchange.stream,
        "endpoint": exchange.inbound.path,
    }
    event = HookEvent.PROVIDER_REQUEST_PREPARED
    return HookContext(event, at, data, describe(exchange, exchange.trying), provider=provider_of(exchange))


def _shown(body: bytes) -> tuple[Any, str]:
    try:
        return msgspec.json.decode(body), "json"
    except msgspec.DecodeError:
        pass
    try:
        return body.decode("utf-8"), "text"
    except UnicodeDecodeError:
        return body, "bytes"


def read_back(data: Mapping[str, Any], before: OutgoingRequest) -> OutgoingRequest:
    """What cannot be taken is left as it was."""
    method, url = data.get("method"), data.get("url")
    return OutgoingRequest(
        method if isinstance(method, str) and _METHOD.fullmatch(method) else before.method,
        url if isinstance(url, str) and url.isascii() and url.isprintable() and url else before.url,
        _headers(data.get("headers"), before.headers),
        _body(data, before.body),
    )


def _headers(given: Any, before: Headers) -> Headers:
    if not isinstance(given, Mapping) or not given:
        return before
    named = [(str(name).lower(), str(value)) for name, value in given.items() if value is not None]
    kept = [(name, value) for name, value in named if name not in _OURS]
    if not all(_NAME.fullmatch(name) and _VALUE.fullmatch(value) for name, value in kept):
        log.warning("prepared_headers_ignored", headers=sorted(name for name, _ in kept))
        return before
    return tuple((name.encode("latin-1"), value.encode("latin-1")) for name, value in kept)


def _body(data: Mapping[str, Any], before: bytes) -> bytes:
    """Of `body_raw` and `body` the one that was changed; where both were, the first."""
    raw = data.get("body_raw")
    if isinstance(raw, str):
        raw = raw.encode("utf-8", "surrogatepass")
    if isinstance(raw, bytes | bytearray) and bytes(raw) != before:
        return bytes(raw)
    body = data.get("body")
    if body is None or body == _shown(before)[0]:
        return before
    if isinstance(body, str) and data.get("body_kind") != "json":
        return body.encode("utf-8", "surrogatepass")
    if isinstance(body, bytes | bytearray):
        return bytes(body)
    try:
        return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode("utf-8")
    except (TypeError, ValueError) as error:
        log.warning("prepared_body_ignored", error=str(error))
        return before
