"""What an upstream breaks under a client of the Responses API, whichever format the upstream speaks."""

from __future__ import annotations

import json
from typing import Any

import pytest

from jackfield.testing import Answer, Called, Reply, Upstream
from jackfield.testing.gateway import RunningGateway
from jackfield.testing.setup import link

from .test_upstreams import BROKEN, CUT_STREAMS

PATH = "/v1/responses"
KINDS = ("openai", "responses")
# What an API that fails its requests answers in its own words is no break.
BREAKS = {name: answer for name, answer in BROKEN.items() if name not in ("html 502", "no completion", "empty")}
CUTS = {name: answer for name, answer in CUT_STREAMS.items() if name not in ("error event", "silence")}


@pytest.fixture(params=KINDS)
async def gateway(request: pytest.FixtureRequest, start_gateway: Any, upstream: Upstream) -> RunningGateway:
    options = {"options": {"responses": "only"}} if request.param == "responses" else {}
    started: RunningGateway = await start_gateway(upstreams=[link(upstream, max_retries=0, **options)])
    return started


async def ask(gateway: RunningGateway, **fields: Any) -> Called:
    async with gateway.caller() as caller:
        return await caller.post(PATH, {"model": "scripted", "input": "one two three", **fields})


async def test_a_broken_answer(gateway: RunningGateway, upstream: Upstream) -> None:
    for name, answer in BREAKS.items():
        upstream.script(answer)
        called = await ask(gateway)
        assert called.status == 502, name
        assert called.json["error"]["message"], name
        assert "127.0.0.1" not in called.body.decode(), name
        assert (await ask(gateway)).status == 200, name


async def test_a_stream_that_is_cut(gateway: RunningGateway, upstream: Upstream) -> None:
    for name, answer in CUTS.items():
        upstream.script(answer)
        called = await ask(gateway, stream=True)
        events = [json.loads(data) for _, data in called.events if data]
        assert called.status == 200, name
        assert events[-1]["type"] == "error", name
        assert [event["sequence_number"] for event in events] == list(range(len(events))), name
        assert "broke off" in events[-1]["error"]["message"], name
        assert "response.completed" not in [event["type"] for event in events], name
        assert (await ask(gateway)).status == 200, name
    assert (await gateway.quiet())["jackfield_in_flight"] == 0


async def test_an_answer_that_failed_with_the_status_of_a_success(gateway: RunningGateway, upstream: Upstream) -> None:
    upstream.script(Answer.error_in_body("out of memory"))
    assert (await ask(gateway)).status == 502


async def test_no_event_at_all(gateway: RunningGateway, upstream: Upstream) -> None:
    upstream.script(Answer.body(b"", content_type="text/event-stream"), Answer.reply(Reply(text="hi")))
    assert (await ask(gateway, stream=True)).status == 502
    called = await ask(gateway, stream=True)
    assert b"response.completed" in called.body
