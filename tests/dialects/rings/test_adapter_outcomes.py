"""What a ring plugin may decide, in each ring, and what the client sees of it."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from starlette.responses import JSONResponse, Response, StreamingResponse

from jackfield.dialects.rings.names.plugin_sdk import BasePlugin, PluginResponse

from .course import CHAT, MESSAGES, Course

RINGS = ("ingress", "pre_flight", "routing", "post_flight")
COMPLETION = {"choices": [{"message": {"role": "assistant", "content": "from a cache"}, "finish_reason": "stop"}]}


def plugin(act: Any) -> type[BasePlugin]:
    """A class plugin whose `execute` does this."""

    class Made(BasePlugin):
        async def execute(self, ctx: Any) -> Any:
            return act(ctx)

    return Made


@pytest.fixture
def course() -> Course:
    return Course()


@pytest.mark.parametrize("ring", RINGS)
async def test_a_block_is_told_with_its_status_type_and_message(course: Course, ring: str) -> None:
    await course.add(plugin(lambda ctx: PluginResponse.block(429, "my_error", "Blocked: reason")), ring, edits=True)
    assert (await course.chat()).error == (429, "my_error", "Blocked: reason")
    assert (await course.chat(stream=True)).error == (429, "my_error", "Blocked: reason")


@pytest.mark.parametrize("ring", RINGS)
async def test_a_block_is_told_in_the_words_of_the_api_that_was_called(course: Course, ring: str) -> None:
    await course.add(plugin(lambda ctx: PluginResponse.block(422, message="no")), ring, edits=True)
    body = {"model": "echo", "max_tokens": 10, "messages": [{"role": "user", "content": "hi"}]}
    answered = await course.post(MESSAGES, body)
    assert answered.status == 422
    assert answered.json["type"] == "error"
    assert answered.json["error"]["message"] == "no"


@pytest.mark.parametrize("ring", RINGS)
async def test_a_function_blocks_with_stop_chain_and_error(course: Course, ring: str) -> None:
    async def stop(ctx: Any) -> None:
        ctx.stop_chain, ctx.error = True, "not today"

    await course.add(stop, ring, edits=True)
    assert (await course.chat()).error == (403, "plugin_block", "not today")


@pytest.mark.parametrize("ring", RINGS)
@pytest.mark.parametrize(
    ("status", "stated", "pause"),
    [(429, None, "60"), (429, 7, "7"), (429, "soon", "60"), (429, -1, "60"), (503, 9, "9"), (403, None, None)],
)
async def test_who_asks_too_often_is_told_when_to_come_back(
    course: Course, ring: str, status: int, stated: Any, pause: str | None
) -> None:
    def refuse(ctx: Any) -> PluginResponse:
        if stated is not None:
            ctx.metadata["_retry_after"] = stated
        return PluginResponse.block(status)

    await course.add(plugin(refuse), ring, edits=True)
    answered = await course.chat()
    assert (answered.status, answered.headers.get("retry-after")) == (status, pause)


async def test_the_pause_of_an_error_in_an_answers_place_is_its_own(course: Course) -> None:
    error = JSONResponse({"error": {"message": "slow", "code": "slow"}}, 429, headers={"Retry-After": "11"})
    await course.add(plugin(lambda ctx: PluginResponse.cache_hit(error)))
    assert (await course.chat()).headers["retry-after"] == "11"


@pytest.mark.parametrize("ring", RINGS)
@pytest.mark.parametrize(
    ("stated", "told"),
    [(999, 403), (200, 403), (None, 403), ("429", 429), ("no", 403), (418.0, 418), (float("nan"), 403), ([], 403)],
)
async def test_a_block_blocks_whatever_its_status(course: Course, ring: str, stated: Any, told: int) -> None:
    def late(ctx: Any) -> PluginResponse:
        result = PluginResponse.block(message=12)  # type: ignore[arg-type]
        result.status_code = stated
        return result

    def by_hand(ctx: Any) -> None:
        ctx.stop_chain, ctx.error = True, "12"
        ctx.metadata["_block_status"] = stated

    for act in (lambda ctx: PluginResponse("block", stated, message=12), late, by_hand):  # type: ignore[arg-type]
        course = Course()
        made = await course.add(plugin(act), ring, edits=True)
        assert (await course.chat()).error == (told, "plugin_block", "12")
        assert course.guards[made.id].stats.errors == 0


async def test_a_function_may_say_the_status_of_its_block(course: Course) -> None:
    async def stop(ctx: Any) -> None:
        ctx.stop_chain, ctx.error = True, "later"
        ctx.metadata["_block_status"], ctx.metadata["_block_error_type"] = 503, "busy"

    await course.add(stop)
    assert (await course.chat()).error == (503, "busy", "later")


async def test_what_a_function_returns_is_honoured(course: Course) -> None:
    async def decide(ctx: Any) -> PluginResponse:
        return PluginResponse.block(418, "teapot", "short and stout")

    await course.add(decide)
    assert (await course.chat()).error == (418, "teapot", "short and stout")


@pytest.mark.parametrize("ring", RINGS[:3])
@pytest.mark.parametrize(
    "given",
    [
        COMPLETION,
        JSONResponse(COMPLETION),
        JSONResponse(COMPLETION).body,
        JSONResponse(COMPLETION).body.decode(),
        "from a cache",
        Response(b"from a cache"),
    ],
    ids=["dict", "response", "bytes", "text", "words", "words-response"],
)
async def test_a_cache_hit_answers_without_an_upstream(course: Course, ring: str, given: Any) -> None:
    await course.add(plugin(lambda ctx: PluginResponse.cache_hit(given)), ring)
    assert (await course.chat()).text == "from a cache"
    assert (await course.chat(stream=True)).text == "from a cache"
    assert course.provider.asked == []


async def test_a_cache_hit_with_an_error_status_is_that_error(course: Course) -> None:
    error = JSONResponse({"error": {"message": "gone", "code": "gone"}}, status_code=410)
    await course.add(plugin(lambda ctx: PluginResponse.cache_hit(error)))
    assert (await course.chat()).error == (410, "gone", "gone")


async def test_a_response_that_streams_cannot_be_an_answer(course: Course) -> None:
    await course.add(plugin(lambda ctx: PluginResponse.cache_hit(StreamingResponse(iter(())))), fail_policy="closed")
    assert (await course.chat()).error[:2] == (502, "plugin_failed")


async def test_an_assigned_response_answers(course: Course) -> None:
    async def answer(ctx: Any) -> None:
        ctx.response, ctx.stop_chain = JSONResponse(COMPLETION), True

    await course.add(answer)
    assert (await course.chat()).text == "from a cache"


async def test_a_cache_hit_is_told_to_later_rings(course: Course) -> None:
    seen: list[Any] = []
    await course.add(plugin(lambda ctx: PluginResponse.cache_hit(COMPLETION)))
    await course.add(
        plugin(lambda ctx: seen.append((ctx.metadata["_cache_hit"], ctx.metadata["_cache_status"]))), "post_flight"
    )
    await course.chat()
    assert seen == [(True, "HIT")]


async def test_modify_takes_the_place_of_the_body_for_all_that_follow(course: Course) -> None:
    seen: list[Any] = []
    new = {"model": "echo", "messages": [{"role": "user", "content": "other"}], "_note": 1}
    await course.add(plugin(lambda ctx: PluginResponse.modify(body=new, message="rewritten")), priority=1)
    await course.add(plugin(lambda ctx: seen.append((ctx.body["_note"], ctx.metadata["_plugin_message"]))), priority=2)
    assert (await course.chat()).text == "other"
    assert seen == [(1, "rewritten")]


async def test_nothing_returned_passes_and_nonsense_is_the_plugins_failure(course: Course) -> None:
    made = await course.add(plugin(lambda ctx: None))
    other = await course.add(plugin(lambda ctx: {"not": "a response"}))
    assert (await course.chat()).status == 200
    assert course.guards[made.id].stats.errors == 0
    assert "returned dict, not a PluginResponse" in str(course.guards[other.id].stats.last_error)


async def test_what_a_function_returns_by_chance_is_ignored(course: Course) -> None:
    async def wander(ctx: Any) -> int:
        return 42

    made = await course.add(wander)
    assert (await course.chat()).status == 200
    assert course.guards[made.id].stats.errors == 0


@pytest.mark.parametrize(
    ("ring", "closed"), [("ingress", True), ("pre_flight", False), ("routing", True), ("post_flight", False)]
)
async def test_a_failure_follows_the_policy_of_its_ring(course: Course, ring: str, closed: bool) -> None:
    await course.add(plugin(lambda ctx: {}["missing"]), ring, edits=True)
    assert (await course.chat()).status == (502 if closed else 200)


@pytest.mark.parametrize("ring", RINGS)
@pytest.mark.parametrize("policy", ["open", "closed"])
async def test_the_manifest_may_choose_another_policy(course: Course, ring: str, policy: str) -> None:
    await course.add(plugin(lambda ctx: {}["missing"]), ring, edits=True, fail_policy=policy)
    assert (await course.chat()).status == (502 if policy == "closed" else 200)


async def test_a_closed_plugin_stays_closed_in_quarantine(course: Course) -> None:
    made = await course.add(plugin(lambda ctx: {}["missing"]), fail_policy="closed")
    statuses = [(await course.chat()).status for _ in range(8)]
    assert course.guards[made.id].quarantined
    assert set(statuses) <= {502, 503}


async def test_the_deadline_is_the_manifests_then_the_classes_then_50_ms(course: Course) -> None:
    class Slow(BasePlugin):
        timeout_ms = 30

        async def execute(self, ctx: Any) -> None:
            await asyncio.Event().wait()

    async def slow(ctx: Any) -> None:
        await asyncio.Event().wait()

    for symbol, stated in ((Slow, 20), (Slow, None), (slow, None)):
        await course.add(symbol, timeout_ms=stated)
    answered = await course.chat()
    assert answered.status == 200
    errors = [course.guards[name].stats.last_error for name in course.plugins]
    assert [error and error.split("within ")[1] for error in errors] == ["20 ms", "30 ms", "50 ms"]


async def test_plugins_of_a_ring_run_in_ascending_priority_also_after_the_answer(course: Course) -> None:
    order: list[str] = []
    for ring in (*RINGS, "background"):
        for priority in (20, 5, 90):
            await course.add(plugin(lambda ctx, told=f"{ring} {priority}": order.append(told)), ring, priority=priority)
    await course.chat()
    assert order == [f"{ring} {priority}" for ring in (*RINGS, "background") for priority in (5, 20, 90)]


async def test_a_plugin_of_the_background_changes_nothing(course: Course) -> None:
    made = await course.add(plugin(lambda ctx: PluginResponse.block(500, "late", "too late")), "background")
    assert (await course.chat("hi")).text == "hi"
    assert course.guards[made.id].stats.errors == 0


async def test_who_calls_is_not_known_at_ingress_and_the_models_list_passes_it(course: Course) -> None:
    seen: list[Any] = []
    await course.add(plugin(lambda ctx: seen.append(("api_key" in ctx.metadata, dict(ctx.request.headers)))), "ingress")
    await course.post(CHAT, {"model": "echo", "messages": [{"role": "user", "content": "hi"}]})
    ((known, headers),) = seen
    assert not known
    assert "authorization" not in headers
