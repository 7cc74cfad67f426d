"""What a plugin makes may be wrong deep inside; that too is its failure, and by its policy the exchange goes on."""

from __future__ import annotations

import pytest

from .conftest import OpenGate
from .gate import deltas_of, text_of

GARBAGE = {
    "a request": """
        @hook("pre_flight", on_failure="open")
        async def check(self, exchange):
            message = Message(role="user", parts=("garbage",))
            return Replace(edit(exchange.request, messages=(message,), seed="seven"))
    """,
    "an answer": """
        @hook("pre_flight", on_failure="open")
        async def check(self, exchange):
            return Answer(say(text={"no": "text"}))
    """,
    "a body": """
        @hook("response_body", on_failure="open", edits=True)
        async def check(self, exchange):
            return Replace(say(text=object()))
    """,
}


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("methods", GARBAGE.values(), ids=GARBAGE)
async def test_garbage_inside_an_outcome_is_a_failure(open_gate: OpenGate, methods: str, stream: bool) -> None:
    gate = await open_gate({"a": methods})
    called = await gate.chat(stream=stream)
    assert ("".join(deltas_of(called)) if stream else text_of(called)) == "You said: hello"
    stats = (await gate.gateway.plugin("a"))["stats"]
    assert stats["errors"] == 1
    assert "wrong values in it" in stats["last_error"] or "sound" in stats["last_error"]


@pytest.mark.parametrize(
    ("deep", "statuses"), [(b"[" * 127 + b"]" * 127, {200}), (b"[" * 128 + b"]" * 128, {200, 400})], ids=["128", "129"]
)
async def test_how_deep_a_body_may_be_is_asked_where_somebody_reads_it(
    open_gate: OpenGate, deep: bytes, statuses: set[int]
) -> None:
    """What is too deep is the client's fault; what nobody reads is forwarded as it came."""
    reads = """
        @hook("pre_flight", on_failure="open")
        async def check(self, exchange):
            exchange.request
    """
    body = b'{"model":"scripted","messages":[{"role":"user","content":"hello"}],"x":%s}' % deep
    told = set()
    for plugins in ({}, {"a": reads}):
        gate = await open_gate(plugins)
        async with gate.gateway.caller() as caller:
            told.add((await caller.post("/v1/chat/completions", body)).status)
        if plugins:
            assert (await gate.gateway.plugin("a"))["stats"]["errors"] == 0
    assert told == statuses
