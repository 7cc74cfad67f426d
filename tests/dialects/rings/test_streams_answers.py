"""POST_FLIGHT: what a plugin sees of an answer and may make of it, whole and streamed."""

from __future__ import annotations

import json
from typing import Any

import pytest
import structlog
from starlette.responses import JSONResponse, Response

from jackfield.dialects.rings.names.plugin_sdk import BasePlugin, PluginResponse

from .course import CHAT, MESSAGES, Course

ASKED = {"model": "echo", "max_tokens": 64, "messages": [{"role": "user", "content": "hello"}]}
CALLS = 'echo: {"thinking": "hm", "text": "calling", "tool_calls": [{"name": "look", "arguments": {"at": 1}}]}'


@pytest.fixture
def course() -> Course:
    return Course()


def say(ctx: Any, text: str) -> bytes:
    body = json.loads(ctx.response.body)
    body["choices"][0]["message"]["content"] = text
    return json.dumps(body).encode()


async def assign_response(ctx: Any) -> None:
    ctx.response = Response(
        say(ctx, "edited"), status_code=ctx.response.status_code, headers=dict(ctx.response.headers)
    )


async def assign_body(ctx: Any) -> None:
    ctx.response.body = say(ctx, "edited")


async def assign_dict(ctx: Any) -> None:
    ctx.response = json.loads(say(ctx, "edited"))


async def edit_overlay(ctx: Any) -> None:
    ctx.body["choices"][0]["message"]["content"] = "edited"


class Modify(BasePlugin):
    async def execute(self, ctx: Any) -> PluginResponse:
        return PluginResponse.modify(body=json.loads(say(ctx, "edited")))


class Replay(BasePlugin):
    async def execute(self, ctx: Any) -> PluginResponse:
        return PluginResponse.cache_hit(JSONResponse(json.loads(say(ctx, "edited"))))


EDITS = [assign_response, assign_body, assign_dict, edit_overlay, Modify, Replay]


@pytest.mark.parametrize("edit", EDITS)
@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("path", [CHAT, MESSAGES])
async def test_every_way_of_editing_reaches_the_client(course: Course, edit: Any, stream: bool, path: str) -> None:
    await course.add(edit, "post_flight", edits=True)
    answered = await course.post(path, {**ASKED, "stream": stream})
    assert answered.status == 200, answered.body
    assert answered.text == "edited"


@pytest.mark.parametrize("path", [CHAT, MESSAGES])
async def test_what_an_edit_leaves_alone_stays(course: Course, path: str) -> None:
    await course.add(assign_body, "post_flight", edits=True)
    answered = await course.post(path, {**ASKED, "messages": [{"role": "user", "content": CALLS}]})
    told = json.dumps(answered.json)
    assert "edited" in told
    assert "look" in told
    assert "hm" in told
    assert answered.json["usage"]


async def test_finish_reason_tool_calls_and_usage_may_be_edited(course: Course) -> None:
    async def edit(ctx: Any) -> None:
        body = json.loads(ctx.response.body)
        body["choices"][0]["finish_reason"] = "content_filter"
        body["choices"][0]["message"]["tool_calls"][0]["function"]["name"] = "other"
        body["usage"]["completion_tokens"] = 99
        ctx.response.body = json.dumps(body)

    await course.add(edit, "post_flight", edits=True)
    body = (await course.chat(CALLS)).json
    assert body["choices"][0]["finish_reason"] == "content_filter"
    assert body["choices"][0]["message"]["tool_calls"][0]["function"]["name"] == "other"
    assert body["usage"]["completion_tokens"] == 99


@pytest.mark.parametrize("stream", [False, True])
async def test_choices_and_usage_lie_over_the_request(course: Course, stream: bool) -> None:
    seen: list[Any] = []

    async def look(ctx: Any) -> None:
        body = ctx.body
        seen.append((body["messages"][0]["content"], body["choices"][0]["message"]["content"], "usage" in body))
        seen.append((ctx.response.status_code, isinstance(ctx.response.body, bytes), dict(ctx.response.headers)))

    await course.add(look, "post_flight")
    assert (await course.chat("hi", stream=stream)).text == "hi"
    assert seen[0] == ("hi", "hi", True)
    assert seen[1][:2] == (200, True)
    assert seen[1][2]["x-request-id"]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("path", [CHAT, MESSAGES])
async def test_a_body_that_is_no_completion_becomes_the_text_of_one(course: Course, stream: bool, path: str) -> None:
    async def kill(ctx: Any) -> None:
        ctx.response = Response(b"[STOPPED]", status_code=200)

    await course.add(kill, "post_flight", edits=True)
    answered = await course.post(path, {**ASKED, "stream": stream})
    assert answered.status == 200
    assert answered.text == "[STOPPED]"


async def test_a_later_plugin_sees_the_body_as_it_was_assigned_and_may_mend_it(course: Course) -> None:
    seen: list[bytes] = []

    async def cut(ctx: Any) -> None:
        ctx.response.body = ctx.response.body.rstrip(b"}")

    async def heal(ctx: Any) -> None:
        seen.append(ctx.response.body[-1:])
        whole = ctx.response.body
        while whole.count(b"{") > whole.count(b"}"):
            whole += b"}"
        ctx.response.body = whole

    await course.add(cut, "post_flight", edits=True, priority=1)
    await course.add(heal, "post_flight", edits=True, priority=2)
    assert (await course.chat("hi")).text == "hi"
    assert seen != [b"}"]


