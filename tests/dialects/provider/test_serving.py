"""A provider's models, served by the gateway."""

from __future__ import annotations

import json
from typing import Any

import pytest

from jackfield.runtimes.http import frames
from jackfield.testing.caller import Called
from jackfield.testing.gateway import RunningGateway

from .gateways import OpenGateway
from .manifests import manifest
from .stub import COMPLETION, METADATA, MODELS, Reply, Stub, answer, events, fault, lines

CHAT = {"model": "stub-1", "messages": [{"role": "user", "content": "Hello!"}]}
ONCE = {"name": "once", "provider": "stub", "models": ["stub-1"], "max_retries": 0}
CAPABLE = {"capabilities": METADATA["capabilities"]}


async def chat(gateway: RunningGateway, **more: Any) -> Called:
    async with gateway.caller() as caller:
        return await caller.post("/v1/chat/completions", CHAT | more)


async def listed(gateway: RunningGateway) -> list[str]:
    async with gateway.caller() as caller:
        return [model["id"] for model in (await caller.get("/v1/models")).json["data"]]


def chunk(text: str | None = None, finish: str | None = None, **more: Any) -> dict[str, Any]:
    delta = {} if text is None else {"content": text}
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice]} | more


CHUNKS = [chunk("Hel"), chunk("lo"), chunk(None, "stop", usage={"prompt_tokens": 1, "cost_usd": 0.25})]


def text_of(called: Called) -> str:
    found = [json.loads(data) for _, data in called.events if data != "[DONE]"]
    return "".join(one["choices"][0]["delta"].get("content") or "" for one in found if one.get("choices"))


async def test_its_models_join_the_gateways_and_its_bytes_pass_as_they_are(
    open_gateway: OpenGateway, stub: Stub
) -> None:
    stub.replies["/chat/completions"] = answer(COMPLETION | {"own_key": {"kept": True}})
    gateway = await open_gateway({"test": manifest(stub.url)})
    assert await listed(gateway) == ["echo", "stub-1"]
    called = await chat(gateway, temperature=0.7, own={"a": [1]})
    assert called.status == 200
    assert called.json == COMPLETION | {"own_key": {"kept": True}}
    asked = stub.last("/chat/completions")
    assert asked.json == CHAT | {"temperature": 0.7, "own": {"a": [1]}}
    assert asked.headers["content-type"] == "application/json"
    assert "authorization" not in asked.headers


async def test_its_own_cost_counts_else_its_price_and_nonsense_does_not(open_gateway: OpenGateway, stub: Stub) -> None:
    gateway = await open_gateway({"test": manifest(stub.url)})
    assert (await chat(gateway)).headers["x-jackfield-cost-usd"] == "0.000054"
    for stated in (None, "free", -1, 1e300, True):
        stub.replies["/chat/completions"] = answer(COMPLETION | {"usage": COMPLETION["usage"] | {"cost_usd": stated}})
        assert (await chat(gateway)).headers["x-jackfield-cost-usd"] == "0.000036"
    records = await gateway.records(6)
    assert sorted(record["cost_nanousd"] for record in records) == [36_000] * 5 + [54_000]
    assert {(record["provider"], record["upstream"]) for record in records} == {("test", "test")}


async def test_an_answer_may_be_small_and_its_status_any_success(open_gateway: OpenGateway, stub: Stub) -> None:
    gateway = await open_gateway({"test": manifest(stub.url)})
    stub.replies["/chat/completions"] = answer({"id": "x", "model": "stub-1"}, 201)
    called = await chat(gateway)
    assert (called.status, called.json) == (200, {"id": "x", "model": "stub-1", "choices": []})


