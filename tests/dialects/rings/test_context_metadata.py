"""What the host tells plugins of a request, and when."""

from __future__ import annotations

import time
from typing import Any

import pytest

from jackfield.sdk import Identity

from .course import CHAT, MESSAGES, Course

RINGS = ("ingress", "pre_flight", "routing", "post_flight", "background")


class Seen:
    """Copies of the metadata, by ring."""

    def __init__(self) -> None:
        self.at: dict[str, dict[str, Any]] = {}
        self.sessions: list[str] = []
        self.requests: list[Any] = []

    async def into(self, course: Course) -> None:
        for ring in RINGS:
            await course.add(self._looker(ring), ring)

    def _looker(self, ring: str) -> Any:
        async def look(ctx: Any) -> None:
            self.at[ring] = dict(ctx.metadata)
            self.sessions.append(ctx.session_id)
            self.requests.append(ctx.request)

        return look


@pytest.fixture
def course() -> Course:
    return Course()


@pytest.fixture
async def seen(course: Course) -> Seen:
    seen = Seen()
    await seen.into(course)
    return seen


async def test_from_the_first_byte(course: Course, seen: Seen) -> None:
    before = time.time()
    answered = await course.chat(headers={"cache-control": "no-cache", "x-expected-schema": '{"type": "object"}'})
    first = seen.at["ingress"]
    assert first["req_id"] == answered.state.id == answered.headers["x-request-id"]
    assert before - 1 <= first["_request_start_time"] <= time.time()
    assert first["_cache_control"] == "no-cache"
    assert first["_expected_schema"] == '{"type": "object"}'
    assert first["_cache_status"] == "MISS"
    assert first["_budget_saturated"] is False
    assert not {"api_key", "_ttft_time", "_health_check"} & first.keys()


async def test_who_calls(course: Course, seen: Seen) -> None:
    await course.chat()
    told = seen.at["pre_flight"]
    assert told["api_key"] == "cred_alice_0123456789"
    assert told["_key_prefix"] == "cred_ali"
    assert told["_user_roles"] == ["analyst", "inference"]
    assert told["_tenant_tier"] == "gold"
    assert "secret-0123456789" not in repr(seen.at)


async def test_a_caller_without_claims_has_the_role_of_the_key_and_no_tier(course: Course, seen: Seen) -> None:
    course.identity = Identity(credential="cred_bob", role="admin")
    await course.chat()
    assert seen.at["pre_flight"]["_user_roles"] == ["admin"]
    assert "_tenant_tier" not in seen.at["pre_flight"]


async def test_the_session_is_the_callers_and_does_not_depend_on_headers(course: Course, seen: Seen) -> None:
    await course.chat(headers={"user-agent": "one"})
    await course.chat(headers={"user-agent": "two"})
    course.identity = Identity(credential="cred_bob")
    await course.chat()
    alice, again, bob = (seen.sessions[start + 1 : start + 5] for start in (0, 5, 10))
    assert len(set(alice)) == len(set(bob)) == 1
    assert alice == again != bob
    assert "alice" not in alice[0]


async def test_where_it_may_go_and_where_it_went(course: Course, seen: Seen) -> None:
    await course.chat(model="only-beta")
    assert seen.at["routing"]["_resolved_provider"] == "echo"
    assert seen.at["routing"]["_model_alias"] == "only-beta"
    for ring in ("post_flight", "background"):
        assert seen.at[ring]["_provider"] == "echo"
        target = seen.at[ring]["target_endpoint"]
        assert (target.id, target.url, str(target)) == ("beta", "http://beta.example", "beta")


@pytest.mark.parametrize("stream", [False, True])
async def test_times(course: Course, seen: Seen, stream: bool) -> None:
    await course.chat('echo: {"text": "a b", "first_byte_ms": 30}', stream=stream)
    for ring in ("post_flight", "background"):
        told = seen.at[ring]
        start = told["_request_start_time"]
        assert told["ttft_ms"] >= 30
        assert told["_ttft_time"] - start == pytest.approx(told["ttft_ms"] / 1000, abs=1e-4)
        assert told["duration"] >= told["ttft_ms"] / 1000 - 0.002


async def test_what_a_stream_used_and_cost(course: Course, seen: Seen) -> None:
    course.links[0]._models = {**course.links[0].models, "gpt-4o": "gpt-4o"}
    await course.chat("one two three", stream=True, model="gpt-4o")
    told = seen.at["background"]
    usage = told["_stream_usage"]
    assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"] > 0
    assert told["_stream_cost_usd"] > 0
    await course.chat("one two three")
    assert "_stream_usage" not in seen.at["background"]


async def test_the_request_is_shown_without_credentials(course: Course, seen: Seen) -> None:
    await course.post(MESSAGES, {"model": "echo", "messages": [{"role": "user", "content": "hi"}]}, {"X-Api-Key": "s"})
    for request in seen.requests:
        assert request.client.host == "192.0.2.7"
        assert (request.method, request.url.path) == ("POST", MESSAGES)
        assert request.headers.get("Authorization") is None
        assert not {"authorization", "cookie"} & set(request.headers)


async def test_headers_are_found_in_any_case(course: Course, seen: Seen) -> None:
    await course.chat(headers={"x-team": "blue"})
    assert {request.headers["X-Team"] for request in seen.requests} == {"blue"}


async def test_a_synthetic_exchange_says_so_and_leaves_no_trace(course: Course, seen: Seen) -> None:
    found: list[Any] = []

    async def write(ctx: Any) -> None:
        store = ctx.state.extra["store"]
        await store.set_state("count", 1)
        ctx.state.metrics.increment("calls")
        found.append((await store.get_state("count"), hasattr(ctx.metadata["rotator"], "_add_log")))

    plugin = await course.add(write)
    state = course.state(CHAT, {"model": "echo", "messages": [{"role": "user", "content": "hi"}]})
    state.synthetic = True
    assert await plugin.run(state.view) is None  # type: ignore[attr-defined]
    assert found == [(1, True)]
    assert await course.world.store.get_state("count") is None
    assert course.world.metrics.values == {}
    assert state.view.local(_shared()).context.metadata["_health_check"] is True


def _shared() -> Any:
    from jackfield.dialects.rings.context import RingRequest

    return RingRequest
