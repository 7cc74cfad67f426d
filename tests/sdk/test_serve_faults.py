"""A provider class served over HTTP: what hosts are told when it fails."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from jackfield.errors import (
    BudgetExceeded,
    ConnectFailed,
    EgressRefused,
    JackfieldError,
    Malformed,
    ModelNotFound,
    RateLimited,
    Unauthenticated,
    Unavailable,
    UpstreamBroken,
    UpstreamRejected,
    UpstreamTimeout,
)
from jackfield.sdk import Plugin, TextDelta
from jackfield.sdk.serve import Application, ProviderFault
from jackfield.wire.chat import StreamFailure

from .provider_calls import HELLO, ask, begin


def failing(error: Exception, *, after: int = 0) -> Application:
    class Failing(Plugin):
        async def stream(self, request: Any, upstream: Any) -> AsyncIterator[Any]:
            for _ in range(after):
                yield TextDelta(text="word ")
            raise error

    return Application(Failing)


@pytest.mark.parametrize(
    ("error", "status", "code", "transient"),
    [
        (RateLimited("slow down"), 429, "rate_limit_exceeded", True),
        (ModelNotFound("no such model"), 404, "model_not_found", False),
        (Unauthenticated("bad key"), 401, "authentication_failed", False),
        (BudgetExceeded("spent"), 402, "quota_exceeded", False),
        (Malformed("what?"), 400, "invalid_request", False),
        (ConnectFailed("nobody there"), 503, "provider_unavailable", True),
        (UpstreamBroken("not HTTP"), 503, "provider_unavailable", True),
        (UpstreamTimeout("too slow"), 504, "timeout", True),
        (Unavailable("resting"), 503, "provider_unavailable", True),
        (EgressRefused("not there"), 500, "internal_error", False),
        (UpstreamRejected(401, "bad key"), 401, "authentication_failed", False),
        (UpstreamRejected(429, "slow down"), 429, "rate_limit_exceeded", True),
        (UpstreamRejected(418, "a teapot"), 418, "invalid_request", False),
        (UpstreamRejected(500, "broken"), 500, "internal_error", False),
        (UpstreamRejected(400, "filtered", code="content_filter"), 400, "content_filter", False),
        (ProviderFault("model_not_found", "no such model"), 404, "model_not_found", False),
        (ProviderFault("timeout", "too slow", transient=False), 504, "timeout", False),
        (ProviderFault("out_of_paper", "no paper", status=507, transient=True), 507, "out_of_paper", True),
    ],
)
async def test_each_failure_has_a_code_a_status_and_says_whether_it_may_pass(
    error: JackfieldError, status: int, code: str, transient: bool
) -> None:
    reply = await ask(failing(error))
    assert (reply.status, reply.json["code"], reply.json["transient"]) == (status, code, transient)
    assert reply.json["message"] == error.message


async def test_how_long_to_wait_is_told_in_both_places() -> None:
    reply = await ask(failing(RateLimited("slow down", retry_after_s=1.5)))
    assert (reply.json["details"], reply.headers["retry-after"]) == ({"retry_after": 2}, "2")


async def test_details_are_the_providers_own() -> None:
    fault = ProviderFault("rate_limit_exceeded", "slow down", retry_after_s=60, details={"limit": 1000})
    assert (await ask(failing(fault))).json["details"] == {"limit": 1000, "retry_after": 60}


async def test_what_it_did_not_mean_to_raise_is_told_by_its_kind_alone() -> None:
    reply = await ask(failing(ValueError("sk-secret in a message")))
    assert (reply.status, reply.json["code"]) == (500, "internal_error")
    assert reply.json["message"] == "the provider failed: ValueError"


async def test_before_the_first_event_a_stream_fails_with_a_status() -> None:
    reply = await ask(failing(RateLimited("slow down")), stream=True)
    assert (reply.status, reply.json["code"]) == (429, "rate_limit_exceeded")


@pytest.mark.parametrize("error", [UpstreamBroken("gone"), ValueError("x"), TimeoutError()])
async def test_half_way_a_stream_ends_in_a_frame_that_is_an_error(error: Exception) -> None:
    reply = await ask(failing(error, after=2), stream=True)
    *_, last = reply.frames
    assert (reply.status, reply.ended) == (200, True)
    assert set(last) >= {"code", "message", "transient"}
    assert "choices" not in last


async def test_a_failure_that_a_stream_tells_of_is_one() -> None:
    class Telling(Plugin):
        async def stream(self, request: Any, upstream: Any) -> AsyncIterator[Any]:
            yield StreamFailure(code="content_filter", message="not that")

    for streamed in (False, True):
        reply = await ask(Application(Telling), stream=streamed)
        assert (reply.status, reply.json["code"], reply.json["message"]) == (400, "content_filter", "not that")


@pytest.mark.parametrize("answer", ["text", None, TextDelta(text="x")])
async def test_an_answer_that_is_none_is_refused(answer: object) -> None:
    class Wrong(Plugin):
        async def complete(self, request: Any, upstream: Any) -> Any:
            return answer

    for streamed in (False, True):
        reply = await ask(Application(Wrong), stream=streamed)
        assert (reply.status, reply.json["code"]) == (500, "internal_error")
        assert "no sound ChatResponse" in reply.json["message"]


@pytest.mark.parametrize("event", ["text", TextDelta(text=3)])  # type: ignore[arg-type]
async def test_an_event_that_is_none_is_refused(event: object) -> None:
    class Wrong(Plugin):
        async def stream(self, request: Any, upstream: Any) -> AsyncIterator[Any]:
            yield event

    reply = await ask(Application(Wrong), stream=True)
    assert (reply.status, reply.json["code"]) == (500, "internal_error")
    assert "no sound ChatEvent" in reply.json["message"]


@pytest.mark.parametrize("stream", [False, True])
async def test_when_the_host_leaves_the_work_ends(stream: bool) -> None:
    begun, ended = asyncio.Event(), asyncio.Event()

    class Waiting(Plugin):
        async def stream(self, request: Any, upstream: Any) -> AsyncIterator[Any]:
            try:
                yield TextDelta(text="first")
                begun.set()
                await asyncio.Event().wait()
            finally:
                ended.set()

    visit = begin(Application(Waiting), "POST", "/chat/completions", HELLO | {"stream": stream})
    async with asyncio.timeout(5):
        await begun.wait()
        visit.leave()
        await visit.end()
        await ended.wait()
    assert not visit.reply.ended
