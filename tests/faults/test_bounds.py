"""What neither an upstream, a plugin nor a client can make the gateway do."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from jackfield.server.protocol import MOST_HEAD_BYTES, MOST_HEADERS
from jackfield.testing import Answer, Upstream
from jackfield.testing.setup import link

HELLO = {"model": "scripted", "messages": [{"role": "user", "content": "hi"}]}
FRAMES = """
from jackfield.sdk import Plugin, Replace, hook

class Frames(Plugin):
    @hook("response_head", on_failure="closed")
    async def head(self, exchange):
        return Replace(exchange.head.with_header("transfer-encoding", "chunked"))
"""


async def test_a_key_that_an_upstream_repeats_reaches_nobody(upstream: Upstream, start_gateway: Any) -> None:
    gateway = await start_gateway(upstreams=[link(upstream, "openai", max_retries=0)])
    upstream.always(Answer.status(400, message="bad key sk-abcdefghijklmnop1234567890 in request"))
    async with gateway.caller() as caller:
        called = await caller.post("/v1/chat/completions", HELLO)
    assert called.status == 400
    assert b"in request" in called.body
    assert b"abcdefghijklmnop" not in called.body
    assert b"abcdefghijklmnop" not in (await gateway.admin("/api/v1/traces")).body


async def test_a_hook_cannot_frame_the_answer(upstream: Upstream, start_gateway: Any) -> None:
    gateway = await start_gateway(upstreams=[link(upstream, "openai")], plugins={"frames": FRAMES})
    async with gateway.caller() as caller:
        called = await caller.post("/v1/chat/completions", HELLO)
    assert called.status == 502
    assert called.json["error"]["plugin"] == "frames"
    assert "transfer-encoding" not in called.headers


async def test_nobody_waits_for_a_try_that_will_not_be_made(upstream: Upstream, start_gateway: Any) -> None:
    gateway = await start_gateway(upstreams=[link(upstream, "openai", max_retries=0)])
    upstream.always(Answer.status(429, retry_after=15))
    async with asyncio.timeout(10), gateway.caller() as caller:
        called = await caller.post("/v1/chat/completions", HELLO)
    assert (called.status, called.headers["retry-after"]) == (429, "15")


async def test_the_time_of_a_request_bounds_its_first_try_too(upstream: Upstream, start_gateway: Any) -> None:
    gateway = await start_gateway(
        upstreams=[link(upstream, "openai", max_retries=0)], server={"request_timeout_s": 0.3}
    )
    upstream.always(Answer.hang_before_head())
    async with asyncio.timeout(10), gateway.caller() as caller:
        called = await caller.post("/v1/chat/completions", HELLO)
    assert called.status == 504


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (b"x-long: " + b"a" * (2 * MOST_HEAD_BYTES), b"431"),
        (b"".join(b"x-%d: 1\r\n" % number for number in range(MOST_HEADERS + 1)) + b"\r\n", b"400"),
    ],
    ids=["too long", "too many"],
)
async def test_the_head_of_a_request_is_bounded(start_gateway: Any, head: bytes, status: bytes) -> None:
    gateway = await start_gateway()
    host, port = gateway.url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(b"GET /health HTTP/1.1\r\nhost: x\r\n" + head)
    async with asyncio.timeout(10):
        assert (await reader.readline()).split()[1] == status
    writer.close()
