"""Answers of the Responses API that the gateway keeps: what hooks and tools made of them, how large, and for whom."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from jackfield.testing import Upstream
from jackfield.testing.caller import Called
from jackfield.testing.gateway import RunningGateway, run_gateway
from jackfield.testing.setup import link

pytestmark = pytest.mark.asyncio(loop_scope="module")

KIT = """
    from jackfield.sdk import ChatResponse, Plugin, Replace, hook
    from jackfield.sdk.tools import tool

    class Kit(Plugin):
        id = "kit"
        permissions = ("tools:register",)

        @tool("Adds two numbers")
        async def add(self, a: int, b: int) -> int:
            return a + b

        @hook("response_body", on_failure="closed", edits=True)
        async def edit(self, exchange):
            response = exchange.response
            if isinstance(response, ChatResponse) and "secret" in response.text():
                return Replace(response.with_text("(taken out)"))
"""
ECHO = {"name": "echo", "provider": "echo", "models": {"echo": "echo"}}
CANARY = "canary-7f3a"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stateful() -> AsyncIterator[Upstream]:
    async with Upstream() as upstream:
        yield upstream


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def gateway(tmp_path_factory: pytest.TempPathFactory, stateful: Upstream) -> AsyncIterator[RunningGateway]:
    both = link(stateful, name="stateful", models={"stateful": "scripted"}, options={"responses": True})
    folder = tmp_path_factory.mktemp("kept")
    responses = {"store_by_default": True, "max_mb": 0.01}
    async with run_gateway(folder, upstreams=[ECHO, both], plugins={"kit": KIT}, responses=responses) as running:
        yield running


async def ask(gateway: RunningGateway, given: Any, tools: str = "none", **fields: Any) -> Called:
    async with gateway.caller() as caller:
        body = {"model": "echo", "input": given, **fields}
        return await caller.call("POST", "/v1/responses", body=body, headers={"x-jackfield-tools": tools})


async def call(gateway: RunningGateway, method: str, path: str) -> Called:
    async with gateway.caller() as caller:
        return await caller.call(method, path)


def answer_of(called: Called) -> Any:
    """The answer, also as the last event of a stream."""
    assert called.status == 200, called.body
    return json.loads(called.events[-1][1])["response"] if called.events else called.json


def text_of(answer: Any) -> str:
    return "".join(part["text"] for item in answer["output"] for part in item["content"])


async def read(gateway: RunningGateway, answer: Any) -> Any:
    called = await call(gateway, "GET", f"/v1/responses/{answer['id']}")
    assert called.status == 200, called.body
    return called.json


@pytest.mark.parametrize("stream", [False, True])
async def test_what_tools_had_a_part_in_is_kept_and_goes_on(gateway: RunningGateway, stream: bool) -> None:
    calls = [{"name": "add", "arguments": {"a": 2, "b": 3}}]
    turns = [{"tool_calls": [{**calls[0], "name": "plugin_kit_add"}]}, {"text": "It is {results}."}]
    script = f"echo: {json.dumps({'turns': turns})}"
    first = answer_of(await ask(gateway, script, "auto", stream=stream))
    assert text_of(first) == "It is 5."
    assert await read(gateway, first) == first
    second = answer_of(await ask(gateway, "So?", stream=stream, previous_response_id=first["id"]))
    listed = (await call(gateway, "GET", f"/v1/responses/{second['id']}/input_items?order=asc")).json["data"]
    assert [item["content"][0]["text"] for item in listed] == [script, "It is 5.", "So?"]


@pytest.mark.parametrize("stream", [False, True])
async def test_what_a_hook_took_out_is_not_kept(gateway: RunningGateway, stream: bool) -> None:
    told = answer_of(await ask(gateway, 'echo: {"text": "the secret"}', stream=stream))
    assert text_of(told) == "(taken out)"
    assert text_of(await read(gateway, told)) == "(taken out)"


@pytest.mark.parametrize("stream", [False, True])
async def test_the_operator_decides_for_who_says_nothing(gateway: RunningGateway, stream: bool) -> None:
    told = answer_of(await ask(gateway, "Hello", stream=stream))
    assert told["store"] is True
    assert await read(gateway, told) == told
    refused = answer_of(await ask(gateway, "Hello", store=False, stream=stream))
    assert refused["store"] is False
    assert (await call(gateway, "GET", f"/v1/responses/{refused['id']}")).status == 404


async def test_a_conversation_that_is_too_large_is_refused_before_it_is_asked(gateway: RunningGateway) -> None:
    called = await ask(gateway, "x" * 11_000)
    assert (called.status, called.json["error"]["param"]) == (413, "input")
    first = answer_of(await ask(gateway, 'echo: {"text": "' + "x" * 4000 + '"}'))
    called = await ask(gateway, "y" * 4000, previous_response_id=first["id"])
    assert (called.status, called.json["error"]["param"]) == (413, "input")
    unkept = await ask(gateway, "y" * 4000, previous_response_id=first["id"], store=False)
    assert answer_of(unkept)["store"] is False


@pytest.mark.parametrize("stream", [False, True])
async def test_an_answer_that_is_too_large_says_that_it_is_not_kept(gateway: RunningGateway, stream: bool) -> None:
    told = answer_of(await ask(gateway, "x " * 4000, stream=stream))
    assert (told["store"], told["status"]) == (False, "completed")
    assert (await call(gateway, "GET", f"/v1/responses/{told['id']}")).status == 404


async def test_an_upstream_that_keeps_answers_itself_does(gateway: RunningGateway, stateful: Upstream) -> None:
    told = answer_of(await ask(gateway, "Hello", model="stateful", store=True, previous_response_id="resp_1"))
    sent = stateful.requests[-1].json
    assert (sent["store"], sent["previous_response_id"], sent["input"]) == (True, "resp_1", "Hello")
    assert not told["id"].startswith("resp_jf")


async def test_keeping_leaves_nothing_out(gateway: RunningGateway) -> None:
    called = await ask(gateway, "Hello", store=True)
    assert "x-jackfield-dropped" not in called.headers


async def test_what_the_gateway_keeps_goes_on_anywhere(gateway: RunningGateway, stateful: Upstream) -> None:
    first = answer_of(await ask(gateway, "Hello", instructions="Be brief."))
    second = answer_of(await ask(gateway, "So?", model="stateful", previous_response_id=first["id"]))
    sent = stateful.requests[-1].json
    assert "previous_response_id" not in sent
    assert sent["store"] is False
    assert [item["role"] for item in sent["input"]] == ["user", "assistant", "user"]
    assert all("id" not in item for item in sent["input"])
    assert (await read(gateway, second))["previous_response_id"] == first["id"]


async def test_reasoning_that_an_upstream_cannot_read_does_not_go_there(
    gateway: RunningGateway, stateful: Upstream
) -> None:
    first = answer_of(await ask(gateway, 'echo: {"thinking": "hm", "text": "yes"}'))
    second = answer_of(await ask(gateway, "So?", model="stateful", previous_response_id=first["id"]))
    assert [item["type"] for item in stateful.requests[-1].json["input"]] == ["message"] * 3
    listed = (await call(gateway, "GET", f"/v1/responses/{second['id']}/input_items?order=asc")).json["data"]
    assert [item["type"] for item in listed] == ["message", "reasoning", "message", "message"]


async def test_so_it_is_where_the_client_sends_it_back_itself(gateway: RunningGateway, stateful: Upstream) -> None:
    said = {"role": "user", "content": "Hi"}
    signed = {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "jackfield_signature:x"}
    answer_of(await ask(gateway, [said, signed, said], model="stateful", store=False))
    assert stateful.requests[-1].json["input"] == [said, said]


async def test_nothing_of_what_is_kept_is_told_to_operators(gateway: RunningGateway) -> None:
    first = answer_of(await ask(gateway, CANARY))
    answer_of(await ask(gateway, "So?", previous_response_id=first["id"]))
    for path in ("/api/v1/traces", "/api/v1/usage", "/api/v1/audit", "/metrics"):
        assert CANARY not in (await gateway.admin(path)).body.decode()


@pytest.mark.parametrize(
    ("method", "path", "status", "allow"),
    [
        ("POST", "/v1/responses/resp_jf1", 405, "GET, DELETE"),
        ("DELETE", "/v1/responses/resp_jf1/input_items", 405, "GET"),
        ("GET", "/v1/responses/resp_jf1/elsewhere", 404, None),
        ("GET", "/v1/responses//input_items", 404, None),
        ("GET", "/v1/responses/", 404, None),
        ("GET", "/v1/responses/resp_jf%00", 404, None),
        ("GET", "/v1/responses", 405, "POST"),
    ],
)
async def test_only_what_there_is_is_answered(
    gateway: RunningGateway, method: str, path: str, status: int, allow: str | None
) -> None:
    called = await call(gateway, method, path)
    assert (called.status, called.headers.get("allow")) == (status, allow)


async def test_without_a_key_nothing_is_told(gateway: RunningGateway) -> None:
    told = answer_of(await ask(gateway, "Hello"))
    async with gateway.caller("jf-wrong") as caller:
        for method in ("GET", "DELETE"):
            assert (await caller.call(method, f"/v1/responses/{told['id']}")).status == 401
    assert await read(gateway, told) == told


async def test_without_room_what_must_be_kept_is_refused(tmp_path: Any) -> None:
    async with run_gateway(tmp_path, upstreams=[ECHO], responses={"max_count": 0}) as none:
        called = await ask(none, "Hello", store=True)
        assert (called.status, called.json["error"]["param"]) == (400, "store")
        assert (await call(none, "GET", "/v1/responses/resp_jf1")).status == 404
