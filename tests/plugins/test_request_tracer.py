"""`request_tracer`: requests and answers on disk, without what must not be there."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from jackfield.testing import Answer, Upstream, until
from jackfield.testing.gateway import RunningGateway, run_gateway
from jackfield.testing.setup import link

StartGateway = Callable[..., Awaitable[RunningGateway]]


def ask(text: str = "Hello", **fields: Any) -> dict[str, Any]:
    return {"model": "scripted", "messages": [{"role": "user", "content": text}], **fields}


def config(folder: Path, **fields: Any) -> dict[str, Any]:
    return {"plugins.config.request_tracer": {"enabled": True, "folder": folder, **fields}}


def read_traces(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(file.read_text()) for file in sorted(folder.glob("2*.json"))]


async def traces_in(folder: Path, count: int) -> list[dict[str, Any]]:
    found = await until(lambda: asyncio.to_thread(read_traces, folder), lambda traces: len(traces) >= count)
    assert len(found) == count
    return found


async def test_an_exchange_is_a_file_with_what_was_asked_and_what_was_answered(
    start_gateway: StartGateway, upstream: Upstream, tmp_path: Path
) -> None:
    folder = tmp_path / "traces"
    upstream.script(Answer.text("Hello to you"))
    gateway = await start_gateway(upstreams=[link(upstream)], **config(folder, upstream_requests=True))
    async with gateway.caller(**{"x-something": "private"}) as caller:
        called = await caller.post("/v1/chat/completions?tell=me", ask())
    (trace,) = await traces_in(folder, 1)
    assert trace["id"] == called.headers["x-request-id"]
    assert (trace["route"], trace["upstream"], trace["error"]) == ("POST /v1/chat/completions", "openai", None)
    assert trace["called_by"].startswith("key_")
    request, response = trace["request"], trace["response"]
    assert (request["path"], request["body"]) == ("/v1/chat/completions", ask())
    assert set(request["headers"]) <= {"accept", "content-type", "content-length"}
    assert response["status"] == 200
    assert response["body"]["choices"][0]["message"]["parts"][0]["text"] == "Hello to you"
    (sent,) = trace["upstream_requests"]
    assert (sent["url"], sent["body"]["messages"]) == (f"{upstream.openai_url}/chat/completions", ask()["messages"])
    (file,) = folder.iterdir()
    assert (file.stat().st_mode & 0o777, folder.stat().st_mode & 0o777) == (0o600, 0o700)


async def test_a_stream_is_written_whole_and_a_refused_request_too(
    start_gateway: StartGateway, upstream: Upstream, tmp_path: Path
) -> None:
    upstream.script(Answer.text("Hello to you"))
    gateway = await start_gateway(upstreams=[link(upstream)], **config(tmp_path / "traces"))
    async with gateway.caller() as caller:
        await caller.post("/v1/chat/completions", ask(stream=True))
    async with gateway.caller("jf-no-such-key-0123456789") as caller:
        await caller.post("/v1/chat/completions", ask("Let me in with jf-no-such-key-0123456789"))
    streamed, refused = sorted(await traces_in(tmp_path / "traces", 2), key=lambda trace: trace["response"]["status"])
    assert streamed["response"]["body"]["choices"][0]["message"]["parts"][0]["text"] == "Hello to you"
    assert (refused["response"]["status"], refused["error"]["code"]) == (401, "invalid_api_key")
    assert refused["request"]["body"]["messages"][0]["content"] == "Let me in with ***"


async def test_what_was_presented_or_sounds_secret_is_taken_out_wherever_it_stands(
    start_gateway: StartGateway, upstream: Upstream, tmp_path: Path
) -> None:
    arguments = json.dumps({"password": "open sesame", "note": "it is plain-credential"})
    call = {"id": "c", "type": "function", "function": {"name": "login", "arguments": arguments}}
    body = ask("my key is plain-credential, and sk-abcdefghijklmnop another", metadata={"client_secret": "very hidden"})
    body["messages"] = [*body["messages"], {"role": "assistant", "tool_calls": [call]}]
    gateway = await start_gateway(upstreams=[link(upstream)], **config(tmp_path / "traces", upstream_requests=True))
    async with gateway.caller(**{"x-goog-api-key": "plain-credential"}) as caller:
        await caller.post("/v1/chat/completions", body)
    await traces_in(tmp_path / "traces", 1)
    (text,) = [file.read_text() for file in (tmp_path / "traces").iterdir()]
    for secret in ("plain-credential", "open sesame", "abcdefgh", "very hidden", gateway.api_key):
        assert secret not in text
    assert "login" in text


async def test_only_what_the_operator_wants_is_written(
    start_gateway: StartGateway, upstream: Upstream, tmp_path: Path
) -> None:
    wanted = {"paths": ["/v1/chat/*"], "models": ["*"], "exclude_models": ["private-*"]}
    gateway = await start_gateway(
        upstreams=[link(upstream, models=("scripted", "private-one"))], **config(tmp_path / "traces", **wanted)
    )
    async with gateway.caller() as caller:
        await caller.post("/v1/chat/completions", ask() | {"model": "private-one"})
        await caller.post("/v1/messages", ask(max_tokens=5))
        await caller.post("/v1/chat/completions", ask())
    (trace,) = await traces_in(tmp_path / "traces", 1)
    assert trace["request"]["body"]["model"] == "scripted"


async def test_nothing_is_written_of_a_sample_of_none(upstream: Upstream, tmp_path: Path) -> None:
    told = config(tmp_path / "traces", sample=0)
    async with run_gateway(tmp_path, upstreams=[link(upstream)], **told) as gateway, gateway.caller() as caller:
        await caller.post("/v1/chat/completions", ask())
    assert list((tmp_path / "traces").iterdir()) == []


async def test_what_waits_is_written_before_the_end(upstream: Upstream, tmp_path: Path) -> None:
    told = config(tmp_path / "traces")
    async with run_gateway(tmp_path, upstreams=[link(upstream)], **told) as gateway, gateway.caller() as caller:
        for _ in range(5):
            await caller.post("/v1/chat/completions", ask())
    assert len(read_traces(tmp_path / "traces")) == 5


async def test_long_texts_are_cut_and_long_bodies_left_out(
    start_gateway: StartGateway, upstream: Upstream, tmp_path: Path
) -> None:
    told = config(tmp_path / "traces", max_text_chars=100, max_body_bytes=2000)
    gateway = await start_gateway(upstreams=[link(upstream)], **told)
    upstream.always(Answer.text("short"))
    async with gateway.caller() as caller:
        await caller.post("/v1/chat/completions", ask("a" * 150))
        await caller.post("/v1/chat/completions", ask("b" * 3000))
        await caller.post("/v1/chat/completions", b"no JSON")
    bodies = [trace["request"]["body"] for trace in await traces_in(tmp_path / "traces", 3)]
    texts = sorted(body["left_out"] if "left_out" in body else body["messages"][0]["content"] for body in bodies)
    assert (texts[0], texts[1]) == ("7 bytes that are no JSON", "a" * 100 + "… (50 more)")
    assert texts[2].startswith("has 3")


async def test_who_sends_more_secrets_than_can_be_looked_for_keeps_nobody_busy(
    start_gateway: StartGateway, upstream: Upstream, tmp_path: Path
) -> None:
    gateway = await start_gateway(upstreams=[link(upstream)], **config(tmp_path / "traces", upstream_requests=True))
    secrets = [f"secret-{number}" for number in range(300)]
    async with gateway.caller() as caller:
        await caller.post("/v1/chat/completions?" + "&".join(secrets), ask(" ".join(secrets)))
    (trace,) = await traces_in(tmp_path / "traces", 1)
    bodies = [trace["request"]["body"], trace["response"]["body"], trace["upstream_requests"][0]["body"]]
    assert all("values that may be secrets" in body["left_out"] for body in bodies)
    assert "secret-1" not in json.dumps(trace)


async def test_a_folder_that_cannot_be_made_keeps_the_plugin_out(start_gateway: StartGateway, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    gateway = await start_gateway(**config(tmp_path / "file" / "traces"))
    assert (await gateway.plugin("request_tracer"))["state"] == "failed"
