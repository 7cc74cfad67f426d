"""A gateway with the plugins of one test between a caller and a scripted upstream."""

from __future__ import annotations

import json
from collections.abc import Mapping
from textwrap import dedent, indent
from typing import Any

from jackfield.testing import Called, Upstream
from jackfield.testing.gateway import RunningGateway

UPSTREAM_KEY = "upstream-secret-0123456789"
PREFACE = """
import asyncio
import msgspec
from jackfield.sdk import *
from pipeline.seen import SEEN

def say(text, model="cached"):
    message = Message(role="assistant", parts=(Text(text=text),))
    return ChatResponse(id="made", model=model, choices=(Choice(message=message, finish_reason="stop"),))

def edit(value, **changes):
    return msgspec.structs.replace(value, **changes)

class Tested(Plugin):
    id = "{name}"
"""
CHAT = "/v1/chat/completions"


def deadline_ms(body: str) -> int:
    """Short for a hook that waits for ever; else so long that no stall of the machine makes it late."""
    return 20 if "Event().wait()" in body else 30_000


def plugin_source(name: str, methods: str) -> str:
    return PREFACE.replace("{name}", name) + indent(dedent(methods), "    ")


class Gate:
    def __init__(self, gateway: RunningGateway, upstream: Upstream) -> None:
        self.gateway, self.upstream = gateway, upstream

    async def chat(
        self, text: str = "hello", *, key: str | None = None, headers: Mapping[str, str] | None = None, **fields: Any
    ) -> Called:
        body = {"model": "scripted", "messages": [{"role": "user", "content": text}], **fields}
        return await self.post(CHAT, body, key=key, headers=headers)

    async def post(
        self, path: str, body: Any, *, key: str | None = None, headers: Mapping[str, str] | None = None
    ) -> Called:
        async with self.gateway.caller(key) as caller:
            return await caller.call("POST", path, body=body, headers=headers)

    async def stream(self, text: str = "hello", **fields: Any) -> Called:
        return await self.chat(text, stream=True, **fields)

    async def ran(self) -> list[tuple[str, str, str]]:
        """Point, plugin and outcome of each hook of the last exchange, in the order of the trace."""
        (await self.gateway.records(1)).clear()
        traces = (await self.gateway.admin("/api/v1/traces?limit=1")).json["data"]
        return [(call["point"], call["plugin"], call["outcome"]) for call in traces[0]["hooks"]]

    async def record(self) -> dict[str, Any]:
        return await self.gateway.record()

    @property
    def asked(self) -> list[Any]:
        """The bodies that the upstream received."""
        return [request.json for request in self.upstream.requests]


def text_of(called: Called) -> str:
    assert called.status == 200, called.body
    return str(called.json["choices"][0]["message"]["content"])


def deltas_of(called: Called) -> list[str]:
    """The text of each event of a stream that has any."""
    assert called.status == 200, called.body
    found = []
    for _, data in called.events:
        if data != "[DONE]" and "choices" in (event := json.loads(data)):
            found += [text for choice in event["choices"] if (text := choice["delta"].get("content"))]
    return found


def error_of(called: Called) -> tuple[int, str, str | None]:
    """Status, code and plugin of an error."""
    error = called.json["error"]
    return called.status, error["code"], error.get("plugin")


def stream_error_of(called: Called) -> dict[str, Any]:
    """The error event that ends a stream."""
    events = [json.loads(data) for _, data in called.events if data != "[DONE]"]
    assert "error" in events[-1], events[-1]
    return dict(events[-1]["error"])
