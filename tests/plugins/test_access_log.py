"""`access_log`: one line for each request, whatever it was for, and one for each try of an upstream."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from jackfield.testing import Answer, Upstream, until
from jackfield.testing.gateway import RunningGateway
from jackfield.testing.setup import link

StartGateway = Callable[..., Awaitable[RunningGateway]]
ASKED = {"model": "scripted", "messages": [{"role": "user", "content": "Hello"}]}
COMBINED = re.compile(r'(\S+) - (\S+) \[(\d\d/\w{3}/\d{4}:\d\d:\d\d:\d\d \+0000)\] "(.*)" (\d{3}) (\d+) "-" "(.*)"')


def config(file: Path, **fields: Any) -> dict[str, Any]:
    return {"plugins.config.access_log": {"enabled": True, "every_s": 0.001, "file": file, **fields}}


def read_lines(file: Path) -> list[str]:
    return file.read_text().splitlines() if file.exists() else []


async def lines_of(file: Path, count: int) -> list[str]:
    found = await until(lambda: asyncio.to_thread(read_lines, file), lambda lines: len(lines) >= count)
    assert len(found) == count, found
    return found


async def told_in(file: Path, count: int) -> list[dict[str, Any]]:
    """Without the times."""
    told = [json.loads(line) for line in await lines_of(file, count)]
    for one in told:
        assert one.pop("ms") >= 0
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", one.pop("at"))
    return told


async def test_an_exchange_is_a_line_and_so_is_each_try_of_an_upstream(
    start_gateway: StartGateway, upstream: Upstream, tmp_path: Path
) -> None:
    file = tmp_path / "logs" / "access.log"
    upstream.script(Answer.status(503), Answer.text("Hello to you"))
    linked = link(upstream, max_retries=1)
    gateway = await start_gateway(upstreams=[linked], **config(file))
    async with gateway.caller() as caller:
        called = await caller.post("/v1/chat/completions?tell=me", ASKED)
    assert called.status == 200
    request = called.headers["x-request-id"]
    line, *tries = await told_in(file, 3)
    key = line.pop("credential")
    assert key.startswith("key_")
    assert line.pop("first_byte_ms") > 0
    assert line == {
        "kind": "client",
        "id": request,
        "client": "127.0.0.1",
        "method": "POST",
        "path": "/v1/chat/completions",
        "status": 200,
        "bytes": len(called.body),
        "provider": "openai",
        "upstream": "openai",
        "model": "scripted",
        "stream": False,
        "attempts": 2,
        "input_tokens": line["input_tokens"],
        "output_tokens": line["output_tokens"],
    }
    about = {"kind": "upstream", "id": request, "upstream": "openai", "model": "scripted"}
    assert tries == [{**about, "status": 503, "ok": False}, {**about, "status": 200, "ok": True}]
    assert file.stat().st_mode & 0o777 == 0o600


async def test_what_is_no_exchange_has_a_line_too_but_for_paths_left_out(
    start_gateway: StartGateway, tmp_path: Path
) -> None:
    file = tmp_path / "access.log"
    gateway = await start_gateway(**config(file, exclude=["/health", "/api/*"]))
    async with gateway.caller() as caller:
        for path in ("/health", "/api/v1/plugins", "/ready", "/v1/models", "/nothing"):
            await caller.get(path)
        await caller.post("/v1/chat/completions", b"{")
    told = {one["path"]: one for one in await told_in(file, 4)}
    statuses = {path: one["status"] for path, one in told.items()}
    assert statuses == {"/ready": 200, "/v1/models": 200, "/nothing": 404, "/v1/chat/completions": 400}
    refused = told["/v1/chat/completions"]
    assert (refused["error"], "model" in refused) == ("invalid_request_error", False)


async def test_a_stream_counts_all_it_sent(start_gateway: StartGateway, upstream: Upstream, tmp_path: Path) -> None:
    file = tmp_path / "access.log"
    gateway = await start_gateway(upstreams=[link(upstream)], **config(file))
    async with gateway.caller() as caller:
        called = await caller.post("/v1/chat/completions", ASKED | {"stream": True})
    told, _ = await told_in(file, 2)
    assert (told["stream"], told["bytes"]) == (True, len(called.body))


async def test_who_leaves_before_the_answer_has_a_line_and_so_has_the_try(
    start_gateway: StartGateway, upstream: Upstream, tmp_path: Path
) -> None:
    upstream.script(Answer.hang_before_head())
    gateway = await start_gateway(upstreams=[link(upstream)], **config(tmp_path / "access.log"))
    async with gateway.caller() as caller:
        body = json.dumps(ASKED).encode()
        head = caller.write_head("POST", "/v1/chat/completions", {"content-length": str(len(body))})
        await caller.write(head + body)
        await upstream.received()
    line, tried = await told_in(tmp_path / "access.log", 2)
    assert (line["status"], line["error"], line["attempts"]) == (499, "client_gone", 1)
    assert (tried["upstream"], tried["ok"], tried["status"]) == ("openai", False, None)


async def test_the_combined_format_is_one_line_whatever_was_asked_for(
    start_gateway: StartGateway, upstream: Upstream, tmp_path: Path
) -> None:
    file, tries = tmp_path / "access.log", tmp_path / "tries.log"
    upstreams = [link(upstream)]
    told = config(file, format="combined", upstream_file=tries, user_agents=True, client_header="x-forwarded-for")
    gateway = await start_gateway(upstreams=upstreams, **told)
    headers = {"user-agent": 'evil" 200 "', "x-forwarded-for": "10.0.0.1, 203.0.113.9"}
    async with gateway.caller(**headers) as caller:
        await caller.post("/v1/chat/completions", ASKED)
        await caller.get("/no%0a%22such")
    found = [COMBINED.fullmatch(line) for line in sorted(await lines_of(file, 2), key=lambda line: "GET" in line)]
    first, second = found
    assert first is not None
    assert (first[1], first[2][:4], first[4]) == ("203.0.113.9", "key_", "POST /v1/chat/completions HTTP/1.1")
    assert first[7] == r"evil\x22 200 \x22"
    assert second is not None
    assert (second[2], second[4], second[5]) == ("-", r"GET /no\x0a\x22such HTTP/1.1", "404")
    assert [one["upstream"] for one in await told_in(tries, 1)] == ["openai"]


async def test_lines_that_wait_are_written_before_the_end(tmp_path: Path, upstream: Upstream) -> None:
    from jackfield.testing.gateway import run_gateway

    file = tmp_path / "access.log"
    async with run_gateway(tmp_path, upstreams=[link(upstream)], **config(file, every_s=60)) as gateway:
        async with gateway.caller() as caller:
            await caller.post("/v1/chat/completions", ASKED)
        assert read_lines(file) == []
    assert len(read_lines(file)) == 2


async def test_a_file_that_cannot_be_written_keeps_the_plugin_out(start_gateway: StartGateway, tmp_path: Path) -> None:
    gateway = await start_gateway(**config(tmp_path))
    told = await gateway.plugin("access_log")
    assert (told["state"], "Is a directory" in told["reason"]) == ("failed", True)
