"""A provider that answers as a test says, on a port of its own."""

from __future__ import annotations

import asyncio
import copy
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import httptools

from listening import listening

METADATA: Mapping[str, Any] = {
    "name": "Lantern",
    "version": "1.0.0",
    "plugin_api_version": "1.0.0",
    "provider_type": "lantern",
    "description": "Gives light",
    "capabilities": {"streaming": True},
    "config_schema": [{"name": "tier", "type": "string", "description": "How fast", "default": "slow"}],
}
COMPLETION: Mapping[str, Any] = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "created": 1706000000,
    "model": "bright",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hello!"}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 2, "completion_tokens": 1, "total_tokens": 3, "cost_usd": 0.0001},
}
CHUNKS = [
    {"id": "c", "model": "bright", "choices": [{"index": 0, "delta": {"role": "assistant", "content": "Hel"}}]},
    {"id": "c", "model": "bright", "choices": [{"index": 0, "delta": {"content": "lo"}, "finish_reason": "stop"}]},
    {"id": "c", "model": "bright", "choices": [], "usage": dict(COMPLETION["usage"])},
]
HEALTH = {"healthy": True, "message": "OK", "latency_ms": 5, "timestamp": "2026-01-21T10:00:00Z"}
MODELS = [{"id": "bright", "name": "Bright", "cost_per_mtoken": 0.5, "capabilities": {"streaming": True}}]
REFUSAL = (400, {"code": "invalid_request", "message": "No.", "transient": False})
ABSENT = (404, {"code": "invalid_request", "message": "There is no such path.", "transient": False})


def events(chunks: list[Any], *, end: str = "data: [DONE]\n\n") -> bytes:
    return ("".join(f"data: {json.dumps(chunk)}\n\n" for chunk in chunks) + end).encode()


class Provider:
    """`answers` by method and path: a value, a status with one, or bytes with their kind; `None` hangs up. Keeps what
    it was `asked`."""

    def __init__(self, **answers: Any) -> None:
        self.url = ""
        self.asked: list[tuple[str, Any]] = []
        self.metadata = copy.deepcopy(dict(METADATA))
        self.answers: dict[str, Any] = {
            "health": HEALTH,
            "models": MODELS,
            "complete": COMPLETION,
            "stream": ("text/event-stream", events(CHUNKS)),
            "initialize": {},
            "cleanup": {},
            "refuse": REFUSAL,
            "unreadable": REFUSAL,
            "absent": ABSENT,
        }
        assert not answers.keys() - self.answers.keys() - {"metadata", "wrong_config", "embed"}
        self.answers |= answers

    def answer(self, method: str, path: str, body: bytes) -> Any:
        self.asked.append((f"{method} {path}", json.loads(body) if body not in (b"", b"{") else body))
        value = self.asked[-1][1]
        if path == "/metadata":
            return self.answers.get("metadata", self.metadata)
        if path == "/chat/completions":
            if not isinstance(value, dict):
                return self.answers["unreadable"]
            kind = "refuse" if "messages" not in value else "stream" if value.get("stream") else "complete"
            return self.answers[kind]
        if path == "/initialize" and "wrong_config" in self.answers and value != {"tier": "slow"}:
            return self.answers["wrong_config"]
        return self.answers.get(path.strip("/"), self.answers["absent"])


class Connection(asyncio.Protocol):
    def __init__(self, provider: Provider) -> None:
        self._provider, self._parser = provider, httptools.HttpRequestParser(self)
        self._path, self._body = "", b""

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_url(self, url: bytes) -> None:
        self._path = url.decode()

    def on_body(self, body: bytes) -> None:
        self._body += body

    def on_message_complete(self) -> None:
        answer = self._provider.answer(self._parser.get_method().decode(), self._path, self._body)
        self._body = b""
        if answer is None:
            self._transport.abort()
            return
        status, kind, body = 200, "application/json", answer
        if isinstance(answer, tuple) and isinstance(answer[0], int):
            status, body = answer
        elif isinstance(answer, tuple):
            kind, body = answer
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        head = f"HTTP/1.1 {status} -\r\ncontent-type: {kind}; charset=utf-8\r\ncontent-length: {len(data)}\r\n\r\n"
        self._transport.write(head.encode() + data)


@asynccontextmanager
async def serving(provider: Provider) -> AsyncIterator[Provider]:
    async with listening(lambda: Connection(provider)) as port:
        provider.url = f"http://127.0.0.1:{port}"
        yield provider
