"""The upstream remembers what came, in order, and says what it waited for in vain."""

from __future__ import annotations

import asyncio

import pytest

from jackfield.testing import Answer, Caller, Turn, Upstream, until

ASKED = {"model": "scripted", "messages": [{"role": "user", "content": "Hello"}]}


async def test_it_records_each_request() -> None:
    async with Upstream() as upstream, Caller(upstream.openai_url) as caller:
        await caller.post("/chat/completions?trace=1", ASKED, x_test="yes")
        await caller.get("/models")
        first, second = await upstream.received(2)

    assert (first.method, first.path, first.target) == (
        "POST",
        "/v1/chat/completions",
        "/v1/chat/completions?trace=1",
    )
    assert (first.json, first.header("X-Test"), first.header("absent")) == (ASKED, "yes", None)
    assert first.connection == second.connection
    assert (first.answered, first.closed_early) == (True, False)


async def test_scripted_answers_are_taken_in_order_and_only_by_posts() -> None:
    async with Upstream() as upstream, Caller(upstream.openai_url) as caller:
        upstream.script(Answer.status(429), Answer.text("second"))
        upstream.always(Answer.text("default"))
        listed = await caller.get("/models")
        answers = [await caller.post("/chat/completions", ASKED) for _ in range(3)]

    assert listed.status == 200
    assert answers[0].status == 429
    assert [a.json["choices"][0]["message"]["content"] for a in answers[1:]] == ["second", "default"]


async def test_several_upstreams_stand_side_by_side() -> None:
    async with Upstream() as first, Upstream() as second, Caller(second.openai_url) as caller:
        await caller.post("/chat/completions", ASKED)
        await second.received(1)

        assert first.port != second.port
        assert (len(first.requests), len(second.requests)) == (0, 1)


async def test_connections_are_counted_and_seen_to_end() -> None:
    async with Upstream() as upstream:
        async with Caller(upstream.openai_url) as caller:
            await caller.post("/chat/completions", ASKED)
            await caller.post("/chat/completions", ASKED)
            assert (upstream.open_connections, upstream.connected) == (1, 1)
        await upstream.idle()
        assert upstream.open_connections == 0
        assert not upstream.requests[-1].closed_early


async def test_a_vain_wait_says_what_there_is_instead() -> None:
    async with Upstream() as upstream, Caller(upstream.openai_url) as caller:
        await caller.get("/models")
        with pytest.raises(TimeoutError, match=r"wanted 2 requests, but there is 1 requests \['GET /v1/models'\]"):
            await upstream.received(2, within=0.02)
        with pytest.raises(TimeoutError, match="wanted 1 early leavers"):
            await upstream.disconnected(1, within=0.02)


async def test_an_answer_of_ones_own_is_a_coroutine_function() -> None:
    async def teapot(turn: Turn) -> None:
        await turn.send(418, {"asked": turn.asked.user})

    async with Upstream() as upstream, Caller(upstream.openai_url) as caller:
        upstream.script(Answer("teapot", teapot))
        called = await caller.post("/chat/completions", ASKED)

    assert (called.status, called.json) == (418, {"asked": "Hello"})


async def test_a_mistake_in_a_script_reaches_the_test() -> None:
    async def broken(turn: Turn) -> None:
        raise LookupError("my own mistake")

    upstream = Upstream()
    await upstream.accept()
    upstream.script(Answer("broken", broken))
    async with Caller(upstream.openai_url) as caller:
        with pytest.raises(ConnectionResetError):
            await caller.post("/chat/completions", ASKED)
    with pytest.raises(ExceptionGroup, match="the scripted upstream broke") as caught:
        await upstream.__aexit__(None, None, None)

    (mistake,) = caught.value.exceptions
    assert "my own mistake" in str(mistake)
    assert mistake.__notes__ == ["while answering POST /v1/chat/completions with broken"]


async def test_nothing_is_left_when_the_upstream_ends_in_the_middle() -> None:
    before = asyncio.all_tasks()
    async with Upstream() as upstream, Caller(upstream.openai_url) as caller:
        upstream.script(Answer.hang_after(1))
        await caller.begin("POST", "/chat/completions", body=ASKED | {"stream": True})
    assert upstream.open_connections == 0
    assert asyncio.all_tasks() == before


async def test_polling_is_bounded_and_tells_the_last_value() -> None:
    values = iter(range(1000))

    async def probe() -> int:
        return next(values)

    assert await until(probe, lambda value: value == 3) == 3
    with pytest.raises(TimeoutError, match="still"):
        await until(probe, lambda value: value < 0, within=0.02)