@pytest.mark.parametrize(
    "reply",
    [
        events(*CHUNKS, "[DONE]"),
        events(*CHUNKS),
        events(*CHUNKS[:2], chunk(None, None, usage=CHUNKS[2]["usage"], done=True)),
        events('event: connected\ndata: {"message": "hi"}\n\n', ": ping\n\n", *CHUNKS, "[DONE]"),
        lines(*CHUNKS),
        answer(COMPLETION | {"usage": CHUNKS[2]["usage"], "choices": [
            {"index": 0, "message": {"role": "assistant", "content": "Hello"}, "finish_reason": "stop"}
        ]}),
    ],
    ids=["sse", "sse without end mark", "sse done", "named", "ndjson", "whole"],
)  # fmt: skip
@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/messages"])
async def test_a_stream_comes_in_each_framing_to_clients_of_each_api(
    open_gateway: OpenGateway, stub: Stub, reply: Reply, path: str
) -> None:
    stub.replies["/chat/completions"] = reply
    gateway = await open_gateway({"test": manifest(stub.url, metadata=CAPABLE)})
    async with gateway.caller() as caller:
        called = await caller.post(path, CHAT | {"stream": True, "max_tokens": 9})
    assert called.status == 200
    assert "".join(called.body.decode().split()).count("Hel") == 1
    assert stub.last("/chat/completions").json["stream"] is True
    record = await gateway.record()
    assert (record["cost_nanousd"], record["finish_reason"], record["error"]) == (250_000_000, "stop", None)
    if path == "/v1/chat/completions":
        assert text_of(called) == "Hello"
        assert called.events[-1] == (None, "[DONE]")


async def test_who_does_not_stream_is_asked_for_a_whole_answer(open_gateway: OpenGateway) -> None:
    async with Stub(capabilities={}) as stub:
        stub.replies["/models"] = answer([MODELS[0] | {"capabilities": {"streaming": True}}])
        gateway = await open_gateway({"test": manifest(stub.url, metadata={"capabilities": {"streaming": False}})})
        called = await chat(gateway, stream=True, stream_options={"include_usage": True})
        assert text_of(called) == "Hello!"
        assert not {"stream", "stream_options"} & stub.last("/chat/completions").json.keys()


async def test_an_error_in_the_middle_of_a_stream_reaches_the_client(open_gateway: OpenGateway, stub: Stub) -> None:
    broken = {"code": "rate_limit_exceeded", "message": "slow down"}
    stub.replies["/chat/completions"] = events(CHUNKS[0], 0.05, broken)
    gateway = await open_gateway({"test": manifest(stub.url, metadata=CAPABLE)})
    called = await chat(gateway, stream=True)
    assert text_of(called).startswith("Hel")
    assert json.loads(called.events[-1][1])["error"]["code"] == "rate_limit_exceeded"
    assert (await gateway.record())["error"] == "rate_limit_exceeded"


async def test_before_the_first_event_another_is_asked(open_gateway: OpenGateway, stub: Stub) -> None:
    async with Stub(provider_type="other") as other:
        stub.replies["/chat/completions"] = events({"code": "internal_error", "message": "bug"})
        other.replies["/chat/completions"] = events(*CHUNKS, "[DONE]")
        gateway = await open_gateway({
            "one": manifest(stub.url, metadata=CAPABLE),
            "two": manifest(other.url, metadata=CAPABLE | {"provider_type": "other"}),
        })  # fmt: skip
        for _ in range(4):
            assert text_of(await chat(gateway, stream=True)) == "Hello"
        assert stub.paths().count("/chat/completions") <= 4


@pytest.mark.parametrize(
    ("code", "status"),
    [("authentication_failed", 502), ("invalid_request", 400), ("model_not_found", 404), ("content_filter", 400),
     ("quota_exceeded", 429), ("internal_error", 502)],
)  # fmt: skip
async def test_its_errors_reach_the_client_and_are_not_tried_again(
    open_gateway: OpenGateway, stub: Stub, code: str, status: int
) -> None:
    stub.replies["/chat/completions"] = fault(500, code, "no: sk-abcdefghijklmnop", details={"limit": 1000})
    gateway = await open_gateway({"test": manifest(stub.url)})
    called = await chat(gateway)
    assert called.status == status
    assert called.json["error"]["code"] == code
    assert called.json["error"]["transient"] is False
    assert called.json["error"]["details"] == {"limit": 1000}
    assert "abcdefghijklmnop" not in called.body.decode()
    assert stub.paths().count("/chat/completions") == 1


