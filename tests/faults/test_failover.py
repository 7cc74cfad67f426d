"""A second upstream takes over within the same request, as long as nothing has reached the client."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest

from jackfield.clock import SystemClock
from jackfield.testing import Answer, Called, Reply, Upstream
from jackfield.testing.setup import link

from .apis import Api, Stage, count_tasks

REPLY = Reply(text="one two three four five six")
PASSING = {
    "429": Answer.status(429),
    "429 for long": Answer.status(429, retry_after=60),
    "500": Answer.status(500),
    "503": Answer.status(503),
    "529": Answer.status(529),
    "401": Answer.status(401),
    "reset": Answer.reset(),
    "time-out": Answer.hang_before_head(),
    "garbage": Answer.garbage(),
    "html": Answer.html(),
    "html 502": Answer.html(502),
    "error in the body": Answer.error_in_body(),
}
STAYING = {"400": 400, "404": 404, "413": 413, "422": 422}


@dataclass
class Pair:
    stage: Stage
    first: Upstream
    second: Upstream

    async def ask(self, text: str = "Hello", **fields: Any) -> Called:
        return await self.stage.ask(text, **fields)


@pytest.fixture
async def pair(api: Api, upstream: Upstream, start_gateway: Any) -> AsyncIterator[Pair]:
    """The second upstream, of lower priority, speaks the other API."""
    async with Upstream() as second:
        fields = {"first_byte_s": 0.3, "idle_s": 0.3, "max_retries": 0}
        other = "anthropic" if api.name == "openai" else "openai"
        links = [
            link(upstream, api.name, name="first", priority=0, **fields),  # type: ignore[arg-type]
            link(second, other, name="second", priority=1, **fields),  # type: ignore[arg-type]
        ]
        gateway = await start_gateway(upstreams=links)
        stage = Stage(gateway, upstream, api, count_tasks())
        yield Pair(stage, upstream, second)
        await stage.gateway.quiet()


async def check_second_served(pair: Pair, called: Called) -> None:
    assert called.status == 200, called.body
    assert called.headers["x-jackfield-upstream"] == "second"
    record = await pair.stage.record_of(called)
    assert (record["status"], record["upstream"], record["attempts"]) == (200, "second", 2)
    assert record["error"] is None


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("answer", PASSING.values(), ids=PASSING)
async def test_the_second_upstream_takes_over(pair: Pair, answer: Answer, stream: bool) -> None:
    pair.first.script(answer)
    called = await pair.ask(stream=stream)

    await check_second_served(pair, called)
    text = pair.stage.api.streamed_text(called) if stream else pair.stage.api.text_of(called)
    assert text == "You said: Hello"
    assert (len(pair.first.requests), len(pair.second.requests)) == (1, 1)


async def test_the_second_upstream_takes_over_from_one_that_refuses_connections(pair: Pair) -> None:
    await pair.first.refuse()

    await check_second_served(pair, await pair.ask())


@pytest.mark.parametrize("answer", [Answer.reset_after(3, REPLY), Answer.wrong_length(+5, REPLY)])
async def test_a_whole_answer_that_breaks_in_the_middle_is_asked_for_again(pair: Pair, answer: Answer) -> None:
    pair.first.script(answer)

    await check_second_served(pair, await pair.ask())


@pytest.mark.parametrize("status", STAYING.values(), ids=STAYING)
async def test_what_the_client_got_wrong_is_not_tried_elsewhere(pair: Pair, status: int) -> None:
    pair.first.script(Answer.status(status, message="because"))
    called = await pair.ask()

    assert "because" in called.json["error"]["message"]
    assert called.status == status
    assert pair.second.requests == []
    record = await pair.stage.record_of(called)
    assert (record["status"], record["attempts"]) == (status, 1)


async def test_nothing_is_tried_again_after_the_first_content_byte(pair: Pair) -> None:
    pair.first.script(Answer.reset_after(5, REPLY))
    called = await pair.ask(stream=True)

    assert called.status == 200
    assert pair.stage.api.check_stream_error(called)
    assert pair.stage.api.streamed_text(called)
    assert pair.second.requests == []


async def test_when_all_fail_the_last_failure_is_told(pair: Pair) -> None:
    pair.first.script(Answer.status(503, message="first is down"))
    pair.second.script(Answer.status(500, message="second is down"))
    called = await pair.ask()

    assert called.status == 500
    assert "second is down" in called.json["error"]["message"]
    assert (await pair.stage.record_of(called))["attempts"] == 2


async def test_the_wish_to_wait_is_honoured_before_another_try(open_stage: Any) -> None:
    stage = await open_stage(link={"max_retries": 1})
    stage.upstream.script(Answer.status(429, retry_after=0.5), Answer.text("now"))
    called = await stage.ask()

    assert stage.api.text_of(called) == "now"
    first, second = stage.upstream.requests
    assert second.at - first.at >= 0.5
    assert (await stage.record_of(called))["attempts"] == 2


async def test_a_wish_to_wait_for_long_is_passed_on_at_once(open_stage: Any) -> None:
    stage = await open_stage(link={"max_retries": 2})
    stage.upstream.script(Answer.status(429, retry_after=3600))
    called = await stage.ask()

    assert (called.status, called.headers["retry-after"]) == (429, "3600")
    assert len(stage.upstream.requests) == 1


async def test_the_breaker_opens_and_a_probe_closes_it(open_stage: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    ahead = [0.0]
    monkeypatch.setattr(SystemClock, "monotonic", lambda self: ahead[0])
    stage = await open_stage()
    stage.upstream.always(Answer.status(500))
    failed = [await stage.ask() for _ in range(5)]
    paused = await stage.ask()

    assert {called.status for called in failed} == {500}
    assert "paused" in stage.api.check_error(paused, 503, "unavailable")
    assert paused.headers["retry-after"] == "5"
    assert len(stage.upstream.requests) == 5
    record = await stage.record_of(paused)
    assert (record["status"], record["attempts"]) == (503, 0)
    async with stage.caller() as caller:
        ready = await caller.get("/ready")
    assert ready.status == 503
    assert "paused" in str(ready.json["reasons"])

    ahead[0] = 6.0
    stage.upstream.always(Answer.reply())
    answers = [await stage.ask() for _ in range(3)]
    assert [called.status for called in answers] == [200, 200, 200]
    assert len(stage.upstream.requests) == 8


async def test_a_failed_probe_keeps_the_breaker_open(open_stage: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    ahead = [0.0]
    monkeypatch.setattr(SystemClock, "monotonic", lambda self: ahead[0])
    stage = await open_stage()
    stage.upstream.always(Answer.status(500))
    for _ in range(5):
        await stage.ask()
    ahead[0] = 6.0
    answers = [await stage.ask() for _ in range(3)]

    assert [called.status for called in answers] == [500, 503, 503]
    assert len(stage.upstream.requests) == 6


async def test_refusals_of_the_clients_own_do_not_open_the_breaker(open_stage: Any) -> None:
    stage = await open_stage()
    stage.upstream.always(Answer.status(400))
    answers = [await stage.ask() for _ in range(8)]

    assert {called.status for called in answers} == {400}
    assert len(stage.upstream.requests) == 8
