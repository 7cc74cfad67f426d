"""Each event of a request, once, in order, and with the right provider: whatever becomes of it."""

from __future__ import annotations

from typing import Any

import pytest

from jackfield.testing import Answer, Reply, Upstream, until
from jackfield.testing.setup import link

from .guide import system

EVENTS = """
class Watcher(Hook):
    name = "watcher"
    events = list(HookEvent)

    async def __call__(self, context):
        seen.append(context)
"""
WATCH = """
    async def _on_initialize(self):
        self.context.hook_registry.register(Watcher())
"""
WATCHER = system("watcher", WATCH, before=EVENTS)
CLIENT = ["request.started", "http.request"]
ASKED = ["provider.request.prepared", "provider.request.sent", "http.request"]
ANSWERED = ["provider.response.received", "http.response"]
ENDED = ["http.response", "request.completed"]
BEGUN = "provider.stream.start"
CHUNK, END = "provider.stream.chunk", "provider.stream.end"
FAILED = ["http.error", "provider.error"]


class Watched:
    def __init__(self, house: Any) -> None:
        self.house = house
        house.module("watcher").seen.clear()

    async def told(self, count: int = 1) -> list[Any]:
        """What was told of so many requests, to the last event."""

        def is_whole(found: list[Any]) -> bool:
            return sum(one.event.value in ("request.completed", "request.failed") for one in found) == count

        return await until(self._seen, is_whole, within=5.0)

    async def _seen(self) -> list[Any]:
        return list(self.house.module("watcher").seen)

    async def names(self) -> list[str]:
        """Each chunk after the first left out. What has to do with the provider names it, whatever became of it."""
        told = await self.told()
        assert {one.provider for one in told if one.event.value.startswith("provider.")} <= {"openai"}
        assert [one.provider for one in told[:2]] == [None, None]
        names = [context.event.value for context in told]
        return [name for place, name in enumerate(names) if name != CHUNK or names[place - 1] != CHUNK]


@pytest.fixture
async def watched(open_house: Any, upstream: Upstream) -> Watched:
    house = await open_house(plugins={"watcher": WATCHER}, upstreams=[link(upstream, max_retries=0)])
    await house.settle()
    return Watched(house)


async def test_of_a_whole_answer(watched: Watched) -> None:
    called = await watched.house.chat(model="scripted")
    assert called.status == 200
    assert await watched.names() == CLIENT + ASKED + ANSWERED + ENDED
    contexts = await watched.told()
    assert [one.provider for one in contexts] == [None, None] + ["openai"] * 7
    assert len({one.metadata["request_id"] for one in contexts}) == 1
    completed = contexts[-1].data
    assert (completed["response_status"], completed["model"], completed["service_type"]) == (200, "scripted", "openai")
    assert completed["usage"]["input_tokens"] == called.json["usage"]["prompt_tokens"]
    assert completed["duration"] > 0
    assert contexts[-2].data["response_body"]["choices"] == called.json["choices"]
    assert contexts[1].data["body"]["messages"] == [{"role": "user", "content": "hello"}]


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/messages", "/v1/responses"])
async def test_of_a_stream(watched: Watched, upstream: Upstream, path: str) -> None:
    upstream.script(Answer.reply(Reply(text="one two three")))
    given = {"input": "hello"} if path == "/v1/responses" else {"max_tokens": 9} if path == "/v1/messages" else {}
    called = await watched.house.chat(path, model="scripted", stream=True, **given)
    assert called.status == 200
    assert await watched.names() == CLIENT + ASKED + ANSWERED + [BEGUN, CHUNK, END] + ENDED
    contexts = await watched.told()
    chunks = [one.data for one in contexts if one.event.value == CHUNK]
    assert [one["chunk_number"] for one in chunks] == list(range(1, len(chunks) + 1))
    (end,) = [one for one in contexts if one.event.value == END]
    with_body = [one.event.value for one in contexts if "body" in one.data]
    assert with_body == ["http.request", *ASKED], "of thousands of chunks each would hold the whole request"
    assert (end.data["total_chunks"], end.data["total_bytes"]) == (
        len(chunks),
        sum(one["chunk_size"] for one in chunks),
    )
    assert end.data["upstream_stream_text"] == b"".join(one["chunk"] for one in chunks).decode()
    assert (end.provider, end.data["usage_metrics"]["output_tokens"] > 0) == ("openai", True)


async def test_of_an_upstream_that_answers_with_an_error(watched: Watched, upstream: Upstream) -> None:
    upstream.always(Answer.status(500, message="busy"))
    called = await watched.house.chat(model="scripted")
    assert called.status == 500
    assert await watched.names() == CLIENT + ASKED + FAILED + ["http.response", "request.failed"]
    error = (await watched.told())[-3]
    assert (error.provider, error.data["status_code"], "busy" in str(error.error)) == ("openai", 500, True)


async def test_of_an_upstream_that_is_not_there(watched: Watched, upstream: Upstream) -> None:
    await upstream.refuse()
    assert (await watched.house.chat(model="scripted", stream=True)).status == 502
    assert await watched.names() == CLIENT + ASKED + FAILED + ["http.response", "request.failed"]