async def test_what_passes_is_tried_again_when_it_asks_for_it(open_gateway: OpenGateway, stub: Stub) -> None:
    busy = fault(429, "rate_limit_exceeded", transient=True, details={"retry_after": 0.3})
    stub.replies["/chat/completions"] = [busy, answer(COMPLETION)]
    gateway = await open_gateway({"test": manifest(stub.url)})
    called = await chat(gateway)
    assert called.status == 200
    record = await gateway.record()
    assert record["attempts"] == 2
    assert record["total_ms"] >= 300


async def test_who_asks_for_too_long_a_pause_is_not_waited_for(open_gateway: OpenGateway, stub: Stub) -> None:
    busy = fault(429, "rate_limit_exceeded", transient=True, details={"retry_after": 600})
    stub.replies["/chat/completions"] = busy
    gateway = await open_gateway({"test": manifest(stub.url)})
    called = await chat(gateway)
    assert (called.status, called.headers["retry-after"]) == (429, "600")
    assert stub.paths().count("/chat/completions") == 1


@pytest.mark.parametrize("code", ["provider_unavailable", "authentication_failed", "internal_error"])
async def test_another_provider_of_the_model_takes_over(open_gateway: OpenGateway, stub: Stub, code: str) -> None:
    async with Stub(provider_type="other") as other:
        stub.replies["/chat/completions"] = fault(500, code)
        plugins = {"one": manifest(stub.url), "two": manifest(other.url, metadata={"provider_type": "other"})}
        link = {"name": "first", "provider": "stub", "models": ["stub-1"]}
        gateway = await open_gateway(plugins, upstreams=[link])
        called = await chat(gateway)
        assert (called.status, called.headers["x-jackfield-upstream"]) == (200, "two")
        assert stub.paths().count("/chat/completions") == 1


async def test_what_a_model_cannot_is_told_or_asked_of_one_that_can(open_gateway: OpenGateway, stub: Stub) -> None:
    tools = [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}]
    limited = manifest(stub.url, metadata={"capabilities": {"function_calling": False}})
    async with Stub(provider_type="other") as other:
        able = manifest(other.url, metadata={"provider_type": "other", "capabilities": {"function_calling": True}})
        gateway = await open_gateway({"one": limited, "two": able | {"auto_start": False}})
        called = await chat(gateway, tools=tools)
        assert (called.status, called.json["error"]["code"]) == (400, "invalid_request")
        assert "does not take function calling" in called.json["error"]["message"]
        assert "/chat/completions" not in stub.paths()
        enabled = await gateway.admin("/api/v1/plugins/toggle", "POST", {"name": "two", "enabled": True})
        assert enabled.status == 200, enabled.body
        for _ in range(4):
            assert (await chat(gateway, tools=tools)).headers["x-jackfield-upstream"] == "two"


async def test_an_upstream_names_it_by_its_type_and_takes_its_place(open_gateway: OpenGateway, stub: Stub) -> None:
    link = {"name": "mine", "provider": "stub", "models": {"fast": "stub-1"}}
    gateway = await open_gateway({"test": manifest(stub.url)}, upstreams=[link])
    assert await listed(gateway) == ["fast"]
    called = await chat(gateway, model="fast")
    assert called.headers["x-jackfield-upstream"] == "mine"
    assert stub.last("/chat/completions").json["model"] == "stub-1"


async def test_an_upstream_whose_provider_does_not_run_only_is_unavailable(
    open_gateway: OpenGateway, stub: Stub
) -> None:
    link = {"name": "mine", "provider": "stub", "models": ["m"]}
    gateway = await open_gateway({"test": manifest(stub.url, auto_start=False)}, upstreams=[link])
    called = await chat(gateway, model="m")
    assert (called.status, called.json["error"]["code"]) == (503, "unavailable")


