"""`background`: after the last byte, when everything is final."""

from __future__ import annotations

from typing import Any

import pytest

from jackfield.testing import Answer

from .conftest import OpenGate
from .gate import deadline_ms, deltas_of, text_of

LOOK = """
    @hook("background")
    async def look(self, exchange):
        SEEN.append(exchange)
        SEEN.append((exchange.usage, exchange.finish_reason, exchange.timings, exchange.attempts, exchange.decided_by))
"""


@pytest.mark.parametrize("stream", [False, True])
async def test_usage_finish_and_timings_are_final(open_gate: OpenGate, seen: list[Any], stream: bool) -> None:
    gate = await open_gate({"a": LOOK}, models={"scripted": "gpt-4o-mini"})
    await gate.chat(stream=stream)
    record = await gate.record()
    usage, finish, timings, attempts, decided = seen[1]
    assert (usage.input, usage.output) == (record["input_tokens"], record["output_tokens"]) != (0, 0)
    assert finish == "stop"
    assert timings.total >= timings.first_byte >= 0
    assert timings.upstream > 0
    assert [attempt.status for attempt in attempts] == [200]
    assert decided is None
    assert seen[0].cost_usd == pytest.approx(record["cost_nanousd"] / 1e9)
    assert seen[0].cost_usd > 0


async def test_what_a_background_hook_does_never_changes_the_answer(open_gate: OpenGate) -> None:
    bodies = {
        "a": "raise SystemExit",
        "b": "return Reject(451, 'late', 'Late.')",
        "c": "return Replace(say('other'))",
        "d": "await asyncio.Event().wait()",
    }
    hooks = {
        name: f"@hook('background', timeout_ms={deadline_ms(body)})\nasync def look(self, exchange):\n    {body}"
        for name, body in bodies.items()
    }
    gate = await open_gate(hooks)
    assert text_of(await gate.chat()) == "You said: hello"
    assert "".join(deltas_of(await gate.stream())) == "You said: hello"
    assert {record["status"] for record in await gate.gateway.records(2)} == {200}


async def test_every_background_hook_is_called_though_the_body_was_malformed(
    open_gate: OpenGate, seen: list[Any]
) -> None:
    reads = "@hook('background')\nasync def look(self, exchange):\n    exchange.request"
    notes = "@hook('background')\nasync def look(self, exchange):\n    SEEN.append(exchange.id)"
    gate = await open_gate({"a": notes, "b": reads, "c": notes})
    called = await gate.post("/v1/chat/completions", b"no json")
    assert called.status == 400
    await gate.record()
    assert seen == [called.headers["x-request-id"]] * 2


@pytest.mark.parametrize("status", [400, 500])
async def test_failed_exchanges_are_seen_too(open_gate: OpenGate, seen: list[Any], status: int) -> None:
    gate = await open_gate({"a": LOOK})
    gate.upstream.always(Answer.status(status))
    assert (await gate.chat()).status == status
    await gate.record()
    assert [attempt.status for attempt in seen[1][3]] == [status]


async def test_a_client_that_leaves_is_settled_and_seen(open_gate: OpenGate, seen: list[Any]) -> None:
    gate = await open_gate({"a": LOOK})
    gate.upstream.always(Answer.hang_after(3))
    async with gate.gateway.caller() as caller:
        body = {"model": "scripted", "messages": [{"role": "user", "content": "one two three"}], "stream": True}
        called = await caller.begin("POST", "/v1/chat/completions", body=body)
        await caller.read(called, events=1)
    await gate.upstream.disconnected()
    assert (await gate.record())["status"] == 499
    assert seen[0].decided_by is None


@pytest.mark.parametrize("point", ["pre_flight", "response_body"])
async def test_a_client_that_leaves_while_a_hook_waits_ends_the_hook(
    open_gate: OpenGate, seen: list[Any], point: str
) -> None:
    waits = f"""
        @hook("{point}", on_failure="open", timeout_ms=60000)
        async def wait(self, exchange):
            SEEN.append("entered")
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                SEEN.append("cancelled")
    """
    gate = await open_gate({"a": waits})
    async with gate.gateway.caller() as caller:
        sent = b'{"model": "scripted", "messages": [{"role": "user", "content": "x"}]}'
        head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {gate.gateway.api_key}\r\n"
        _, writer = await caller._connected()
        writer.write(f"{head}content-length: {len(sent)}\r\n\r\n".encode() + sent)
        await writer.drain()
        await gate.gateway.metrics()
        from jackfield.testing import until

        await until(_read(seen), lambda found: found == ["entered"])
    assert (await gate.record())["status"] == 499
    assert seen == ["entered", "cancelled"]
    assert len(gate.asked) == (0 if point == "pre_flight" else 1)
    assert (await gate.gateway.plugin("a"))["stats"]["errors"] == 0


def _read(seen: list[Any]) -> Any:
    async def read() -> list[Any]:
        return list(seen)

    return read


async def test_a_hook_may_replace_the_built_in_record(open_gate: OpenGate, seen: list[Any]) -> None:
    replaces = """
        @hook("background", replaces_record=True)
        async def own(self, exchange):
            SEEN.append(exchange.model)
    """
    gate = await open_gate({"a": replaces})
    await gate.chat()
    await gate.gateway.quiet()
    assert (await gate.gateway.admin("/api/v1/usage")).json["records"] == []
    assert seen == ["scripted"]
