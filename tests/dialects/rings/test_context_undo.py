"""A call that fails, or comes too late, has changed nothing."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest

from jackfield.dialects.rings.names.plugin_sdk import BasePlugin

from .course import Course


def spoil(ctx: Any) -> None:
    ctx.body["messages"][0]["content"] = "spoiled"
    ctx.body["_private"] = "spoiled"
    ctx.body["headers"] = {}
    ctx.body["_deep"]["list"].append("spoiled")
    ctx.metadata["_note"] = "spoiled"
    ctx.metadata["_list"].append("spoiled")
    ctx.metadata["_odd"].clear()
    ctx.session_id = "spoiled"
    ctx.stop_chain, ctx.error = True, "spoiled"


async def prepare(ctx: Any) -> None:
    ctx.body["_private"], ctx.body["_deep"] = "kept", {"list": ["kept"]}
    ctx.metadata["_note"], ctx.metadata["_list"] = "kept", ["kept"]
    ctx.metadata["_odd"] = {"lock": threading.Lock()}


async def fails(ctx: Any) -> None:
    spoil(ctx)
    raise KeyError("late")


async def hangs(ctx: Any) -> None:
    spoil(ctx)
    await asyncio.Event().wait()


async def hangs_on(ctx: Any) -> None:
    """Takes no cancellation for an answer."""
    spoil(ctx)
    try:
        await asyncio.Event().wait()
    except asyncio.CancelledError:
        await asyncio.Event().wait()


async def sees_itself_cut_off(ctx: Any) -> None:
    try:
        await asyncio.Event().wait()
    finally:
        spoil(ctx)


async def leaves_a_task(ctx: Any) -> None:
    async def later() -> None:
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        spoil(ctx)

    ctx.metadata["_task"] = asyncio.create_task(later())
    raise KeyError("now")


@pytest.mark.parametrize("bad", [fails, hangs, hangs_on, sees_itself_cut_off, leaves_a_task])
@pytest.mark.parametrize("ring", ["ingress", "pre_flight", "routing"])
async def test_body_metadata_and_session_are_as_before(ring: str, bad: Any) -> None:
    course, seen = Course(), []

    async def look(ctx: Any) -> None:
        await asyncio.sleep(0.001)
        texts = ctx.body["messages"][0]["content"], ctx.body["_private"], "headers" in ctx.body
        told = ctx.metadata["_note"], ctx.metadata["_list"], len(ctx.metadata["_odd"]), ctx.body["_deep"]
        seen.append((*texts, *told, ctx.session_id != "spoiled"))

    await course.add(prepare, ring, priority=1)
    await course.add(bad, ring, priority=2, timeout_ms=10, fail_policy="open")
    await course.add(look, ring, priority=3)
    assert (await course.chat("hi")).text == "hi"
    assert seen == [("hi", "kept", False, "kept", ["kept"], 1, {"list": ["kept"]}, True)]
    assert course.asked.last_user_text() == "hi"


@pytest.mark.parametrize("bad", [fails, hangs, hangs_on, sees_itself_cut_off])
async def test_the_answer_is_as_before(bad: Any) -> None:
    course, seen = Course(), []

    async def spoils(ctx: Any) -> None:
        ctx.response.body, ctx.response.status_code = b"spoiled", 500
        ctx.body["choices"].clear()
        ctx.metadata.setdefault("_list", [])
        await bad(ctx)

    async def look(ctx: Any) -> None:
        seen.append((b"spoiled" in ctx.response.body, ctx.response.status_code, len(ctx.body["choices"])))

    await course.add(spoils, "post_flight", priority=1, timeout_ms=10, edits=True)
    await course.add(look, "post_flight", priority=2)
    assert (await course.chat("hi")).text == "hi"
    assert seen == [(False, 200, 1)]


async def test_a_fail_open_failure_leaves_no_error_behind() -> None:
    course, seen = Course(), []

    class Bad(BasePlugin):
        async def execute(self, ctx: Any) -> None:
            raise RuntimeError("mine alone")

    async def look(ctx: Any) -> None:
        seen.append((ctx.error, ctx.stop_chain))

    await course.add(Bad, priority=1)
    await course.add(look, priority=2)
    await course.chat()
    assert seen == [(None, False)]