async def test_embeddings_where_they_are_declared(open_gateway: OpenGateway, stub: Stub) -> None:
    stub.replies["/embeddings"] = answer({
        "object": "list", "model": "stub-1", "data": [{"object": "embedding", "index": 0, "embedding": [0.5]}],
        "usage": {"prompt_tokens": 1, "total_tokens": 1},
    })  # fmt: skip
    gateway = await open_gateway({"test": manifest(stub.url, metadata={"capabilities": {"embeddings": True}})})
    async with gateway.caller() as caller:
        called = await caller.post("/v1/embeddings", {"model": "stub-1", "input": "a"})
    assert called.json["data"][0]["embedding"] == [0.5]


async def test_an_answer_that_is_none_is_an_internal_error(open_gateway: OpenGateway, stub: Stub) -> None:
    gateway = await open_gateway({"test": manifest(stub.url)})
    for reply in (Reply(body=b"<html>oops"), answer([]), Reply(302, headers={"location": "http://127.0.0.1:1/"})):
        stub.replies["/chat/completions"] = reply
        called = await chat(gateway)
        assert (called.status, called.json["error"]["code"]) == (502, "internal_error")


async def test_one_that_does_not_answer_in_time_is_a_timeout(open_gateway: OpenGateway, stub: Stub) -> None:
    stub.replies["/chat/completions"] = Reply(pieces=[10.0])
    gateway = await open_gateway({"test": manifest(stub.url)})
    called = await chat(gateway)
    assert (called.status, called.json["error"]["code"]) == (504, "timeout")
    assert called.json["error"]["transient"] is True


DEEP = b"[" * 100_000 + b"]" * 100_000


@pytest.mark.parametrize("stream", [False, True])
async def test_an_answer_nested_without_end_is_none(open_gateway: OpenGateway, stub: Stub, stream: bool) -> None:
    stub.replies["/chat/completions"] = Reply(body=b'{"id": "1", "choices": %s}' % DEEP)
    gateway = await open_gateway({"test": manifest(stub.url, metadata=CAPABLE)})
    called = await chat(gateway, stream=stream)
    assert (called.status, called.json["error"]["code"]) == (502, "internal_error")
    assert "no completion" in called.json["error"]["message"]


@pytest.mark.parametrize("unit", [b": hello\n\n", b'data: {"hello": 1}\n\n', b"\n"])
async def test_a_stream_that_says_nothing_without_end_is_cut_off(
    open_gateway: OpenGateway, stub: Stub, unit: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(frames, "MOST_UNHEARD", 1_000)
    greetings = [unit * 600] * 2
    stub.replies["/chat/completions"] = Reply(
        kind="text/event-stream" if unit.strip() else "application/x-ndjson", pieces=[*greetings, 5.0]
    )
    gateway = await open_gateway({"test": manifest(stub.url, metadata=CAPABLE)}, upstreams=[ONCE])
    called = await chat(gateway, stream=True)
    assert (called.status, called.json["error"]["code"]) == (503, "provider_unavailable")


@pytest.mark.parametrize(
    "reply",
    [
        fault(400, "invalid_request", "the key k3y!", details={"key": "k3y!"}),
        answer({"code": "invalid_request", "message": "the key k3y!"}),
        events({"code": "invalid_request", "message": "the key k3y!"}),
        Reply(body=b"<p>the key k3y!</p>"),
    ],
)
async def test_no_client_sees_a_secret_however_short(open_gateway: OpenGateway, stub: Stub, reply: Reply) -> None:
    schema = [{"name": "api_key", "type": "string", "sensitive": True}]
    stub.replies["/chat/completions"] = reply
    told = manifest(stub.url, metadata=CAPABLE | {"config_schema": schema})
    gateway = await open_gateway({"test": told}, {"test": {"api_key": "k3y!"}})
    called = await chat(gateway, stream=True)
    assert called.status >= 400
    assert b"the key ***" in called.body
    assert b"k3y!" not in called.body