async def test_of_a_stream_that_breaks_off(watched: Watched, upstream: Upstream) -> None:
    upstream.script(Answer.close_after(3, Reply(text="one two three four")))
    await watched.house.chat(model="scripted", stream=True)
    names = await watched.names()
    assert names == CLIENT + ASKED + ANSWERED + [BEGUN, CHUNK, *FAILED, END, "http.response", "request.failed"]


async def test_of_a_client_that_leaves(watched: Watched, upstream: Upstream) -> None:
    upstream.script(Answer.hang_after(4, Reply(text="one two three four five six")))
    async with watched.house.gateway.caller() as caller:
        body = {"model": "scripted", "stream": True, "messages": [{"role": "user", "content": "hello"}]}
        called = await caller.begin("POST", "/v1/chat/completions", body=body)
        await caller.read(called, events=2)
        caller.leave()
        names = await watched.names()
    assert names == CLIENT + ASKED + ANSWERED + [BEGUN, CHUNK, END, "http.response", "request.failed"]
    assert (await watched.told())[-1].data["response_status"] == 499


async def test_of_a_request_that_is_refused(watched: Watched) -> None:
    assert (await watched.house.chat(model="unknown")).status == 404
    assert await watched.names() == [*CLIENT, *ENDED]
    async with watched.house.gateway.caller("jf-wrong") as caller:
        assert (await caller.post("/v1/chat/completions", {"model": "scripted", "messages": []})).status == 401
    told = await watched.told(2)
    assert [one.event.value for one in told[4:]] == [*CLIENT, *ENDED]


@pytest.mark.parametrize("stream", [False, True])
async def test_of_an_upstream_in_whose_place_another_answers(open_house: Any, upstream: Upstream, stream: bool) -> None:
    """What failed is told as the first one's, and before the second is asked."""
    ways = [link(upstream, name="first", max_retries=0), link(upstream, "anthropic", name="second", priority=1)]
    house = await open_house(plugins={"watcher": WATCHER}, upstreams=ways)
    watched = Watched(house)
    upstream.script(Answer.status(503, message="busy"), Answer.reply(Reply(text="one")))
    assert (await house.chat(model="scripted", stream=stream)).status == 200
    told = [one for one in await watched.told() if one.event.value.startswith(("provider.", "http."))]
    named = [(one.event.value, one.provider) for one in told if "stream" not in one.event.value]
    asked, failed = [[(name, "openai") for name in names] for names in (ASKED, FAILED)]
    again = [(name, "anthropic") for name in ASKED + ANSWERED]
    assert named == [("http.request", None), *asked, *failed, *again, ("http.response", "anthropic")]
    (error,) = [one for one in told if one.event.value == "provider.error"]
    about = {**error.metadata, **error.data}
    assert (about["upstream"], about["service_type"], about["status_code"]) == ("first", "openai", 503)
    assert about["url"] == f"{upstream.openai_url}/chat/completions"


async def test_a_provider_in_process_has_no_url_of_the_upstream_before_it(open_house: Any, upstream: Upstream) -> None:
    near = {"name": "near", "provider": "echo", "models": {"scripted": "echo"}, "priority": 1}
    ways = [link(upstream, name="far", max_retries=0), near]
    house = await open_house(plugins={"watcher": WATCHER}, upstreams=ways)
    watched = Watched(house)
    upstream.script(Answer.status(503))
    assert (await house.chat(model="scripted")).status == 200
    (answered,) = [one for one in await watched.told() if one.event.value == "provider.response.received"]
    assert (answered.provider, answered.data["upstream"], answered.data["url"]) == ("echo", "near", "")


async def test_whatever_begins_ends(watched: Watched) -> None:
    """So that who counts what is under way is right: what is asked of the gateway itself is no request of a model, and
    what is refused before anybody saw it has begun all the same."""
    async with watched.house.gateway.caller() as caller:
        assert (await caller.get("/v1/models")).status == 200
        assert (await caller.get("/v1/responses/resp_1")).status == 404
    async with watched.house.gateway.caller() as caller:
        called = await caller.post("/v1/chat/completions", {}, **{"content-length": "99999999999"})
        assert called.status == 413
    assert await watched.names() == [*CLIENT, *ENDED]


ADDS = """
from jackfield.sdk import Plugin, tool

class Kit(Plugin):
    permissions = ("tools:register",)

    @tool("Adds")
    async def add(self, a: int, b: int) -> int:
        return a + b
"""


async def test_each_turn_of_a_model_that_uses_tools_is_a_request(open_house: Any, upstream: Upstream) -> None:
    house = await open_house(plugins={"watcher": WATCHER, "kit": ADDS}, upstreams=[link(upstream, max_retries=0)])
    watched = Watched(house)
    upstream.script(Answer.tool_calls(("plugin_kit_add", {"a": 1, "b": 1})), Answer.reply(Reply(text="2")))
    async with house.gateway.caller(**{"x-jackfield-tools": "auto"}) as caller:
        body = {"model": "scripted", "messages": [{"role": "user", "content": "hello"}]}
        assert (await caller.post("/v1/chat/completions", body)).headers["x-jackfield-turns"] == "2"
    turns: dict[str, list[str]] = {}
    for one in await watched.told(2):
        turns.setdefault(one.metadata["request_id"], []).append(one.event.value)
    assert list(turns.values()) == [CLIENT + ASKED + ANSWERED + ENDED] * 2
