"""What comes over the wire as it is: heads, bodies, and what is wrong with them."""

from __future__ import annotations

import json
from typing import Any

import pytest

PATH = "/mcp"
HEAD = {"content-type": "application/json", "accept": "application/json, text/event-stream"}


def request(method: str, message_id: Any = 1, **params: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": message_id, "method": method, "params": params}


INITIALIZE = request(
    "initialize",
    protocolVersion="2025-06-18",
    capabilities={},
    clientInfo={"name": "raw", "version": "1"},
)


async def post(gateway, body: Any, key: str | None = None, **headers: str) -> Any:
    head = HEAD | {name.replace("_", "-"): value for name, value in headers.items()}
    async with gateway.caller(key) as caller:
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        return await caller.call("POST", PATH, headers=head, body=raw)


def error(called) -> tuple[int, int, str]:
    told = called.json["error"]
    return called.status, told["code"], told["message"]


async def test_the_handshake_agrees_on_a_version(gateway) -> None:
    called = await post(gateway, INITIALIZE)
    result = called.json["result"]
    assert called.status == 200
    assert result["protocolVersion"] == "2025-06-18"
    assert result["serverInfo"]["name"] == "jackfield"
    assert result["capabilities"]["tools"] == {"listChanged": False}
    assert called.headers["mcp-session-id"]


async def test_any_worker_can_answer_for_no_session_is_kept(gateway) -> None:
    called = await post(gateway, request("tools/list"), mcp_session_id="made-elsewhere")
    assert {tool["name"] for tool in called.json["result"]["tools"]} >= {"plugin_kit_add"}
    assert (await post(gateway, request("tools/list"))).status == 200


async def test_notifications_and_answers_are_acknowledged(gateway) -> None:
    for message in (
        {"jsonrpc": "2.0", "method": "notifications/initialized"},
        {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 99}},
        {"jsonrpc": "2.0", "method": "notifications/unheard-of"},
        {"jsonrpc": "2.0", "id": 1, "result": {}},
    ):
        called = await post(gateway, message)
        assert (called.status, called.body) == (202, b"")


@pytest.mark.parametrize(
    ("body", "code", "message"),
    [
        (b"{", -32700, "The body is not JSON"),
        (b"", -32700, "The body is not JSON"),
        (b"\xff\xfe", -32700, "The body is not JSON"),
        (b"[" * 100_000, -32700, "The body is not JSON"),
        ([request("ping")], -32600, "Batches are not taken"),
        ("ping", -32600, "not a JSON-RPC message"),
        ({"id": 1, "method": "ping"}, -32600, "not a JSON-RPC message"),
        ({"jsonrpc": "1.0", "id": 1, "method": "ping"}, -32600, "not a JSON-RPC message"),
        ({"jsonrpc": "2.0", "id": None, "method": "ping"}, -32600, "The id of a message"),
        ({"jsonrpc": "2.0", "id": True, "method": "ping"}, -32600, "The id of a message"),
        ({"jsonrpc": "2.0", "id": 1.5, "method": "ping"}, -32600, "The id of a message"),
        ({"jsonrpc": "2.0", "id": 1}, -32600, "The message has no method"),
        ({"jsonrpc": "2.0", "id": 1, "method": 7}, -32600, "The method of a message"),
        ({"jsonrpc": "2.0", "id": 1, "method": "ping", "params": []}, -32600, "The params of a message"),
    ],
)
async def test_what_is_no_message_is_named(gateway, body, code: int, message: str) -> None:
    called = await post(gateway, body)
    status, told_code, told = error(called)
    assert (status, told_code) == (400, code)
    assert message in told
    assert called.json["id"] is None
    assert called.headers["x-request-id"]


@pytest.mark.parametrize(
    ("message", "code"),
    [
        (request("no/such/method"), -32601),
        (request("tools/call"), -32602),
        (request("tools/call", name="plugin_kit_nothing"), -32602),
        (request("tools/call", name="plugin_kit_add", arguments=[1]), -32602),
        (request("tools/call", name=7), -32602),
        (request("resources/list"), -32601),
        (request("initialize"), -32602),
    ],
)
async def test_what_is_asked_wrong_is_an_error_with_the_id(gateway, message, code: int) -> None:
    called = await post(gateway, message | {"id": "seven"})
    assert (called.status, called.json["id"], called.json["error"]["code"]) == (200, "seven", code)


