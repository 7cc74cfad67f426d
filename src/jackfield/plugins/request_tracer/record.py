"""One exchange as it is written to disk."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

import msgspec

from jackfield.sdk import (
    Attempt,
    Exchange,
    Head,
    InboundRequest,
    OutgoingRequest,
    Timings,
    Usage,
    mask_text,
    mask_value,
)
from jackfield.wire.chat import Response

# Of what clients and gateways send: the others may be anything, and say little.
SHOWN_HEADERS = frozenset(
    {
        b"accept",
        b"anthropic-beta",
        b"anthropic-version",
        b"content-encoding",
        b"content-length",
        b"content-type",
        b"openai-beta",
        b"retry-after",
        b"x-request-id",
    }
)
OWN_HEADERS = b"x-jackfield-"
# Each is looked for in each text of a body: whoever sends many of both would keep the gateway busy.
MOST_SECRETS = 200


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """What is kept of an exchange until it is written; nothing of it is changed by others. `secrets` are what must not
    be written."""

    id: str
    at: float
    route: str
    operation: str
    client_format: str
    credential: str | None
    app: str | None
    upstream: str | None
    provider: str | None
    status: int
    error: tuple[str, str] | None
    plugin: str | None
    finish_reason: str | None
    usage: Usage | None
    cost_usd: float | None
    timings: Timings | None
    attempts: tuple[Attempt, ...]
    replaced: bool
    inbound: InboundRequest
    sent: tuple[OutgoingRequest, ...]
    head: Head | None
    response: Response | None
    secrets: frozenset[str]

    @classmethod
    def of(cls, exchange: Exchange, secrets: frozenset[str], sent: tuple[OutgoingRequest, ...]) -> Kept:
        identity, trying, error = exchange.identity, exchange.trying, exchange.error
        return cls(
            id=exchange.id,
            at=exchange.at,
            route=exchange.route,
            operation=exchange.operation,
            client_format=exchange.client_format,
            credential=identity.credential if identity else None,
            app=identity.app if identity else None,
            upstream=trying.upstream if trying else None,
            provider=trying.provider if trying else None,
            status=exchange.status,
            error=(error.code, error.message) if error else None,
            plugin=exchange.decided_by,
            finish_reason=exchange.finish_reason,
            usage=exchange.usage,
            cost_usd=exchange.cost_usd,
            timings=exchange.timings,
            attempts=exchange.attempts,
            replaced=exchange.replaced,
            inbound=exchange.inbound,
            sent=sent,
            head=exchange.head,
            response=exchange.response,
            secrets=secrets,
        )

    @property
    def size(self) -> int:
        """About what it takes in memory."""
        return 2000 + 2 * len(self.inbound.body) + sum(len(one.body or b"") for one in self.sent)


def describe(kept: Kept, max_body_bytes: int, max_text_chars: int) -> bytes:
    """For a thread: it looks at every text."""
    writing = _Writing(kept.secrets, max_body_bytes, max_text_chars)
    told = {
        **_facts(kept),
        "request": {
            "method": kept.inbound.method,
            "path": kept.inbound.path,
            "client": kept.inbound.client,
            "headers": _shown(kept.inbound.headers),
            "replaced": kept.replaced,
            "body": writing.body(kept.inbound.body),
        },
        "upstream_requests": [
            {"method": one.method, "url": one.url.partition("?")[0], "body": writing.body(one.body or b"")}
            for one in kept.sent
        ],
        "response": {
            "status": kept.status,
            "headers": _shown(kept.head.headers) if kept.head else {},
            "body": None if kept.response is None else writing.answer(kept.response),
        },
    }
    return msgspec.json.format(msgspec.json.encode(writing.clean(told)), indent=1) + b"\n"


def _facts(kept: Kept) -> dict[str, Any]:
    error = kept.error
    return {
        "id": kept.id,
        "at": datetime.fromtimestamp(kept.at, UTC).isoformat(timespec="milliseconds"),
        "route": kept.route,
        "operation": kept.operation,
        "client_format": kept.client_format,
        # Named so that it is not taken for the secret itself.
        "called_by": kept.credential,
        "app": kept.app,
        "provider": kept.provider,
        "upstream": kept.upstream,
        "error": None if error is None else {"code": error[0], "message": error[1]},
        "plugin": kept.plugin,
        "finish_reason": kept.finish_reason,
        "usage": None if kept.usage is None else msgspec.to_builtins(kept.usage),
        "cost_usd": kept.cost_usd,
        "timings_ms": None if kept.timings is None else msgspec.to_builtins(kept.timings),
        "attempts": [msgspec.to_builtins(attempt) for attempt in kept.attempts],
    }


def _shown(headers: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    return {
        name.decode("latin-1"): value.decode("latin-1")
        for name, value in headers
        if name in SHOWN_HEADERS or name.startswith(OWN_HEADERS)
    }


class _Writing:
    def __init__(self, secrets: frozenset[str], max_body_bytes: int, max_text_chars: int) -> None:
        self._secrets, self._max_body_bytes, self._max_text_chars = secrets, max_body_bytes, max_text_chars

    def body(self, body: bytes) -> Any:
        """What cannot be read cannot be searched for secrets, and is left out."""
        if not body:
            return None
        if len(self._secrets) > MOST_SECRETS:
            return {
                "left_out": f"the request has {len(self._secrets)} values that may be secrets: too many to look for"
            }
        if len(body) > self._max_body_bytes:
            return {"left_out": f"has {len(body)} bytes"}
        try:
            return msgspec.json.decode(body)
        except (msgspec.DecodeError, RecursionError):
            return {"left_out": f"{len(body)} bytes that are no JSON"}

    def answer(self, response: Response) -> Any:
        try:
            return self.body(msgspec.json.encode(response, enc_hook=dict))
        except UnicodeEncodeError:
            return {"left_out": "holds half a character"}

    def clean(self, told: Any) -> Any:
        """First without secrets, then cut: half a secret would not be known."""
        return self._cut(mask_value(told, self._secrets))

    def _cut(self, value: Any) -> Any:
        if isinstance(value, dict):
            return {self._cut(name): self._cut(inner) for name, inner in value.items()}
        if isinstance(value, list):
            return [self._cut(inner) for inner in value]
        if not isinstance(value, str):
            return value
        text = value if value.isascii() else value.encode("utf-8", "backslashreplace").decode()
        left = len(text) - self._max_text_chars
        return text if left <= 0 else f"{text[: self._max_text_chars]}… ({left} more)"


def name_of(kept: Kept) -> str:
    """What its file is called: by its time, then by its id."""
    at = datetime.fromtimestamp(kept.at, UTC)
    return f"{at:%Y%m%dT%H%M%S}.{at.microsecond // 1000:03}-{mask_text(kept.id)}.json"
