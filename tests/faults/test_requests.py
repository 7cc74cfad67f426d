"""What a client gets wrong is refused in the form of its API, told exactly, and recorded."""

from __future__ import annotations

from typing import Any

import pytest

from jackfield.testing import Called

from .apis import Stage

DEEP = b'{"messages":' + b"[" * 100_000


async def send(stage: Stage, body: bytes | dict[str, Any]) -> Called:
    async with stage.caller() as caller:
        return await caller.post(stage.api.path, body)


async def test_no_key(stage: Stage) -> None:
    async with stage.caller() as caller:
        caller.drop_header("authorization")
        called = await caller.post(stage.api.path, stage.api.body())

    assert "key" in stage.api.check_error(called, 401, "invalid_api_key").lower()
    record = await stage.record_of(called)
    assert (record["status"], record["key_id"]) == (401, None)


@pytest.mark.parametrize("key", ["jf-unknown", "Bearer", "x" * 5000, "ключ".encode().decode("latin-1")])
async def test_an_unknown_key(stage: Stage, key: str) -> None:
    async with stage.caller(key) as caller:
        called = await caller.post(stage.api.path, stage.api.body())

    assert key not in stage.api.check_error(called, 401, "invalid_api_key")
    assert (await stage.record_of(called))["status"] == 401
    assert stage.upstream.requests == []


@pytest.mark.parametrize("header", ["authorization", "x-api-key"])
async def test_a_revoked_key_no_longer_works(stage: Stage, header: str) -> None:
    made = await stage.gateway.admin("/api/v1/credentials", "POST", {"name": "soon gone"})
    key = made.json["key"]
    value = f"Bearer {key}" if header == "authorization" else key
    async with stage.caller() as caller:
        caller.drop_header("authorization")
        before = await caller.call("POST", stage.api.path, body=stage.api.body(), headers={header: value})
        revoked = await stage.gateway.admin(f"/api/v1/credentials/{made.json['id']}", "DELETE")
        after = await caller.call("POST", stage.api.path, body=stage.api.body(), headers={header: value})

    assert (made.status, revoked.status) == (201, 200)
    assert before.status == 200
    stage.api.check_error(after, 401, "invalid_api_key")
    assert (await stage.record_of(after))["status"] == 401


async def test_an_inference_key_does_not_reach_the_admin_api(stage: Stage) -> None:
    async with stage.caller() as caller:
        called = await caller.get("/api/v1/usage")

    assert called.status == 403
    assert "admin" in called.json["error"]["message"]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"not json",
        b'{"model": "scripted", "messages": [',
        b"[]",
        b"null",
        b'"text"',
        b"\xff\xfe",
        b'{"model": "scripted", "messages": [{"role": "user", "content": "\\ud800"}]}',
        b'{"model": "scripted", "model": "other", "messages": []}',
        b'{"model": NaN}',
        DEEP,
    ],
    ids=["empty", "text", "cut", "list", "null", "string", "bytes", "surrogate", "twice", "nan", "deep"],
)
async def test_what_is_not_a_json_object(stage: Stage, body: bytes) -> None:
    called = await send(stage, body)

    stage.api.check_error(called, 400)
    assert (await stage.record_of(called))["status"] == 400
    assert stage.upstream.requests == []


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"model": None}, "model"),
        ({"model": 7}, "model"),
        ({"messages": None}, "messages"),
        ({"messages": "Hello"}, "messages"),
        ({"messages": []}, "messages"),
        ({"messages": [7]}, "messages[0]"),
        ({"messages": [{"content": "x"}]}, "messages[0].role"),
        ({"messages": [{"role": "nobody", "content": "x"}]}, "messages[0].role"),
        ({"messages": [{"role": "user", "content": {"a": 1}}]}, "messages[0].content"),
        ({"messages": [{"role": "user", "content": [{"type": 7}]}]}, "messages[0].content[0]"),
        ({"stream": "yes"}, "stream"),
        ({"max_tokens": "many"}, "max_tokens"),
        ({"tools": "all"}, "tools"),
        ({"tool_choice": 7}, "tool_choice"),
    ],
    ids=str,
)
async def test_wrong_types_are_named_by_their_path(
    open_stage: Any, api: Any, fields: dict[str, Any], named: str
) -> None:
    """The upstream speaks the other API, so that the gateway has to read every field."""
    stage = await open_stage("anthropic" if api.name == "openai" else "openai")
    called = await send(stage, api.body() | fields)

    assert named in api.check_error(called, 400)
    assert (await stage.record_of(called))["status"] == 400
    assert stage.upstream.requests == []


async def test_a_body_of_20_mb(stage: Stage) -> None:
    called = await send(stage, stage.api.body("x" * 20_000_000))

    assert "10 MB" in stage.api.check_error(called, 413, "request_too_large")
    assert (await stage.record_of(called))["status"] == 413


async def test_a_body_of_20_mb_in_chunks(stage: Stage) -> None:
    async with stage.caller() as caller:
        head = caller.write_head("POST", stage.api.path, {"transfer-encoding": "chunked"})
        chunk = b"100000\r\n" + b"x" * 0x100000 + b"\r\n"
        called = await caller.send(head + chunk * 20 + b"0\r\n\r\n")
        await caller.finish(called)

    stage.api.check_error(called, 413, "request_too_large")


async def test_a_large_body_below_the_limit_is_served(stage: Stage) -> None:
    called = await send(stage, stage.api.body("x" * 9_000_000))

    assert called.status == 200
    assert len(stage.upstream.requests[0].body) > 9_000_000


async def test_an_unknown_model_is_told_with_those_that_are_close(stage: Stage) -> None:
    called = await stage.ask(model="scriptde")

    message = stage.api.check_error(called, 404, "model_not_found")
    assert "'scriptde'" in message
    assert "'scripted'" in message
    record = await stage.record_of(called)
    assert (record["status"], record["error"], record["model"]) == (404, "model_not_found", "scriptde")


@pytest.mark.parametrize("path", ["/v1/nothing", "/v1/", "/nothing", "/v1/chat", "/v1/messages/other"])
async def test_an_unknown_path(stage: Stage, path: str) -> None:
    async with stage.caller() as caller:
        called = await caller.post(path, stage.api.body())

    assert called.status == 404
    assert path in called.json["error"]["message"]


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH"])
async def test_a_wrong_method(stage: Stage, method: str) -> None:
    async with stage.caller() as caller:
        called = await caller.call(method, stage.api.path)

    stage.api.check_error(called, 405)
    assert called.headers["allow"] == "POST"


@pytest.mark.parametrize(("path", "allowed"), [("/v1/models", "GET"), ("/health", "GET"), ("/metrics", "GET")])
async def test_a_wrong_method_where_only_reading_is_possible(stage: Stage, path: str, allowed: str) -> None:
    async with stage.caller() as caller:
        called = await caller.post(path, b"")

    assert called.status == 405
    assert allowed in called.headers["allow"]


async def test_a_client_that_leaves_while_it_sends_is_recorded(stage: Stage) -> None:
    async with stage.caller() as caller:
        head = caller.write_head("POST", stage.api.path, {"content-length": "1000"})
        await caller.write(head + b'{"model": ')
        caller.leave()
        (record,) = await stage.gateway.records(1)

    assert record["status"] == 499
    assert stage.upstream.requests == []
