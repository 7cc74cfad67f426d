"""A secret that a client sends as key, header, field of the body and query stands nowhere afterwards: not in logs of
any level and format, not in traces, metrics, records and errors, and not in what the built-in plugins write."""

from __future__ import annotations

import asyncio
import json
import signal
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from jackfield.testing import Answer, Caller, Upstream
from jackfield.testing.gateway import RunningGateway
from jackfield.testing.setup import link

from .canary import KNOWN, STRANGE, collect_spans, find, find_in_files, headers_of, send_everywhere, send_wrongly

StartGateway = Callable[..., Awaitable[RunningGateway]]

PLUGINS: dict[str, dict[str, Any]] = {
    "access_log": {"user_agents": False, "file": "access.log"},
    "request_tracer": {"upstream_requests": True, "folder": "request-traces"},
    "metrics": {"every_s": 1},
    "pricing": {},
    "analytics": {},
    "max_tokens": {"most": 1000, "default": "most"},
}
# What a gateway tells those who may ask.
TOLD = (
    "/health",
    "/ready",
    "/metrics",
    "/plugins/metrics/prometheus",
    "/plugins/analytics/usage",
    "/plugins/analytics/summary",
    "/plugins/analytics/percentiles/total_ms?group_by=user,error",
    "/plugins/pricing/lists",
    "/api/v1/usage?limit=1000",
    "/api/v1/traces",
    "/api/v1/plugins",
    "/api/v1/audit",
    "/api/v1/tasks",
)
# Changes what is logged and how while the gateway runs.
LEVELS = """
    from jackfield.sdk import Plugin, route
    from jackfield.settings import LogSettings
    from jackfield.telemetry.logs import configure_logs

    class Levels(Plugin):
        @route("/{level}/{form}", methods=["PUT"])
        async def choose(self, level: str, form: str) -> bool:
            configure_logs(LogSettings(level=level, format=form))
            return True
"""
LOGS = [(level, form) for form in ("json", "console") for level in ("debug", "info", "warning", "error")]
KEYS = [(KNOWN, KNOWN), (KNOWN, STRANGE), (STRANGE, STRANGE)]


@pytest.fixture
def settings(upstream: Upstream) -> dict[str, Any]:
    enabled = {f"plugins.config.{name}": {"enabled": True, **config} for name, config in PLUGINS.items()}
    upstreams = [
        link(upstream, api_key_env="UPSTREAM_KEY", max_retries=0),
        link(upstream, "anthropic", name="other", models=("other",), api_key_env="UPSTREAM_KEY", max_retries=0),
    ]
    environ = {"JACKFIELD_API_KEY": KNOWN, "UPSTREAM_KEY": KNOWN}
    return {"upstreams": upstreams, "environ": environ, "plugins": {"levels": LEVELS}, **enabled}


async def cause_trouble(caller: Caller, upstream: Upstream, model: str) -> None:
    """Upstreams that repeat what they were sent in what they refuse, or in what should be an answer."""
    body = {"model": model, "messages": [{"role": "user", "content": KNOWN}], "max_tokens": 10}
    for fields in ({}, {"stream": True}):
        for status in (400, 401, 429, 500):
            upstream.script(Answer.status(status, message=f"{KNOWN} is wrong, so is Bearer {KNOWN}"))
        named = {"message": f"user={KNOWN} is wrong: there/{KNOWN}", "code": KNOWN, "type": KNOWN, "param": KNOWN}
        upstream.script(*(Answer.body(json.dumps({"error": named}).encode(), status=status) for status in (400, 500)))
        upstream.script(Answer.error_in_body(f"{KNOWN} is wrong"), Answer.html())
        for _ in range(8):
            called = await caller.post("/v1/chat/completions", body | fields, authorization=f"Bearer {KNOWN}")
            assert called.status == 200 or find(called.body) == []


async def leave_early(gateway: RunningGateway, upstream: Upstream) -> None:
    upstream.script(Answer.hang_before_head())
    async with Caller(gateway.url, headers=headers_of(KNOWN, STRANGE)) as caller:
        body = b'{"model": "scripted", "messages": [{"role": "user", "content": "%s"}]}' % STRANGE.encode()
        head = caller.write_head("POST", "/v1/chat/completions", {"content-length": str(len(body))})
        await caller.write(head + body)
        await upstream.received(len(upstream.requests) + 1)


async def send_all(gateway: RunningGateway, upstream: Upstream, level: str, form: str) -> None:
    """What is wrong with a body is logged nowhere: once is enough."""
    assert (await gateway.admin(f"/plugins/levels/{level}/{form}", "PUT")).status == 200
    async with Caller(gateway.url) as caller:
        for key, secret in KEYS:
            sent = await send_everywhere(caller, key, secret)
            if (level, form) == LOGS[0]:
                sent += await send_wrongly(caller, key, secret)
            assert [found for called in sent if called.status >= 400 and (found := find(called.body))] == []
        await cause_trouble(caller, upstream, "scripted" if form == "json" else "other")
    await leave_early(gateway, upstream)


async def test_it_stands_nowhere(spawn: StartGateway, upstream: Upstream, settings: dict[str, Any]) -> None:
    async with collect_spans() as (collector, spans):
        telemetry = {"otlp_endpoint": collector}
        gateway = await spawn(**settings, telemetry=telemetry)
        for name in PLUGINS:
            assert (await gateway.plugin(name))["state"] == "active", name
        for level, form in LOGS:
            await send_all(gateway, upstream, level, form)
        for path in TOLD:
            called = await gateway.admin(path)
            assert (called.status, find(called.body)) == (200, []), path
        assert gateway.process is not None
        gateway.process.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(gateway.process.wait(), 20) == 0
    assert spans, "nothing was exported"
    assert find(bytes(spans)) == []
    assert find_in_files(gateway.folder) == {}
    written = {file.name for file in gateway.folder.rglob("*")}
    assert {"access.log", "request-traces", "jackfield.db", "errors.log"} <= written
