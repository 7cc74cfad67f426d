"""A wire format that a plugin adds: clients of it reach all upstreams, and upstreams of it serve all clients."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from tests.docs.blocks import ROOT, read_blocks

from jackfield.testing.caller import Called
from jackfield.testing.gateway import API_KEY, RunningGateway, run_gateway

pytestmark = pytest.mark.asyncio(loop_scope="module")

PAGE = ROOT / "docs" / "how-to" / "add-a-format.md"
CODE = next(block.text for block in read_blocks(PAGE) if block.title == "plugins/plain/plugin.py")
PERMITTED = f"{CODE}\n    permissions = ('formats:register',)\n"
BROKEN = (
    PERMITTED
    + """

def broken(*_):
    raise RuntimeError("oops-canary")


class Broken(PlainFormat):
    name = "broken"
    write_response = write_request = read_error = write_error = broken


class Unread(PlainFormat):
    name = "unread"
    read_request = broken


class Cut(PlainFormat):
    name = "cut"

    def write_events(self, model):
        return broken


Plain.wire_formats = tuple(
    FormatSpec(format=kind(), path=f"/v1/{kind.name}", upstream_path="/v1/plain") for kind in (Broken, Unread, Cut)
)
"""
)
ECHO = {"name": "echo", "provider": "echo", "models": {"echo": "echo"}, "max_retries": 0}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def far(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[RunningGateway]:
    """Its clients speak the format."""
    folder = tmp_path_factory.mktemp("far")
    async with run_gateway(folder, upstreams=[ECHO], plugins={"plain": PERMITTED}) as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def near(tmp_path_factory: pytest.TempPathFactory, far: RunningGateway) -> AsyncIterator[RunningGateway]:
    """Its upstream speaks the format."""
    upstream = {
        "name": "far",
        "provider": "openai",
        "format": "plain",
        "base_url": far.url,
        "api_key_env": "FAR_KEY",
        "models": {"far": "echo"},
        "max_retries": 0,
    }
    folder = tmp_path_factory.mktemp("near")
    plugins = {"plain": PERMITTED}
    async with run_gateway(folder, upstreams=[upstream], plugins=plugins, environ={"FAR_KEY": API_KEY}) as running:
        yield running


async def post(gateway: RunningGateway, path: str, body: Any) -> Called:
    async with gateway.caller() as caller:
        return await caller.post(path, body)


def plain(*turns: str, **more: Any) -> Any:
    return {"model": "echo", "turns": list(turns), **more}


CHATS: dict[str, Any] = {
    "/v1/chat/completions": {"messages": [{"role": "system", "content": "s"}, {"role": "user", "content": "Hi you"}]},
    "/v1/messages": {"max_tokens": 50, "system": "s", "messages": [{"role": "user", "content": "Hi you"}]},
    "/v1/responses": {"instructions": "s", "input": "Hi you"},
    "/v1/plain": {"turns": ["rule: s", "you: Hi you"]},
}


async def test_a_client_of_the_format_is_answered(far: RunningGateway) -> None:
    called = await post(far, "/v1/plain", plain("you: Hi", "me: Hello.", "you: So?"))
    assert called.status == 200, called.body
    assert (called.json["says"], called.json["why"]) == ("So?", "stop")


async def test_a_limit_and_its_reason_cross(far: RunningGateway) -> None:
    called = await post(far, "/v1/plain", plain('you: echo: {"text": "one two", "finish_reason": "length"}', limit=1))
    assert called.json["why"] == "cut"


@pytest.mark.parametrize("path", CHATS)
async def test_an_upstream_of_the_format_serves_all_clients(near: RunningGateway, path: str) -> None:
    called = await post(near, path, {"model": "far", **CHATS[path]})
    assert called.status == 200, called.body
    assert called.headers["x-jackfield-upstream"] == "far"
    assert b"Hi you" in called.body


@pytest.mark.parametrize("path", CHATS)
async def test_so_it_does_in_streams(near: RunningGateway, path: str) -> None:
    called = await post(near, path, {"model": "far", "stream": True, **CHATS[path]})
    assert called.status == 200, called.body
    assert b'"Hi "' in called.body
    assert b'"you"' in called.body
    assert called.complete


async def test_the_same_format_in_and_out_is_forwarded(near: RunningGateway) -> None:
    called = await post(near, "/v1/plain", {"model": "far", "turns": ["you: Hi"]})
    assert (called.json["says"], called.headers.get("x-jackfield-dropped")) == ("Hi", None)


async def test_what_has_no_place_is_named(near: RunningGateway) -> None:
    body = {"model": "far", "messages": [{"role": "user", "content": "Hi"}], "temperature": 0.5, "seed": 1, "x_new": 1}
    called = await post(near, "/v1/chat/completions", body)
    assert called.headers["x-jackfield-dropped"] == "temperature, x_new"


async def test_usage_is_on_record(near: RunningGateway) -> None:
    async with near.caller() as caller:
        for stream in (False, True):
            called = await caller.post("/v1/plain", {"model": "far", "turns": ["you: Hi you"], "stream": stream})
            request = called.headers["x-request-id"]
            records = await near.records(1)
            found = [record for record in records if record["id"] == request]
            assert found[0]["input_tokens"] > 0
            assert (found[0]["client_format"], found[0]["route"]) == ("plain", "POST /v1/plain")
            assert found[0]["finish_reason"] == "stop"


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"model": "echo"}, 400, "invalid_request_error"),
        ({"model": "echo", "turns": [7]}, 400, "invalid_request_error"),
        ({"model": "echo", "turns": ["nobody: x"]}, 400, "invalid_request_error"),
        ({"model": 5, "turns": ["you: x"]}, 400, "invalid_request_error"),
        ({"model": ["echo"], "turns": ["you: x"]}, 400, "invalid_request_error"),
        ({"model": "echo", "turns": ["you: x"], "limit": "7"}, 400, "invalid_request_error"),
        ({"model": "echo", "turns": ["you: x"], "stream": "yes"}, 400, "invalid_request_error"),
        ({"model": "none", "turns": ["you: x"]}, 404, "model_not_found"),
        (b"{", 400, "invalid_request_error"),
    ],
)
async def test_a_refusal_is_in_the_format(far: RunningGateway, body: Any, status: int, code: str) -> None:
    called = await post(far, "/v1/plain", body)
    assert (called.status, called.json["wrong"]) == (status, code)


@pytest.mark.parametrize("stream", [False, True])
async def test_an_upstreams_error_crosses(near: RunningGateway, stream: bool) -> None:
    told = 'echo: {"status": 429, "message": "too fast"}'
    body = {"model": "far", "messages": [{"role": "user", "content": told}], "stream": stream}
    called = await post(near, "/v1/chat/completions", body)
    assert (called.status, called.json["error"]["message"]) == (429, "too fast")
    same = await post(near, "/v1/plain", {"model": "far", "turns": [f"you: {told}"], "stream": stream})
    assert (same.status, same.json["because"]) == (429, "too fast")


async def test_a_stream_that_breaks_off_is_told_in_the_format(far: RunningGateway) -> None:
    told = 'echo: {"text": "one two three", "break_after": 1}'
    called = await post(far, "/v1/plain", plain(f"you: {told}", stream=True))
    name, data = called.events[-1]
    assert (name, json.loads(data)["wrong"]) == ("wrong", "upstream_broken")


async def test_other_methods_are_refused(far: RunningGateway) -> None:
    async with far.caller() as caller:
        assert (await caller.get("/v1/plain")).status == 404


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def broken(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[RunningGateway]:
    folder = tmp_path_factory.mktemp("broken")
    async with run_gateway(folder, upstreams=[ECHO], plugins={"plain": BROKEN}) as running:
        yield running


@pytest.mark.parametrize("path", ["/v1/broken", "/v1/unread"])
async def test_a_format_that_breaks_is_its_plugins_failure(broken: RunningGateway, path: str) -> None:
    called = await post(broken, path, plain("you: Hi"))
    assert called.status == 502, called.body
    assert b"oops-canary" not in called.body
    assert b"plain" in called.body
    assert (
        await post(broken, "/v1/chat/completions", {"model": "echo", **CHATS["/v1/chat/completions"]})
    ).status == 200


async def test_a_stream_that_its_format_breaks_ends(broken: RunningGateway) -> None:
    called = await post(broken, "/v1/cut", plain("you: Hi", stream=True))
    assert called.status == 200
    assert called.events[-1][0] == "wrong"
    assert b"oops-canary" not in called.body


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ("    permissions = ()", "lacks the permission 'formats:register'"),
        ("    permissions = ('formats:register',)\nPlainFormat.name = 'openai_chat'", "is the gateway's own"),
        ("    permissions = ('formats:register',)\n    wire_formats = (7,)", "int is no FormatSpec"),
    ],
)
async def test_a_format_that_cannot_be_keeps_its_plugin_out(tmp_path: Any, change: str, reason: str) -> None:
    async with run_gateway(tmp_path, upstreams=[ECHO], plugins={"plain": f"{CODE}\n{change}\n"}) as gateway:
        told = await gateway.plugin("plain")
        assert told["state"] == "failed"
        assert reason in told["reason"]
        assert (await post(gateway, "/v1/plain", plain("you: Hi"))).status == 404


async def test_two_plugins_cannot_have_one_format(tmp_path: Any) -> None:
    plugins = {"first": PERMITTED, "second": PERMITTED.replace("class Plain(", "class Other(")}
    async with run_gateway(tmp_path, upstreams=[ECHO], plugins=plugins) as gateway:
        states = sorted([(await gateway.plugin(name))["state"] for name in plugins])
        assert states == ["active", "failed"]


async def test_a_format_comes_and_goes_with_its_plugin(tmp_path: Any) -> None:
    async with run_gateway(tmp_path, upstreams=[ECHO], plugins={"plain": PERMITTED}) as gateway:
        for enabled, status in ((False, 404), (True, 200)):
            changed = await gateway.admin("/api/v1/plugins/toggle", "POST", {"name": "plain", "enabled": enabled})
            assert changed.status == 200, changed.body
            assert (await post(gateway, "/v1/plain", plain("you: Hi"))).status == status