@pytest.mark.parametrize("stream", [False, True])
async def test_an_error_status_is_an_error(course: Course, stream: bool) -> None:
    async def refuse(ctx: Any) -> None:
        ctx.response = JSONResponse({"error": {"message": "leak", "code": "leaked"}}, status_code=451)

    await course.add(refuse, "post_flight", edits=True)
    assert (await course.chat(stream=stream)).error == (451, "leaked", "leak")


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    "asked",
    [
        {"messages": [{"role": "user", "content": 'echo: {"status": 418, "message": "no tea"}'}]},
        {"model": "nobody-has-it"},
        {"messages": "nonsense"},
        {"messages": None},
    ],
    ids=["upstream", "model", "nonsense", "nothing"],
)
async def test_an_error_is_no_answer_to_look_at(course: Course, asked: Any, stream: bool) -> None:
    seen: list[Any] = []

    async def look(ctx: Any) -> None:
        seen.append(ctx.body["choices"])

    made = await course.add(look, "post_flight", edits=stream)
    for _ in range(6):
        assert (await course.post(CHAT, {**ASKED, "stream": stream, **asked})).status >= 400
    stats = course.guards[made.id].stats
    assert (seen, stats.errors, course.guards[made.id].quarantined) == ([], 0, False)


async def test_a_refusal_is_not_shown_to_those_who_look_at_answers_but_to_the_background(course: Course) -> None:
    seen: list[Any] = []

    class Gate(BasePlugin):
        async def execute(self, ctx: Any) -> PluginResponse:
            return PluginResponse.block(451, message="no")

    async def look(ctx: Any) -> None:
        seen.append((ctx.response.status_code, ctx.error))

    await course.add(Gate, "post_flight", edits=True, priority=1)
    await course.add(look, "post_flight", priority=2)
    await course.add(look, "background")
    assert (await course.chat()).status == 451
    assert seen == [(451, "no")]


async def test_a_block_that_comes_too_late_is_counted_and_told(course: Course) -> None:
    class Late(BasePlugin):
        async def execute(self, ctx: Any) -> PluginResponse:
            return PluginResponse.block(451)

    made = await course.add(Late, "post_flight")
    with structlog.testing.capture_logs() as logs:
        for _ in range(6):
            assert (await course.chat("hi", stream=True)).text == "hi"
    told = [entry for entry in logs if entry["event"] == "refused_too_late"]
    assert [(entry["plugin"], entry["log_level"]) for entry in told] == [(made.id, "error")] * 6
    stats = course.guards[made.id].stats
    assert (stats.errors, stats.last_error) == (6, "run: refused an answer that had been sent")
    assert not course.guards[made.id].quarantined
    assert (await course.chat("hi")).status == 451


async def test_a_plugin_that_only_looks_does_not_hold_the_stream(course: Course) -> None:
    seen: list[str] = []

    async def look(ctx: Any) -> None:
        seen.append(ctx.body["choices"][0]["message"]["content"])

    await course.add(look, "post_flight")
    answered = await course.chat("one two three", stream=True)
    assert answered.body.count(b'"content":') >= 3
    assert seen == ["one two three"]


async def test_an_edit_that_says_the_same_forwards_the_answer(course: Course) -> None:
    plain = (await course.chat("hi")).json

    async def rewrite(ctx: Any) -> None:
        ctx.response = Response(json.dumps(json.loads(ctx.response.body), indent=2))

    await course.add(rewrite, "post_flight", edits=True)
    edited = (await course.chat("hi")).json
    assert edited["choices"] == plain["choices"]


async def test_a_background_plugin_sees_the_answer_as_it_was_sent(course: Course) -> None:
    seen: list[Any] = []

    async def look(ctx: Any) -> None:
        body = json.loads(ctx.response.body)
        seen.append((body["choices"][0]["message"]["content"], body["usage"]["completion_tokens"] > 0))

    await course.add(look, "background")
    await course.chat("hi there")
    await course.chat("hi there", stream=True)
    await course.add(assign_body, "post_flight", edits=True)
    await course.chat("hi there")
    assert seen == [("hi there", True), ("hi there", True), ("edited", True)]


async def test_embeddings_are_shown_in_their_shape(course: Course) -> None:
    seen: list[Any] = []

    async def look(ctx: Any) -> None:
        seen.append((len(json.loads(ctx.response.body)["data"]), "choices" in ctx.body, ctx.body["input"]))

    await course.add(look, "post_flight")
    assert (await course.post("/v1/embeddings", {"model": "echo", "input": ["a", "b"]})).status == 200
    assert seen == [(2, False, ["a", "b"])]


@pytest.mark.parametrize("ring", ["ingress", "pre_flight", "routing"])
async def test_an_answer_in_the_upstreams_place_is_looked_at_too(course: Course, ring: str) -> None:
    class Cache(BasePlugin):
        async def execute(self, ctx: Any) -> PluginResponse:
            return PluginResponse.cache_hit({"choices": [{"message": {"role": "assistant", "content": "kept"}}]})

    await course.add(Cache, ring)
    await course.add(assign_body, "post_flight", edits=True)
    assert (await course.chat()).text == "edited"
