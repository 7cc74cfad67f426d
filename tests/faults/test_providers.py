"""Providers in process that misbehave: the exchange ends in an error that names the upstream, and nothing hangs."""

from __future__ import annotations

from collections.abc import Callable
from textwrap import dedent, indent
from typing import Any

import pytest

FAULTS = {
    "raises": "raise ValueError('no')",
    "exits": "raise SystemExit(3)",
    "raises what is no Exception": "raise BaseException('odd')",
    "cancels": "raise __import__('asyncio').CancelledError()",
    "answers nonsense": "return 7",
}


def provider(body: str) -> str:
    return dedent(
        """
        import asyncio
        from jackfield.sdk import ChatResponse, Plugin, StreamStart, TextDelta

        class Own(Plugin):
            id = "own"

            async def complete(self, request, upstream):
        {body}

            async def stream(self, request, upstream):
                yield StreamStart(id="1", model="m")
                await self.complete(request, upstream)
                yield 7
        """
    ).replace("{body}", indent(body, "        "))


LINKS = [{"name": "inner", "provider": "own", "models": ["m"], "max_retries": 0, "timeout_s": 1, "first_byte_s": 0.2}]
HELLO = [{"role": "user", "content": "hi"}]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
async def test_what_a_provider_raises_or_answers_is_the_upstreams_fault(
    start_gateway: Callable[..., Any], fault: str, stream: bool
) -> None:
    gateway = await start_gateway(upstreams=LINKS, plugins={"own": provider(fault)})
    async with gateway.caller() as caller:
        called = await caller.post("/v1/chat/completions", {"model": "m", "messages": HELLO, "stream": stream})
    record = await gateway.record()
    assert record["error"] == "upstream_broken"
    assert called.status == (200 if stream else 502)
    assert b"upstream inner" in called.body


async def test_a_provider_that_cannot_be_cancelled_is_left_behind(start_gateway: Callable[..., Any]) -> None:
    body = """
    for _ in range(3):
        try:
            await asyncio.sleep(0.3)
        except asyncio.CancelledError:
            pass
    """
    gateway = await start_gateway(upstreams=LINKS, plugins={"own": provider(dedent(body).strip())})
    async with gateway.caller() as caller:
        called = await caller.post("/v1/chat/completions", {"model": "m", "messages": HELLO})
    assert called.status == 504
    assert (await gateway.record())["error"] == "upstream_timeout"


MISMADE = {
    "an answer that is no coroutine": "def complete(self, request, upstream): return 7",
    "a method that raises at once": "def complete(self, request, upstream): raise SystemExit(3)",
    "too few parameters": "async def complete(self, request): ...",
}
STREAMS = {
    "a stream that raises at once": "def stream(self, request, upstream): raise SystemExit(3)",
    "a stream that is nothing": "def stream(self, request, upstream): return None",
}


@pytest.mark.parametrize(
    ("method", "stream"), [(m, False) for m in MISMADE.values()] + [(m, True) for m in STREAMS.values()]
)
async def test_a_method_of_the_wrong_kind_is_the_upstreams_fault_and_another_takes_over(
    start_gateway: Callable[..., Any], method: str, stream: bool
) -> None:
    other = (
        "async def stream(self, request, upstream): yield 7" if not stream else "async def complete(self, r, u): ..."
    )
    source = f"from jackfield.sdk import Plugin\n\nclass Own(Plugin):\n    id = 'own'\n    {method}\n    {other}\n"
    spare = {"name": "spare", "provider": "echo", "models": ["m"], "priority": 1}
    gateway = await start_gateway(upstreams=[LINKS[0] | {"priority": 0}, spare], plugins={"own": source})
    async with gateway.caller() as caller:
        called = await caller.post("/v1/chat/completions", {"model": "m", "messages": HELLO, "stream": stream})
    assert (called.status, called.headers.get("x-jackfield-upstream")) == (200, "spare")
    assert (await gateway.record())["attempts"] == 2


BLOCKING = {"whole": "complete", "stream": "stream"}


@pytest.mark.parametrize("kind", BLOCKING)
async def test_a_provider_that_keeps_the_loop_is_reported(
    start_gateway: Callable[..., Any], kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    body = "await asyncio.sleep(0); __import__('time').sleep(0.06); return 7"
    gateway = await start_gateway(upstreams=LINKS, plugins={"own": provider(body)})
    async with gateway.caller() as caller:
        await caller.post("/v1/chat/completions", {"model": "m", "messages": HELLO, "stream": kind == "stream"})
    assert (await gateway.plugin("own"))["stats"]["blocked_loop"] == 1
    told = next(line for line in capsys.readouterr().out.splitlines() if "hook_blocked_loop" in line)
    assert f"hook={BLOCKING[kind]} plugin=own seconds=0." in told
