"""`ctx.body`: what it shows, and what becomes of an edit."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from jackfield.dialects.rings.bodies import read_body
from jackfield.dialects.rings.names.plugin_sdk import BasePlugin, PluginResponse
from jackfield.errors import Malformed
from jackfield.sdk import ChatRequest, Plugin, Replace, hook
from jackfield.sdk.plugin import PluginConfig
from jackfield.wire import format_named
from jackfield.wire.json import DEEPEST

from .course import CHAT, MESSAGES, Course

REQUEST_RINGS = ("ingress", "pre_flight", "routing")
EMBEDDINGS = "/v1/embeddings"
SENT = {
    "model": "echo",
    "messages": [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": [{"type": "text", "text": "hi"}], "weight": 0.5},
    ],
    "max_tokens": 7,
    "stop": "END",
    "seed": None,
    "stream": False,
    "vendor_field": {"deep": [1, 2]},
}
ANTHROPIC: dict[str, Any] = {
    "model": "echo",
    "max_tokens": 64,
    "system": [{"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral"}}],
    "messages": [
        {"role": "user", "content": [{"type": "text", "text": "first", "cache_control": {"type": "ephemeral"}}]},
        {
            "role": "assistant",
            "content": [
                {"type": "thinking", "thinking": "hm", "signature": "c2lnbmVk"},
                {"type": "text", "text": "ok"},
                {"type": "tool_use", "id": "t1", "name": "look", "input": {"at": 1}},
            ],
        },
        {
            "role": "user",
            "content": [
                {"type": "tool_result", "tool_use_id": "t1", "content": "seen"},
                {"type": "text", "text": "mail bob@example.com"},
            ],
        },
    ],
    "metadata": {"user_id": "u1"},
}


def editor(edit: Any) -> Any:
    async def change(ctx: Any) -> None:
        edit(ctx.body)

    return change


@pytest.fixture
def course() -> Course:
    return Course()


def as_anthropic(request: ChatRequest) -> Any:
    return json.loads(format_named("anthropic_messages").encode_request(request).body)


@pytest.mark.parametrize("ring", REQUEST_RINGS)
async def test_an_openai_body_is_what_the_client_sent(course: Course, ring: str) -> None:
    seen: list[Any] = []
    await course.add(editor(lambda body: seen.append(json.loads(json.dumps(body)))), ring)
    assert (await course.post(CHAT, SENT)).status == 200
    assert seen == [SENT]
    assert not course.asked.extra.keys() & {"_"}


@pytest.mark.parametrize("ring", REQUEST_RINGS)
async def test_an_edit_in_place_reaches_the_upstream_with_all_else_as_it_was(course: Course, ring: str) -> None:
    await course.add(editor(lambda body: body["messages"][1]["content"][0].update(text="edited")), ring)
    assert (await course.post(CHAT, SENT)).text == "edited"
    sent = json.loads(format_named("openai_chat").encode_request(course.asked).body)
    assert sent["vendor_field"] == {"deep": [1, 2]}
    assert sent["messages"][1]["weight"] == 0.5
    assert (sent["max_tokens"], sent["stop"]) == (7, ["END"])


@pytest.mark.parametrize("ring", REQUEST_RINGS)
async def test_private_fields_stay_with_the_plugins(course: Course, ring: str) -> None:
    seen: list[Any] = []
    await course.add(editor(lambda body: body.update(_ab_meta={"arm": "b"})), ring, priority=1)
    await course.add(
        editor(lambda body: seen.append((body["_ab_meta"], body["_mine"], body["headers"]))), "post_flight"
    )
    answered = await course.post(CHAT, {**SENT, "_mine": 1, "headers": {"authorization": "Bearer evil"}})
    assert answered.status == 200
    assert seen == [({"arm": "b"}, 1, {"authorization": "Bearer evil"})]
    assert not {"_ab_meta", "_mine", "headers"} & course.asked.extra.keys()


async def test_private_fields_are_kept_back_also_where_plugins_only_look_at_answers(course: Course) -> None:
    seen: list[Any] = []
    await course.add(editor(lambda body: seen.append(body["_expected_schema"])), "post_flight")
    assert (await course.post(CHAT, {**SENT, "_expected_schema": {"type": "object"}})).status == 200
    assert seen == [{"type": "object"}]
    assert "_expected_schema" not in course.asked.extra


@pytest.mark.parametrize("ring", REQUEST_RINGS)
async def test_an_anthropic_request_is_shown_in_the_openai_shape(course: Course, ring: str) -> None:
    seen: list[Any] = []
    await course.add(editor(lambda body: seen.append(json.loads(json.dumps(body)))), ring)
    assert (await course.post(MESSAGES, ANTHROPIC)).status == 200
    (body,) = seen
    assert [message["role"] for message in body["messages"]] == ["system", "user", "assistant", "tool", "user"]
    assert body["messages"][2]["tool_calls"][0]["function"]["name"] == "look"


@pytest.mark.parametrize("ring", REQUEST_RINGS)
async def test_an_edit_of_an_anthropic_request_leaves_the_rest_as_it_was(course: Course, ring: str) -> None:
    await course.add(editor(lambda body: body["messages"][4].update(content="mail [PII]")), ring)
    assert (await course.post(MESSAGES, ANTHROPIC)).status == 200
    sent = as_anthropic(course.asked)
    wanted = json.loads(json.dumps(ANTHROPIC).replace("bob@example.com", "[PII]"))
    assert sent["system"] == wanted["system"]
    assert sent["messages"][:2] == wanted["messages"][:2]
    assert "[PII]" in json.dumps(sent["messages"][2:])
    assert "bob@example.com" not in json.dumps(sent)
    assert sent["metadata"] == {"user_id": "u1"}


@pytest.mark.parametrize("ring", REQUEST_RINGS)
async def test_a_message_may_be_put_before_the_others(course: Course, ring: str) -> None:
    await course.add(editor(lambda body: body["messages"].insert(0, {"role": "system", "content": "Obey."})), ring)
    assert (await course.post(MESSAGES, ANTHROPIC)).status == 200
    sent = as_anthropic(course.asked)
    assert "Obey." in json.dumps(sent["system"])
    assert sent["messages"] == ANTHROPIC["messages"]


@pytest.mark.parametrize("ring", REQUEST_RINGS)
@pytest.mark.parametrize(("path", "body"), [(CHAT, SENT), (MESSAGES, ANTHROPIC)])
async def test_another_model_is_another_model(course: Course, ring: str, path: str, body: Any) -> None:
    await course.add(editor(lambda body: body.update(model="small")), ring)
    answered = await course.post(path, body)
    assert answered.status == 200
    assert course.asked.model == "small"
    assert answered.json["model"] == "small"


async def test_a_model_that_nobody_has_is_the_plugins_failure_and_its_edit_is_undone(course: Course) -> None:
    seen: list[Any] = []
    await course.add(editor(lambda body: body.update(model="none")), "routing", fail_policy="open", priority=1)
    await course.add(editor(lambda body: seen.append(body["model"])), "routing", priority=2)
    assert (await course.chat()).status == 200
    assert seen == ["echo"]
    assert course.asked.model == "echo"


@pytest.mark.parametrize("ring", REQUEST_RINGS)
async def test_the_client_decides_whether_it_gets_a_stream(course: Course, ring: str) -> None:
    await course.add(editor(lambda body: body.update(stream=not body.get("stream"), user="edited")), ring)
    whole = await course.chat("hi")
    assert whole.json["object"] == "chat.completion"
    streamed = await course.chat("hi", stream=True, stream_options={"include_usage": True})
    assert b'"usage":{' in streamed.body
    assert (streamed.text, course.asked.user) == ("hi", "edited")


@pytest.mark.parametrize("ring", REQUEST_RINGS)
async def test_an_embeddings_request_has_its_own_shape(course: Course, ring: str) -> None:
    await course.add(editor(lambda body: body.update(input=["two"])), ring)
    answered = await course.post(EMBEDDINGS, {"model": "echo", "input": ["one"], "vendor": 1})
    assert answered.status == 200, answered.body
    assert course.asked.texts() == ("two",)
    assert "vendor" in course.asked.extra


async def test_tokens_are_counted_of_the_edited_request(course: Course) -> None:
    await course.add(editor(lambda body: body["messages"][0].update(content="x " * 500)))
    body = {"model": "echo", "messages": [{"role": "user", "content": "hi"}]}
    answered = await course.post("/v1/messages/count_tokens", body)
    assert answered.json["input_tokens"] > 100


async def test_an_edit_that_leaves_no_request_is_the_plugins_failure(course: Course) -> None:
    await course.add(editor(lambda body: body.update(messages="gone")), fail_policy="closed")
    assert (await course.chat()).error[:2] == (502, "plugin_failed")


async def test_a_value_that_json_cannot_hold_is_the_plugins_failure_but_not_in_private(course: Course) -> None:
    await course.add(editor(lambda body: body.update(_mine=object())), priority=1)
    made = await course.add(editor(lambda body: body.update(yours=object())), priority=2)
    assert (await course.chat("hi")).text == "hi"
    assert course.guards[made.id].stats.errors == 1


async def test_a_request_that_cannot_be_read_is_the_clients_fault(course: Course) -> None:
    seen: list[Any] = []
    await course.add(editor(seen.append), "ingress")
    answered = await course.post(CHAT, {"model": "echo", "messages": "hi"})
    assert (answered.status, seen) == (400, [])


@pytest.mark.parametrize("ring", REQUEST_RINGS)
@pytest.mark.parametrize("path", [CHAT, MESSAGES])
@pytest.mark.parametrize("number", ["1e999", "9" * 5_000, "[" * 2_000 + "]" * 2_000], ids=["float", "integer", "deep"])
@pytest.mark.parametrize(
    "fields",
    [
        '"_x": {}',
        '"metadata": {{"user_id": {}}}',
        '"tools": [{{"name": "f", "type": "function", "function": {{"name": "f", "parameters": {{"a": {}}}}},'
        ' "input_schema": {{"maximum": {}}}}}]',
        '"messages": [{{"role": "user", "content": "a", "_x": {}}}]',
    ],
    ids=["private", "metadata", "schema", "messages"],
)
async def test_a_number_that_nothing_can_hold_is_the_clients_fault(
    course: Course, ring: str, path: str, number: str, fields: str
) -> None:
    seen: list[Any] = []
    made = await course.add(editor(seen.append), ring)
    told = fields.format(number, number)
    messages = "" if '"messages"' in told else '"messages": [{"role": "user", "content": "a"}], '
    body = f'{{"model": "echo", "max_tokens": 9, {messages}{told}}}'.encode()
    for _ in range(6):
        assert (await course.post(path, body)).status == 400
    guard = course.guards[made.id]
    assert (seen, guard.stats.errors, guard.quarantined) == ([], 0, False)


def test_what_shows_only_when_all_is_read_is_malformed() -> None:
    exchange: Any = SimpleNamespace(
        client_format="openai_chat", inbound=SimpleNamespace(body=b'{"_x": 1e999}'), replaced=False
    )
    with pytest.raises(Malformed, match="out of range"):
        read_body(exchange, ChatRequest(model="echo", messages=()))


async def test_no_depth_of_a_body_is_a_plugins_failure(course: Course) -> None:
    made = await course.add(editor(lambda body: None), timeout_ms=5_000)
    answers = {}
    for depth in (1, DEEPEST - 1, DEEPEST, 900, 985, 2_000):
        body = b'{"model":"echo","messages":[{"role":"user","content":"a"}],"x":%s}' % (b"[" * depth + b"]" * depth)
        answers[depth] = (await course.post(CHAT, body)).status
    assert answers == {1: 200, DEEPEST - 1: 200, DEEPEST: 400, 900: 400, 985: 400, 2_000: 400}
    assert course.guards[made.id].stats.errors == 0


@pytest.mark.parametrize("ring", REQUEST_RINGS)
async def test_an_embeddings_request_has_no_messages(course: Course, ring: str) -> None:
    await course.add(editor(lambda body: body.update(messages=body.get("messages", []), input=["b"])), ring)
    assert (await course.post(EMBEDDINGS, {"model": "echo", "input": ["a"], "vendor": 1})).status == 200
    assert course.asked.texts() == ("b",)
    assert set(course.asked.extra) == {"vendor"}


async def test_what_a_native_plugin_changes_in_between_is_seen(course: Course) -> None:
    class Native(Plugin):
        @hook("pre_flight", on_failure="closed")
        async def change(self, exchange: Any) -> Replace:
            return Replace(msgspec.structs.replace(exchange.request, model="small"))

    seen: list[Any] = []
    await course.add(editor(lambda body: body.update(_note=1, user="ring")), priority=1)
    await course.join(Native("native", PluginConfig()), priority=2)
    await course.add(editor(lambda body: seen.append((body["model"], body["user"], body["_note"]))), priority=3)
    assert (await course.chat()).status == 200
    assert seen == [("small", "ring", 1)]


async def test_edits_of_several_plugins_and_rings_add_up(course: Course) -> None:
    for ring in REQUEST_RINGS:
        await course.add(
            editor(
                lambda body, ring=ring: body["messages"][0].update(content=body["messages"][0]["content"] + f" {ring}")
            ),
            ring,
        )

    class Last(BasePlugin):
        async def execute(self, ctx: Any) -> PluginResponse:
            return PluginResponse(action="modify", body={**ctx.body, "user": "last"})

    await course.add(Last, "routing", priority=200)
    assert (await course.chat("hi")).text == "hi ingress pre_flight routing"
    assert course.asked.user == "last"


async def test_the_upstream_that_a_plugin_chose_is_tried_first(course: Course) -> None:
    async def choose(ctx: Any) -> None:
        pool = await ctx.metadata["rotator"].store.get_pool()
        ctx.metadata["target_endpoint"] = next(endpoint for endpoint in pool if endpoint.id == "beta")

    await course.chat()
    await course.add(choose, "routing")
    await course.chat()
    assert [name for name, _ in course.provider.asked] == ["alpha", "beta"]


@pytest.mark.parametrize(("path", "body"), [(CHAT, SENT), (MESSAGES, ANTHROPIC)])
async def test_the_body_is_one_object_from_the_first_ring_to_the_last(course: Course, path: str, body: Any) -> None:
    seen: list[Any] = []
    for ring in REQUEST_RINGS:
        await course.add(editor(lambda body, ring=ring: body.update(user=ring)), ring, priority=1)
        await course.add(editor(seen.append), ring, priority=2)
    assert (await course.post(path, body)).status == 200
    assert all(one is seen[0] for one in seen)
    assert course.asked.user == "routing"
