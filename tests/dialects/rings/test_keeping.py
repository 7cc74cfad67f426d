"""The response cache beside plugins that mask what people wrote."""

from __future__ import annotations

from typing import Any

import pytest

from jackfield.dialects.rings.names.plugin_sdk import PluginResponse
from jackfield.sdk import Identity
from jackfield.settings import PluginConfig as OperatorConfig

from .course import Course


async def lookup(ctx: Any) -> Any:
    cache = ctx.state.cache
    key = cache.make_key(ctx.body, "everybody")
    found = await cache.get(ctx.body, "everybody")
    if found is not None:
        return PluginResponse.cache_hit(found)
    ctx.metadata["_cache_key"] = key
    return None


async def mask(ctx: Any) -> None:
    security = ctx.metadata["rotator"].security
    for message in ctx.body["messages"]:
        message["content"] = security.mask_pii(message["content"])


async def unmask(ctx: Any) -> None:
    ctx.response.body = ctx.metadata["rotator"].security.sanitize_response(ctx.response.body.decode()).encode()


async def open_course(mask_at: int = 1, *, edits: bool = True) -> Course:
    course = Course()
    await course.add(mask, priority=mask_at)
    await course.add(lookup, priority=50)
    await course.add(unmask, "post_flight", edits=edits)
    return course


@pytest.mark.parametrize("stream", [False, True])
async def test_what_is_kept_is_unmasked_for_who_finds_it(stream: bool) -> None:
    course = await open_course()
    assert (await course.chat("mail bob@example.com", stream=stream)).text == "mail bob@example.com"
    course.identity = Identity(credential="cred_eve")
    for streamed in (stream, not stream):
        found = await course.chat("mail eve@example.com", stream=streamed)
        assert (found.text, found.state.answer_cached) == ("mail eve@example.com", True)
    assert b"bob" not in b"".join(kept for _, kept in course.world.cache._entries.values())


async def test_a_stream_that_was_not_held_keeps_nobodys_data_either() -> None:
    course = await open_course(edits=False)
    await course.chat("mail bob@example.com", stream=True)
    assert len(course.world.cache) == 1
    assert b"bob" not in b"".join(kept for _, kept in course.world.cache._entries.values())


async def test_what_was_masked_after_the_lookup_is_kept_as_it_was_asked() -> None:
    course = await open_course(mask_at=90)
    for cached in (False, True):
        answered = await course.chat("mail bob@example.com")
        assert (answered.text, answered.state.answer_cached) == ("mail bob@example.com", cached)
    assert (await course.chat("mail eve@example.com")).state.answer_cached is False


async def test_an_answer_that_was_refused_is_not_kept() -> None:
    course = await open_course()

    async def refuse(ctx: Any) -> Any:
        return PluginResponse.block(451)

    await course.add(refuse, "post_flight", edits=True)
    assert (await course.chat("mail bob@example.com")).status == 451
    assert len(course.world.cache) == 0


async def test_an_operators_priority_moves_the_lookup_and_not_the_keeping() -> None:
    course = Course()
    await course.add(mask, priority=1)
    await course.add(lookup, id="lookup", operator=OperatorConfig(priority=-50_000))
    await course.add(unmask, "post_flight", edits=True)
    kept = [(hook.name, hook.priority) for hook in course.hooks if hook.plugin == "lookup"]
    assert dict(kept)["run"] == -50_000
    assert dict(kept)["note"] > 0
