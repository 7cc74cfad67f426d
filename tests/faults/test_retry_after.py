"""How long an upstream wants to be left alone is kept for each upstream, in whichever form it says so."""

from __future__ import annotations

from collections.abc import AsyncIterator
from email.utils import formatdate
from time import time
from typing import Any

import pytest

from jackfield.pipeline import call
from jackfield.testing import Answer, Upstream
from jackfield.testing.gateway import RunningGateway
from jackfield.testing.setup import link

CHAT = {"model": "scripted", "messages": [{"role": "user", "content": "Hello"}]}
AN_HOUR = 3600


@pytest.fixture
async def second() -> AsyncIterator[Upstream]:
    async with Upstream() as upstream:
        yield upstream


@pytest.fixture
async def gateway(start_gateway: Any, upstream: Upstream, second: Upstream, monkeypatch: Any) -> RunningGateway:
    """Of two upstreams the first is asked first; both may be asked three times, with hardly a pause between."""
    monkeypatch.setattr(call, "FIRST_PAUSE_S", 0.001)
    links = [
        link(upstream, name="first", priority=0, max_retries=2),
        link(second, name="second", priority=1, max_retries=2),
    ]
    running: RunningGateway = await start_gateway(upstreams=links)
    return running


async def ask(gateway: RunningGateway) -> Any:
    async with gateway.caller() as caller:
        return await caller.post("/v1/chat/completions", CHAT)


@pytest.mark.parametrize("form", ["seconds", "date"])
async def test_one_that_wants_to_wait_does_not_hold_up_the_other(
    gateway: RunningGateway, upstream: Upstream, second: Upstream, form: str
) -> None:
    wish = str(AN_HOUR) if form == "seconds" else formatdate(time() + AN_HOUR, usegmt=True)
    upstream.always(Answer.status(429, headers={"retry-after": wish}))
    second.script(Answer.status(503), Answer.status(503), Answer.text("at last"))
    called = await ask(gateway)

    assert (called.status, called.headers["x-jackfield-upstream"]) == (200, "second")
    assert (len(upstream.requests), len(second.requests)) == (1, 3)
    assert (await gateway.record())["attempts"] == 4


async def test_the_shorter_of_two_wishes_is_waited_for(
    gateway: RunningGateway, upstream: Upstream, second: Upstream
) -> None:
    upstream.always(Answer.status(429, retry_after=AN_HOUR))
    second.script(Answer.status(429, retry_after=0.2), Answer.text("soon"))
    called = await ask(gateway)

    assert (called.status, called.headers["x-jackfield-upstream"]) == (200, "second")
    assert (len(upstream.requests), len(second.requests)) == (1, 2)
    before, after = second.requests
    assert after.at - before.at >= 0.2


async def test_where_all_want_to_wait_for_long_the_last_wish_is_passed_on(
    gateway: RunningGateway, upstream: Upstream, second: Upstream
) -> None:
    upstream.always(Answer.status(429, retry_after=7200))
    second.always(Answer.status(429, headers={"retry-after": formatdate(time() + AN_HOUR, usegmt=True)}))
    called = await ask(gateway)

    assert called.status == 429
    assert AN_HOUR - 60 < int(called.headers["retry-after"]) <= AN_HOUR
    assert (len(upstream.requests), len(second.requests)) == (1, 1)


async def test_a_date_that_has_passed_is_no_wish_to_wait(gateway: RunningGateway, upstream: Upstream) -> None:
    past = formatdate(time() - AN_HOUR, usegmt=True)
    upstream.script(Answer.status(429, headers={"retry-after": past}), Answer.text("again"))
    called = await ask(gateway)
    assert called.status == 200
