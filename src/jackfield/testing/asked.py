"""What a trial's client sends: a body, made from whatever is at hand, and its headers."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import msgspec

from jackfield.clock import Clock
from jackfield.errors import ConfigError
from jackfield.hooks.guard import PluginGuard
from jackfield.hooks.table import BoundHook
from jackfield.sdk.context import Exchange
from jackfield.sdk.hooks import HookSpec
from jackfield.sdk.outcomes import Headers, Identity
from jackfield.server.inference import ROUTES
from jackfield.wire.chat import EmbeddingsRequest, Request

Api = Literal["openai", "anthropic"]

CHAT: Mapping[str, str] = {"openai": "/v1/chat/completions", "anthropic": "/v1/messages"}
EMBEDDINGS = "/v1/embeddings"
RESPONSES = "/v1/responses"
MODEL = "scripted"
MAX_TOKENS = 1024
LAST = 1_000_000_000
KEY_HEADERS = frozenset({b"authorization", b"x-api-key"})


@dataclass(frozen=True)
class Asked:
    path: str
    body: bytes

    @classmethod
    def read(
        cls, given: Any, *, api: Api = "openai", path: str | None = None, stream: bool | None = None, model: str | None
    ) -> Asked:
        """Raises `ConfigError` for a path that the gateway does not have."""
        path = path or (EMBEDDINGS if isinstance(given, EmbeddingsRequest) else CHAT[api])
        if path not in ROUTES:
            raise ConfigError(f"there is no {path!r}; known are {', '.join(ROUTES)}", field="path")
        if isinstance(given, bytes):
            return cls(path, given)
        if isinstance(given, msgspec.Struct):
            return cls(path, _encode(path, given, stream, model))
        body = _say(path, given) if isinstance(given, str) else dict(given)
        body |= {"model": model or body.get("model", MODEL)}
        body |= {} if stream is None else {"stream": stream}
        return cls(path, json.dumps(body).encode())

    def headers(self, given: Mapping[str, str], key: str | None) -> Headers:
        own = tuple((name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in given.items())
        names = {name for name, _ in own}
        headers = own if b"content-type" in names else ((b"content-type", b"application/json"), *own)
        if key is None or names & KEY_HEADERS:
            return headers
        return (*headers, (b"authorization", f"Bearer {key}".encode("latin-1")))


def _say(path: str, text: str) -> dict[str, Any]:
    if path in (EMBEDDINGS, RESPONSES):
        return {"input": text}
    body: dict[str, Any] = {"messages": [{"role": "user", "content": text}]}
    return body | {"max_tokens": MAX_TOKENS} if path == CHAT["anthropic"] else body


def _encode(path: str, request: Any, stream: bool | None, model: str | None) -> bytes:
    changes: dict[str, Any] = {} if stream is None else {"stream": stream}
    changes |= {} if model is None else {"model": model}
    asked: Request = msgspec.structs.replace(request, **changes)
    return ROUTES[path].format.encode_request(asked).body


def caller_hook(identity: Identity, clock: Clock) -> BoundHook:
    """Says who calls, once no hook of the plugin has."""

    async def tell_caller(exchange: Exchange) -> Identity:
        return identity

    spec = HookSpec(point="auth", name="tell_caller", on_failure="closed")
    guard = PluginGuard("trial", clock)
    return BoundHook("trial", spec, tell_caller, guard, priority=LAST, timeout_ms=1000, closed=True)
