"""Every way of breaking HTTP breaks it as it says."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AbstractContextManager

import httptools
import pytest

from jackfield.testing import Answer, Called, Caller, Reply, Upstream

ASKED = {"model": "scripted", "messages": [{"role": "user", "content": "Hello"}]}
STREAMED = ASKED | {"stream": True}
REPLY = Reply(text="one two three four five")


@pytest.fixture
async def upstream() -> AsyncIterator[Upstream]:
    async with Upstream() as upstream:
        yield upstream


@pytest.fixture
async def caller(upstream: Upstream) -> AsyncIterator[Caller]:
    async with Caller(upstream.openai_url) as caller:
        yield caller


async def start(caller: Caller, *, stream: bool = True) -> Called:
    return await caller.begin("POST", "/chat/completions", body=STREAMED if stream else ASKED)


def ends() -> AbstractContextManager[pytest.ExceptionInfo[ConnectionError]]:
    return pytest.raises(ConnectionError)


async def test_it_refuses_connections_and_accepts_them_again_at_the_same_port(
    upstream: Upstream, caller: Caller
) -> None:
    assert (await caller.post("/chat/completions", ASKED)).status == 200
    await upstream.refuse()
    caller.leave()
    with pytest.raises(ConnectionRefusedError):
        await caller.post("/chat/completions", ASKED)
    await upstream.accept()
    assert (await caller.post("/chat/completions", ASKED)).status == 200


async def test_it_hangs_before_the_head_until_the_peer_leaves(upstream: Upstream, caller: Caller) -> None:
    upstream.script(Answer.hang_before_head())
    waiting = asyncio.ensure_future(start(caller))
    (request,) = await upstream.received(1)
    assert not request.closed_early

    waiting.cancel()
    caller.leave()
    (left,) = await upstream.disconnected(1)
    assert left is request
    assert left.closed_at is not None
    assert left.closed_at >= left.at


@pytest.mark.parametrize("stream", [True, False])
async def test_it_hangs_in_the_body(upstream: Upstream, caller: Caller, stream: bool) -> None:
    upstream.script(Answer.hang_after(3, REPLY))
    called = await start(caller, stream=stream)
    await caller.read(called, events=3 if stream else 0)
    assert called.status == 200
    assert len(called.events) == (3 if stream else 0)
    assert not called.complete


async def test_it_holds_an_answer_until_it_is_released(upstream: Upstream, caller: Caller) -> None:
    release = asyncio.Event()
    upstream.script(Answer.held(release, events=2, reply=REPLY))
    called = await start(caller)
    await caller.read(called, events=2)
    assert not called.complete
    release.set()
    await caller.finish(called)
    assert called.events[-1] == (None, "[DONE]")


@pytest.mark.parametrize("stream", [True, False])
async def test_it_resets_in_the_body(upstream: Upstream, caller: Caller, stream: bool) -> None:
    upstream.script(Answer.reset_after(3, REPLY))
    called = await start(caller, stream=stream)
    with pytest.raises(ConnectionResetError):
        await caller.finish(called)
    assert len(called.events) == (3 if stream else 0)
    assert not upstream.requests[0].closed_early


async def test_it_resets_instead_of_answering(upstream: Upstream, caller: Caller) -> None:
    upstream.script(Answer.reset())
    with pytest.raises(ConnectionResetError):
        await start(caller)


async def test_it_closes_in_the_middle_of_an_event(upstream: Upstream, caller: Caller) -> None:
    upstream.script(Answer.half_event(2, REPLY))
    called = await start(caller)
    with ends():
        await caller.finish(called)
    assert len(called.events) == 2
    assert called.body.rpartition(b"\n\n")[2].startswith(b"data: {")


async def test_it_closes_between_events(upstream: Upstream, caller: Caller) -> None:
    upstream.script(Answer.close_after(2, REPLY))
    called = await start(caller)
    with ends():
        await caller.finish(called)
    assert called.body.endswith(b"\n\n")


@pytest.mark.parametrize("status", [200, 502])
async def test_it_sends_html(upstream: Upstream, caller: Caller, status: int) -> None:
    upstream.script(Answer.html(status))
    called = await caller.post("/chat/completions", ASKED)
    assert called.status == status
    assert called.headers["content-type"].startswith("text/html")


async def test_it_sends_an_error_with_a_good_status(upstream: Upstream, caller: Caller) -> None:
    upstream.script(Answer.error_in_body("out of memory"))
    called = await caller.post("/chat/completions", ASKED)
    assert (called.status, called.json["error"]["message"]) == (200, "out of memory")


async def test_it_declares_too_much(upstream: Upstream, caller: Caller) -> None:
    upstream.script(Answer.wrong_length(+10))
    called = await start(caller, stream=False)
    with ends():
        await caller.finish(called)


async def test_it_declares_too_little(upstream: Upstream, caller: Caller) -> None:
    upstream.script(Answer.wrong_length(-10))
    with pytest.raises(httptools.HttpParserError):
        await caller.post("/chat/completions", ASKED)


@pytest.mark.parametrize("stream", [True, False])
async def test_its_body_never_ends(upstream: Upstream, caller: Caller, stream: bool) -> None:
    upstream.script(Answer.endless())
    called = await start(caller, stream=stream)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.1):
            await caller.finish(called)
    assert len(called.body) > 1_000_000
    caller.leave()
    await upstream.disconnected(1)


async def test_its_first_byte_is_slow(upstream: Upstream, caller: Caller) -> None:
    upstream.script(Answer.slow_first_byte(0.05))
    started = time.monotonic()
    assert (await caller.post("/chat/completions", ASKED)).status == 200
    assert time.monotonic() - started >= 0.05


async def test_it_is_not_http(upstream: Upstream, caller: Caller) -> None:
    upstream.script(Answer.garbage())
    with pytest.raises(httptools.HttpParserError):
        await start(caller)


@pytest.mark.parametrize("stream", [True, False])
async def test_its_chunks_break_down(upstream: Upstream, caller: Caller, stream: bool) -> None:
    upstream.script(Answer.chunk_garbage(2, REPLY))
    with pytest.raises(httptools.HttpParserError):
        await caller.finish(await start(caller, stream=stream))


async def test_its_stream_lacks_the_end(upstream: Upstream, caller: Caller) -> None:
    upstream.script(Answer.without_end(REPLY))
    called = await caller.post("/chat/completions", STREAMED)
    assert called.complete
    assert "[DONE]" not in called.body.decode()
    assert '"finish_reason":"stop"' in called.body.decode()


async def test_its_stream_reports_an_error(upstream: Upstream, caller: Caller) -> None:
    upstream.script(Answer.error_event(2, "out of memory", REPLY))
    called = await caller.post("/chat/completions", STREAMED)
    assert len(called.events) == 3
    assert "out of memory" in called.events[-1][1]


async def test_its_events_are_not_json(upstream: Upstream, caller: Caller) -> None:
    upstream.script(Answer.garbled_events(1, REPLY))
    called = await caller.post("/chat/completions", STREAMED)
    assert called.events[1] == (None, '{"choices": [}')


async def test_errors_in_the_middle_have_the_form_of_the_api() -> None:
    async with Upstream() as upstream, Caller(upstream.anthropic_url) as caller:
        upstream.script(Answer.error_event(1, "Overloaded"))
        called = await caller.post("/v1/messages", STREAMED | {"max_tokens": 9}, anthropic_version="2023-06-01")
    assert called.events[-1][0] == "error"
    assert '"overloaded_error"' in called.events[-1][1]
