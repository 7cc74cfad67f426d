"""Hooks that change answers do so in every turn."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable

import pytest

from jackfield.testing.gateway import RunningGateway

from .worlds import PLUGIN, asking, calls, run_tools, turns

CHAT = "/v1/chat/completions"

LOUD = """
    from msgspec.structs import replace

    from jackfield.sdk import Plugin, Replace, TextDelta, hook

    class Loud(Plugin):
        @hook("response_chunk", on_failure="closed")
        async def shout(self, exchange, event):
            if isinstance(event, TextDelta):
                return Replace(replace(event, text=event.text.upper()))
"""
FRAMED = """
    from jackfield.sdk import ChatResponse, Plugin, Replace, hook

    class Framed(Plugin):
        @hook("response_body", on_failure="closed", edits=True)
        async def frame(self, exchange):
            response = exchange.response
            if isinstance(response, ChatResponse) and response.text():
                return Replace(response.with_text(f"<{response.text()}>"))
"""


@pytest.mark.parametrize(("plugin", "said"), [(LOUD, "LOOK.\n\nIT IS 5."), (FRAMED, "<Look.>\n\n<It is 5.>")])
async def test_a_streams_turns_are_changed(
    start_gateway: Callable[..., Awaitable[RunningGateway]], plugin: str, said: str
) -> None:
    gateway = await start_gateway(plugins={"kit": PLUGIN, "changes": plugin})
    run_tools(gateway)
    scripted = turns(calls(("add", {"a": 2, "b": 3}), text="Look."), {"text": "It is {results}."})
    async with gateway.caller(**{"x-jackfield-tools": "auto"}) as caller:
        called = await caller.post(CHAT, asking(CHAT, "echo", scripted, stream=True))
    chunks = [json.loads(data) for _, data in called.events if data != "[DONE]"]
    assert "".join(chunk["choices"][0]["delta"].get("content") or "" for chunk in chunks) == said
