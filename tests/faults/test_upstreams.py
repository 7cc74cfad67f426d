"""What an upstream breaks becomes an error of the gateway in the client's form, and nothing of it is left."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from jackfield.testing import Answer, Reply
from jackfield.testing.caller import Called

from .apis import Api, Stage

REPLY = Reply(text="one two three four five six")
BROKEN = {
    "reset": Answer.reset(),
    "reset in the body": Answer.reset_after(3, REPLY),
    "close in the body": Answer.close_after(3, REPLY),
    "html": Answer.html(200),
    "html 502": Answer.html(502),
    "error in the body": Answer.error_in_body(),
    "too long a length": Answer.wrong_length(+10, REPLY),
    "too short a length": Answer.wrong_length(-10, REPLY),
    "garbage": Answer.garbage(),
    "broken chunks": Answer.chunk_garbage(2, REPLY),
    "empty": Answer.body(b""),
    "no json": Answer.body(b"{"),
    "wrong json": Answer.body(b"[1, 2]"),
    "no completion": Answer.body(b'{"hello": "world"}'),
}
BROKEN_BEFORE_STREAM = {name: BROKEN[name] for name in ("reset", "html", "html 502", "garbage", "error in the body")}
CUT_STREAMS = {
    "reset": Answer.reset_after(5, REPLY),
    "close": Answer.close_after(5, REPLY),
    "half an event": Answer.half_event(5, REPLY),
    "broken chunks": Answer.chunk_garbage(5, REPLY),
    "silence": Answer.hang_after(5, REPLY),
}


@pytest.mark.parametrize("answer", BROKEN.values(), ids=BROKEN)
async def test_a_broken_answer(crossed: Stage, answer: Answer) -> None:
    crossed.upstream.script(answer)
    called = await crossed.ask()

    message = crossed.api.check_error(called, 502)
    assert "127.0.0.1" not in message
    record = await crossed.record_of(called)
    assert (record["status"], record["attempts"]) == (502, 1)
    assert record["error"]


async def test_an_upstream_that_refuses_connections(crossed: Stage) -> None:
    await crossed.upstream.refuse()
    called = await crossed.ask()

    crossed.api.check_error(called, 502, "upstream_unreachable")
    record = await crossed.record_of(called)
    assert (record["status"], record["error"]) == (502, "upstream_unreachable")


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
async def test_an_upstream_that_hangs(crossed: Stage, stream: bool) -> None:
    crossed.upstream.script(Answer.hang_before_head())
    called = await crossed.ask(stream=stream)

    crossed.api.check_error(called, 504, "upstream_timeout")
    record = await crossed.record_of(called)
    assert (record["status"], record["error"]) == (504, "upstream_timeout")
    await crossed.upstream.disconnected(1)


async def test_an_upstream_that_hangs_in_the_body(crossed: Stage) -> None:
    crossed.upstream.script(Answer.hang_after(3, REPLY))
    called = await crossed.ask()

    crossed.api.check_error(called, 504, "upstream_timeout")
    assert (await crossed.record_of(called))["status"] == 504
    await crossed.upstream.disconnected(1)


async def test_an_upstream_whose_answer_never_ends(crossed: Stage) -> None:
    crossed.upstream.script(Answer.endless())
    called = await crossed.ask()

    crossed.api.check_error(called, 502)
    await crossed.upstream.disconnected(1)


@pytest.mark.parametrize("answer", BROKEN_BEFORE_STREAM.values(), ids=BROKEN_BEFORE_STREAM)
async def test_a_stream_that_does_not_begin(crossed: Stage, answer: Answer) -> None:
    crossed.upstream.script(answer)
    called = await crossed.ask(stream=True)

    crossed.api.check_error(called, 502)
    record = await crossed.record_of(called)
    assert (record["status"], record["stream"]) == (502, True)


@pytest.mark.parametrize("answer", CUT_STREAMS.values(), ids=CUT_STREAMS)
async def test_a_stream_that_breaks_off(crossed: Stage, answer: Answer) -> None:
    crossed.upstream.script(answer)
    await check_cut(crossed, await crossed.ask(stream=True))


async def test_an_error_in_a_stream_that_has_begun(crossed: Stage) -> None:
    release = asyncio.Event()
    crossed.upstream.script(Answer.error_event(5, reply=REPLY, release=release))
    async with crossed.caller() as caller:
        called = await caller.begin("POST", crossed.api.path, body=crossed.api.body("Hello", stream=True))
        await caller.read(called, events=1)
        release.set()
        await caller.finish(called)
    await check_cut(crossed, called)


async def check_cut(crossed: Stage, called: Called) -> None:
    """The client has what came, and is told that there is no more."""
    assert called.status == 200
    assert called.complete
    assert crossed.api.check_stream_error(called)
    assert REPLY.text.startswith(crossed.api.streamed_text(called))
    record = await crossed.record_of(called)
    assert record["error"]
    assert record["finish_reason"] is None


async def test_an_event_that_is_not_json_ends_a_stream_that_is_translated(open_stage: Any, api: Api) -> None:
    """Where client and upstream speak the same API, events are passed on unread."""
    stage = await open_stage("anthropic" if api.name == "openai" else "openai")
    stage.upstream.script(Answer.garbled_events(5, REPLY))
    called = await stage.ask(stream=True)

    assert api.check_stream_error(called)
    assert (await stage.record_of(called))["error"] == "upstream_broken"


async def test_a_stream_without_its_end_mark_is_complete_if_it_was_finished(crossed: Stage) -> None:
    """Some compatible servers never send it; the finish reason has told that nothing is missing."""
    crossed.upstream.script(Answer.without_end(REPLY))
    called = await crossed.ask(stream=True)

    assert called.complete
    assert crossed.api.streamed_text(called) == REPLY.text
    record = await crossed.record_of(called)
    assert (record["status"], record["finish_reason"], record["error"]) == (200, "stop", None)


async def test_an_endless_event_in_a_stream_is_given_up(crossed: Stage) -> None:
    crossed.upstream.script(Answer.endless())
    called = await crossed.ask(stream=True)

    assert called.complete
    await crossed.upstream.disconnected(1)
    assert (await crossed.record_of(called))["error"]


async def test_an_upstream_recovers_after_a_broken_answer(crossed: Stage) -> None:
    crossed.upstream.script(Answer.reset_after(3), Answer.garbage(), Answer.text("well again"))
    answers = [await crossed.ask() for _ in range(3)]

    assert [called.status for called in answers] == [502, 502, 200]
    assert crossed.api.text_of(answers[2]) == "well again"


async def test_broken_connections_are_not_used_again(crossed: Stage) -> None:
    crossed.upstream.script(Answer.wrong_length(-10, REPLY), Answer.text("clean"))
    await crossed.ask()
    called = await crossed.ask()

    assert crossed.api.text_of(called) == "clean"
    first, second = crossed.upstream.requests
    assert first.connection != second.connection


async def test_many_broken_answers_at_once_do_not_disturb_the_others(crossed: Stage) -> None:
    crossed.upstream.script(*[Answer.reset_after(3), Answer.reply()] * 2)
    answers = await asyncio.gather(*(crossed.ask(f"number {n}") for n in range(4)))

    assert sorted(called.status for called in answers) == [200, 200, 502, 502]
