"""What the gateway does about a mistake of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from structlog.testing import capture_logs

from jackfield.testing import Answer, Reply, Upstream
from jackfield.testing.gateway import RunningGateway
from jackfield.testing.setup import link

StartGateway = Callable[..., Awaitable[RunningGateway]]

CHAT = {"model": "scripted", "max_tokens": 9, "messages": [{"role": "user", "content": "Hello"}]}
PATHS = {"openai": "/v1/chat/completions", "anthropic": "/v1/messages"}


def break_down(*_: Any, **__: Any) -> Any:
    raise RuntimeError("the innermost secret")


def faults(logs: list[Any]) -> list[str]:
    return [entry["request"] for entry in logs if entry["event"] == "internal_error"]


@pytest.mark.parametrize("api", PATHS)
@pytest.mark.parametrize(
    "place", ["jackfield.pipeline.run.select", "jackfield.pipeline.run.call", "jackfield.pipeline.run.check_model"]
)
async def test_a_fault_is_told_as_such_and_logged_and_on_record(
    start_gateway: StartGateway, upstream: Upstream, monkeypatch: pytest.MonkeyPatch, place: str, api: str
) -> None:
    gateway = await start_gateway(upstreams=[link(upstream)])
    with monkeypatch.context() as patch, capture_logs() as logs:
        patch.setattr(place, break_down)
        async with gateway.caller() as caller:
            called = await caller.post(PATHS[api], CHAT)
    request_id = called.headers["x-request-id"]
    assert called.status == 500
    assert b"secret" not in called.body
    assert called.json["error"]["type"] == ("server_error" if api == "openai" else "api_error")
    assert faults(logs) == [request_id]
    record = await gateway.record()
    assert (record["id"], record["status"], record["error"]) == (request_id, 500, "internal_error")
    async with gateway.caller() as caller:
        assert (await caller.post(PATHS[api], CHAT)).status == 200


async def test_a_fault_in_a_stream_cuts_it(
    start_gateway: StartGateway, upstream: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    release = asyncio.Event()
    upstream.script(Answer.held(release, events=2, reply=Reply(text="one two three")))
    gateway = await start_gateway(upstreams=[link(upstream)])
    with monkeypatch.context() as patch, capture_logs() as logs:
        async with gateway.caller() as caller:
            called = await caller.begin("POST", PATHS["openai"], body=CHAT | {"stream": True})
            await caller.read(called, events=1)
            patch.setattr("jackfield.pipeline.stream.split_whole", break_down)
            release.set()
            with pytest.raises(ConnectionError):
                await caller.finish(called)
    assert b"secret" not in called.body
    assert faults(logs) == [called.headers["x-request-id"]]
    record = await gateway.record()
    assert (record["status"], record["error"]) == (500, "internal_error")
    await gateway.quiet()


async def test_a_provider_that_cancels_itself_is_a_fault_and_not_the_end_of_the_gateway(
    start_gateway: StartGateway,
) -> None:
    provider = """
        import asyncio
        from jackfield.sdk import *

        class Mine(Plugin):
            async def complete(self, request, upstream):
                raise asyncio.CancelledError

            def stream(self, request, upstream): ...
            async def embed(self, request, upstream): ...
    """
    gateway = await start_gateway(
        upstreams=[{"name": "mine", "provider": "mine", "models": ["scripted"]}], plugins={"mine": provider}
    )
    async with gateway.caller() as caller:
        called = await caller.post(PATHS["openai"], CHAT)
    assert called.status in (500, 502)
    assert (await gateway.record())["status"] == called.status


async def test_a_fault_outside_the_exchanges_is_told_too(
    start_gateway: StartGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    gateway = await start_gateway()
    with monkeypatch.context() as patch, capture_logs() as logs:
        patch.setattr("jackfield.server.inference.ListedModel", break_down)
        patch.setattr("jackfield.server.operations.render", break_down)
        async with gateway.caller() as caller:
            called = [await caller.get(path) for path in ("/v1/models", "/metrics")]
    assert [each.status for each in called] == [500, 500]
    assert [each.json["error"]["code"] for each in called] == ["internal_error"] * 2
    assert faults(logs) == [each.headers["x-request-id"] for each in called]
