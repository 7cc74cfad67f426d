"""The two APIs as a client without a package speaks them, and what their errors look like."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from dataclasses import dataclass
from typing import Any

from jackfield.testing import Called, Caller, Upstream, until
from jackfield.testing.gateway import RunningGateway

ANTHROPIC_TYPES = {
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    503: "overloaded_error",
    504: "timeout_error",
}


@dataclass(frozen=True)
class Api:
    name: str

    @property
    def path(self) -> str:
        return "/v1/chat/completions" if self.name == "openai" else "/v1/messages"

    @property
    def headers(self) -> dict[str, str]:
        return {} if self.name == "openai" else {"anthropic-version": "2023-06-01"}

    def body(self, text: str = "Hello", *, model: str = "scripted", **fields: Any) -> dict[str, Any]:
        limit = {} if self.name == "openai" else {"max_tokens": 100}
        return {"model": model, "messages": [{"role": "user", "content": text}], **limit, **fields}

    def text_of(self, called: Called) -> str:
        if self.name == "openai":
            return str(called.json["choices"][0]["message"]["content"])
        return "".join(block["text"] for block in called.json["content"])

    def streamed_text(self, called: Called) -> str:
        """The text in the events that have come, errors left out."""
        events = [json.loads(data) for _, data in called.events if data != "[DONE]"]
        if self.name == "openai":
            deltas = [event["choices"][0]["delta"] for event in events if event.get("choices")]
            return "".join(delta.get("content") or "" for delta in deltas)
        deltas = [event["delta"] for event in events if event["type"] == "content_block_delta"]
        return "".join(delta.get("text", "") for delta in deltas)

    def check_error(self, called: Called, status: int, code: str | None = None, plugin: str | None = None) -> str:
        """Checks status and form; returns the message."""
        assert called.status == status, called.body
        assert called.headers["content-type"] == "application/json"
        return self.check_error_body(called.json, called.headers["x-request-id"], status, code, plugin)

    def check_error_body(
        self, body: Any, request_id: str, status: int, code: str | None = None, plugin: str | None = None
    ) -> str:
        if self.name == "openai":
            assert set(body) == {"error"}
            assert {"message", "type", "code", "param"} == set(body["error"]) - {"plugin"}
            assert isinstance(body["error"]["type"], str)
            assert code in (None, body["error"]["code"]), body
            assert body["error"].get("plugin") == plugin
        else:
            assert set(body) == {"type", "error", "request_id"}
            assert body["type"] == "error"
            assert {"type", "message"} <= set(body["error"])
            usual = "api_error" if status >= 500 else "invalid_request_error"
            assert body["error"]["type"] == ANTHROPIC_TYPES.get(status, usual)
            assert body["request_id"] == request_id
        message = body["error"]["message"]
        assert isinstance(message, str)
        assert message
        return message

    def check_stream_error(self, called: Called) -> str:
        """Checks that the stream ends in the error event of the API; returns the message."""
        name, data = called.events[-1]
        body = json.loads(data)
        if self.name == "anthropic":
            assert name == "error"
            assert body["type"] == "error"
        assert isinstance(body["error"]["message"], str)
        assert isinstance(body["error"]["type"], str)
        return str(body["error"]["message"])


@dataclass
class Stage:
    """A gateway, the scripted upstream behind it and the API that its clients speak.

    `check_nothing_left` is called at the end of every test by the fixture that made it.
    """

    gateway: RunningGateway
    upstream: Upstream
    api: Api
    tasks: Counter[str]

    def caller(self, key: str | None = None, **headers: str) -> Caller:
        return self.gateway.caller(key, **self.api.headers, **headers)

    async def ask(self, text: str = "Hello", **fields: Any) -> Called:
        async with self.caller() as caller:
            return await caller.post(self.api.path, self.api.body(text, **fields))

    async def record_of(self, called: Called) -> dict[str, Any]:
        """The usage record of an answered exchange, once it is there."""
        wanted = called.headers["x-request-id"]
        found = await until(lambda: self.gateway.records(0), lambda records: any(r["id"] == wanted for r in records))
        (record,) = [record for record in found if record["id"] == wanted]
        return record

    async def check_nothing_left(self) -> None:
        """No exchange in flight, no connection the upstream does not know of, no task that was not there before."""
        metrics = await self.gateway.quiet()
        await until(self._connections, lambda counts: counts[0] <= counts[1])
        await until(self._strays, lambda strays: not strays)
        assert metrics["jackfield_records_lost"] == 0

    async def _connections(self) -> tuple[float, int]:
        metrics = await self.gateway.metrics()
        return metrics["jackfield_upstream_connections"], self.upstream.open_connections

    async def _strays(self) -> list[str]:
        return sorted((count_tasks() - self.tasks).elements())


def count_tasks() -> Counter[str]:
    """By what they run; those of scripted upstreams and the caller's own left out."""
    own = asyncio.current_task()
    names = [getattr(task.get_coro(), "__qualname__", "") for task in asyncio.all_tasks() if task is not own]
    return Counter(name for name in names if name != "Connection._serve_waiting")
