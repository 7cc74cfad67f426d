"""`/health`, `/ready` and `/metrics`, and what every path has in common."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from jackfield.testing import Answer, Upstream, until
from jackfield.testing.gateway import RunningGateway
from jackfield.testing.setup import link

StartGateway = Callable[..., Awaitable[RunningGateway]]

CHAT = {"model": "scripted", "messages": [{"role": "user", "content": "Hello"}]}


async def ready(gateway: RunningGateway) -> tuple[int, list[str], list[str]]:
    called = await gateway.admin("/ready")
    assert called.json["ready"] == (called.status == 200)
    return called.status, called.json["reasons"], called.json["notes"]


async def families(gateway: RunningGateway) -> dict[str, dict[tuple[str, ...], float]]:
    """Values by name and labels, without the model of a page that is not well formed."""
    page = (await gateway.admin("/metrics")).body.decode()
    found: dict[str, dict[tuple[str, ...], float]] = {}
    for family in text_string_to_metric_families(page):
        assert family.documentation
        assert family.type in ("counter", "gauge", "histogram")
        for sample in family.samples:
            found.setdefault(sample.name, {})[tuple(sorted(sample.labels.values()))] = sample.value
    return found


async def test_health_says_only_that_it_lives(start_gateway: StartGateway) -> None:
    gateway = await start_gateway()
    called = await gateway.admin("/health")
    assert called.status == 200
    assert set(called.json) == {"status", "version", "worker", "uptime_s"}


async def test_a_gateway_that_can_serve_is_ready(start_gateway: StartGateway) -> None:
    assert await ready(await start_gateway()) == (200, [], [])


async def test_it_is_not_ready_where_no_upstream_has_a_provider(start_gateway: StartGateway, tmp_path: Path) -> None:
    upstream = {"name": "away", "provider": "mine", "models": ["m"]}
    gateway = await start_gateway(upstreams=[upstream], plugins={"mine": "raise RuntimeError('no')"})
    assert await ready(gateway) == (503, ["no upstream has a provider that runs"], ["plugin mine is failed"])


async def test_it_is_not_ready_while_every_upstream_is_paused(start_gateway: StartGateway, upstream: Upstream) -> None:
    upstream.always(Answer.status(500))
    fast = {"max_retries": 0}
    gateway = await start_gateway(
        upstreams=[link(upstream, name="one", **fast), link(upstream, name="two", models=("other",), **fast)]
    )
    async with gateway.caller() as caller:
        for _ in range(5):
            await caller.post("/v1/chat/completions", CHAT)
        assert await ready(gateway) == (200, [], ["upstream one is paused after repeated failures"])
        for _ in range(5):
            await caller.post("/v1/chat/completions", CHAT | {"model": "other"})
    status, reasons, notes = await ready(gateway)
    assert (status, reasons, len(notes)) == (503, ["every upstream is paused after repeated failures"], 2)


async def test_a_plugin_in_trouble_is_noted(start_gateway: StartGateway) -> None:
    broken = """
        from jackfield.sdk import Plugin, hook

        class Broken(Plugin):
            @hook("pre_flight", on_failure="closed")
            async def check(self, exchange):
                raise RuntimeError("no")
    """
    gateway = await start_gateway(plugins={"broken": broken, "wrong": "1 +"})
    assert await ready(gateway) == (200, [], ["plugin wrong is failed"])
    async with gateway.caller() as caller:
        for _ in range(5):
            await caller.post("/v1/chat/completions", CHAT | {"model": "echo"})
    assert await ready(gateway) == (200, [], ["plugin broken is quarantined", "plugin wrong is failed"])


async def test_a_store_that_fails_is_noted_and_it_serves_on(
    start_gateway: StartGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    from jackfield.errors import Unavailable
    from jackfield.stores.database import Database

    async def fail(*_: object) -> None:
        raise Unavailable("the store at nowhere failed: disk I/O error")

    gateway = await start_gateway()
    with monkeypatch.context() as patch:
        patch.setattr(Database, "run_alone", fail)
        async with gateway.caller() as caller:
            assert (await caller.post("/v1/chat/completions", CHAT | {"model": "echo"})).status == 200
        status, _, notes = await until(lambda: ready(gateway), lambda found: bool(found[2]))
        assert (status, notes) == (200, ["the store is failing: 1 usage records wait"])
        assert (await families(gateway))["jackfield_records_waiting"] == {(): 1}
    await until(lambda: ready(gateway), lambda found: not found[2], within=10)
    assert (await gateway.record())["status"] == 200


async def test_metrics_count_what_was_asked(start_gateway: StartGateway, upstream: Upstream) -> None:
    gateway = await start_gateway(upstreams=[link(upstream, models={"nice": "gpt-4o-mini"}, max_retries=0)])
    async with gateway.caller() as caller:
        for _ in range(3):
            assert (await caller.post("/v1/chat/completions", CHAT | {"model": "nice"})).status == 200
        await caller.post("/v1/chat/completions", CHAT | {"model": "unknown"})
        await caller.post("/v1/chat/completions", b"nonsense")
    found = await families(gateway)
    served = ("200", "POST /v1/chat/completions", "gpt-4o-mini", "openai")
    refused = [("", "", "404", "POST /v1/chat/completions"), ("", "", "400", "POST /v1/chat/completions")]
    records = await gateway.records(5)
    spent = sum(record["cost_nanousd"] or 0 for record in records) / 1e9

    assert found["jackfield_requests_total"] == {served: 3, refused[0]: 1, refused[1]: 1}
    assert found["jackfield_request_seconds_count"][served] == 3
    assert found["jackfield_request_seconds_bucket"][tuple(sorted((*served, "+Inf")))] == 3
    for kind in ("input", "output"):
        count = sum(record[f"{kind}_tokens"] for record in records)
        assert count > 0
        assert found["jackfield_tokens_total"][tuple(sorted((*served, kind)))] == count
    assert found["jackfield_cost_usd_total"][served] == pytest.approx(spent)
    assert spent > 0
    assert found["jackfield_in_flight"] == {(): 0}


async def test_what_clients_send_makes_no_series(start_gateway: StartGateway) -> None:
    gateway = await start_gateway()
    async with gateway.caller() as caller:
        for number in range(50):
            await caller.post("/v1/chat/completions", CHAT | {"model": f"model-{number}", "user": f"user-{number}"})
            await caller.get(f"/v1/path-{number}")
            await caller.get("/v1/models", x_api_key=f"jf-{number}")
    found = await families(gateway)
    assert len(found["jackfield_requests_total"]) == 1
    assert sum(len(series) for name, series in found.items() if name.endswith("_count")) <= 2


async def test_names_that_an_operator_chose_are_escaped(start_gateway: StartGateway, upstream: Upstream) -> None:
    name = 'a "quoted" \\ name\nin two lines'
    gateway = await start_gateway(upstreams=[link(upstream, models={name: name})])
    upstream.models = (name,)
    async with gateway.caller() as caller:
        await caller.post("/v1/chat/completions", CHAT | {"model": name})
    assert any(name in labels for labels in (await families(gateway))["jackfield_requests_total"])


OWN = ["/health", "/ready", "/metrics", "/v1/models", "/v1/models/echo", "/api/v1/usage", "/api/docs"]


@pytest.mark.parametrize("path", OWN)
async def test_head_is_get_without_the_body(start_gateway: StartGateway, path: str) -> None:
    gateway = await start_gateway()
    head = gateway.caller(gateway.admin_key).write_head("HEAD", path, {})
    reader, writer = await asyncio.open_connection("127.0.0.1", int(gateway.url.rpartition(":")[2]))
    writer.write(head.replace(b"\r\n\r\n", b"\r\nconnection: close\r\n\r\n"))
    async with asyncio.timeout(5):
        answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert answer.endswith(b"\r\n\r\n")


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("POST", "/health", "GET, HEAD"),
        ("DELETE", "/metrics", "GET, HEAD"),
        ("PUT", "/ready", "GET, HEAD"),
        ("GET", "/v1/chat/completions", "POST"),
        ("DELETE", "/v1/messages", "POST"),
        ("POST", "/v1/models", "GET, HEAD"),
        ("POST", "/api/v1/usage", "GET"),
        ("PATCH", "/api/v1/traces", "GET"),
    ],
)
async def test_a_wrong_method_is_told_which_would_do(
    start_gateway: StartGateway, method: str, path: str, allowed: str
) -> None:
    gateway = await start_gateway()
    called = await gateway.admin(path, method)
    assert (called.status, called.headers["allow"]) == (405, allowed)
    assert called.json["error"]["message"] == f"{method} {path}: use {allowed.replace('GET, HEAD', 'GET')}"


@pytest.mark.parametrize("method", ["GET", "POST", "HEAD", "OPTIONS"])
@pytest.mark.parametrize(
    "path", ["/", "/nothing", "/v1", "/v1/nothing", "/api", "/api/nothing", "/v1/chat/completions/"]
)
async def test_an_unknown_path_is_not_found(start_gateway: StartGateway, method: str, path: str) -> None:
    gateway = await start_gateway()
    async with gateway.caller(gateway.admin_key) as caller:
        called = await caller.begin(method, path)
        assert called.status == 404
        assert called.headers["x-request-id"].startswith("req_")
        if method != "HEAD":
            await caller.finish(called)
            assert called.json["error"]["code"] == "not_found"
            assert called.json["error"]["message"] == f"There is nothing at {path}"


@pytest.mark.parametrize(
    ("path", "headers"), [("/v1/messages/nothing", {}), ("/v1/nothing", {"anthropic_version": "2023-06-01"})]
)
async def test_a_client_of_the_other_api_is_told_in_its_own_form(
    start_gateway: StartGateway, path: str, headers: dict[str, str]
) -> None:
    gateway = await start_gateway()
    async with gateway.caller() as caller:
        called = await caller.get(path, **headers)
    assert called.status == 404
    assert called.json["type"] == "error"
    assert called.json["error"]["type"] == "not_found_error"
    assert called.json["request_id"] == called.headers["x-request-id"]


async def test_nothing_private_is_told_without_a_key(start_gateway: StartGateway, upstream: Upstream) -> None:
    gateway = await start_gateway(
        upstreams=[link(upstream, headers={"x-team": "blue"})], environ={"JACKFIELD_SECRET": "a-secret-of-ours-01234"}
    )
    async with gateway.caller() as caller:
        await caller.post("/v1/chat/completions", CHAT)
        caller.drop_header("authorization")
        told = b"".join([(await caller.get(path)).body for path in ("/health", "/ready", "/metrics")])
    for secret in (gateway.api_key, gateway.admin_key, "blue", upstream.url, "a-secret", str(gateway.folder)):
        assert secret.encode() not in told