async def test_an_unknown_tool_is_named(gateway) -> None:
    called = await post(gateway, request("tools/call", name="plugin_kit_nothing"))
    assert error(called)[2] == "Unknown tool: plugin_kit_nothing"


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"content_type": "text/plain"}, 415),
        ({"content_type": "application/json; charset=utf-8"}, 200),
        ({"accept": "text/html"}, 406),
        ({"accept": "text/event-stream"}, 406),
        ({"accept": "application/json"}, 200),
        ({"accept": "*/*"}, 200),
        ({"origin": "https://evil.example"}, 403),
        ({"origin": "null"}, 403),
        ({"origin": "http://localhost.evil.example"}, 403),
        ({"origin": "http://localhost:3000"}, 200),
        ({"origin": "http://[::1]:3000"}, 200),
        ({"host": "evil.example"}, 421),
        ({"host": "127.0.0.1.evil.example:8090"}, 421),
        ({"host": "localhost:8090"}, 200),
        ({"mcp_protocol_version": "2025-06-18"}, 200),
        ({"mcp_protocol_version": "1999-01-01"}, 400),
    ],
)
async def test_the_head_is_checked(gateway, headers, status: int) -> None:
    called = await post(gateway, request("ping"), **headers)
    assert called.status == status
    assert (called.json["jsonrpc"], "error" in called.json) == ("2.0", status != 200)


async def test_names_and_pages_of_the_operator_are_let_in(start_mcp) -> None:
    settings = {"hosts": ["gateway.example"], "origins": ["https://app.example"]}
    gateway = await start_mcp(mcp=settings)
    called = await post(gateway, request("ping"), host="gateway.example:443", origin="https://app.example")
    assert called.status == 200


async def test_a_browser_shows_answers_to_pages_that_may_call_and_to_no_others(start_mcp) -> None:
    gateway = await start_mcp(mcp={"origins": ["https://app.example"]})
    asked = {"access-control-request-method": "POST", "origin": "https://app.example"}
    async with gateway.caller() as caller:
        leave = await caller.call("OPTIONS", PATH, headers=asked)
        none = await caller.call("OPTIONS", PATH, headers=asked | {"origin": "https://evil.example"})
    assert (leave.status, leave.headers["access-control-allow-origin"]) == (204, "https://app.example")
    assert "authorization" in leave.headers["access-control-allow-headers"]
    assert (none.status, "access-control-allow-origin" in none.headers) == (403, False)
    called = await post(gateway, request("ping"), origin="https://app.example")
    assert called.headers["access-control-allow-origin"] == "https://app.example"
    assert "mcp-session-id" in called.headers["access-control-expose-headers"]


@pytest.mark.parametrize("method", ["GET", "DELETE", "PUT"])
async def test_only_messages_are_taken(gateway, method: str) -> None:
    async with gateway.caller() as caller:
        called = await caller.call(method, PATH, headers={"accept": "text/event-stream"})
    assert (called.status, called.headers["allow"]) == (405, "POST")


async def test_a_body_has_its_limit(start_mcp) -> None:
    gateway = await start_mcp(server={"max_body_mb": 0.01})
    called = await post(gateway, request("tools/call", name="plugin_kit_say", arguments={"text": "x" * 20_000}))
    assert (called.status, called.json["error"]["data"]["code"]) == (413, "request_too_large")


async def test_without_a_key_nobody_comes_in(gateway) -> None:
    called = await post(gateway, request("tools/list"), key="jf-wrong-key-0123456789")
    assert (called.status, called.headers["www-authenticate"]) == (401, 'Bearer realm="jackfield"')
    assert called.json["error"]["data"]["code"] == "invalid_api_key"


async def test_an_admin_key_calls_no_tools(gateway) -> None:
    called = await post(gateway, request("tools/list"), key=gateway.admin_key)
    assert (called.status, called.json["error"]["data"]["code"]) == (403, "forbidden")


async def test_progress_makes_the_answer_a_stream(gateway) -> None:
    message = request("tools/call", name="plugin_kit_climb", arguments={}, _meta={"progressToken": "p"})
    called = await post(gateway, message)
    assert called.headers["content-type"] == "text/event-stream"
    told = [json.loads(data) for _, data in called.events]
    assert [each["params"]["progress"] for each in told[:-1]] == [0, 0.25, 0.5, 0.75]
    assert {each["params"]["progressToken"] for each in told[:-1]} == {"p"}
    assert told[-1]["result"]["content"][0]["text"] == '"there"'
    plain = await post(gateway, message, accept="application/json")
    assert plain.json["result"]["content"][0]["text"] == '"there"'


async def test_the_user_that_an_app_names_reaches_the_tool(gateway) -> None:
    message = request("tools/call", name="plugin_kit_who", arguments={})
    called = await post(gateway, message, x_jackfield_user="alice")
    assert called.json["result"]["structuredContent"]["user"].endswith("/alice")
