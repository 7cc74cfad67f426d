"""`metrics`: what plugins, upstreams and apps do, as Prometheus reads it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from threading import current_thread, main_thread
from typing import Any

import pytest
import pytest_asyncio
from prometheus_client.parser import text_string_to_metric_families

from jackfield.plugins.metrics.sheet import FAMILIES, Sheet
from jackfield.testing import Answer, Called, Upstream, until
from jackfield.testing.gateway import RunningGateway, run_gateway
from jackfield.testing.setup import link

pytestmark = pytest.mark.asyncio(loop_scope="module")
REFUSES = """
    from jackfield.sdk import Plugin, Reject, hook

    class Fussy(Plugin):
        @hook("pre_flight", on_failure="open")
        async def refuse(self, exchange):
            if "no" in exchange.request.text():
                return Reject(403, "rude", "Be nice.")
"""
PATH = "/plugins/metrics/prometheus"
READER = "key_environment_inference"
Numbers = dict[tuple[str, ...], float]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def upstream() -> AsyncIterator[Upstream]:
    async with Upstream() as upstream:
        yield upstream


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def gateway(upstream: Upstream, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[RunningGateway]:
    config: dict[str, Any] = {"plugins.config.metrics": {"enabled": True, "readers": [READER]}}
    folder = tmp_path_factory.mktemp("metrics")
    upstreams = [link(upstream, max_retries=1)]
    async with run_gateway(folder, upstreams=upstreams, plugins={"fussy": REFUSES}, **config) as gateway:
        yield gateway


async def ask(gateway: RunningGateway, text: str = "yes", **fields: Any) -> Called:
    async with gateway.caller() as caller:
        body = {"model": "scripted", "messages": [{"role": "user", "content": text}], **fields}
        return await caller.post("/v1/chat/completions", body)


async def read(gateway: RunningGateway, name: str) -> Numbers:
    """A metric's values by the values of its labels."""
    async with gateway.caller() as caller:
        called = await caller.get(PATH)
    assert called.status == 200, called.body
    families = text_string_to_metric_families(called.body.decode())
    samples = [sample for family in families for sample in family.samples if sample.name == name]
    order = FAMILIES[name.rpartition("_")[0]].labels
    return {tuple(sample.labels[label] for label in order): sample.value for sample in samples}


async def adds(gateway: RunningGateway, name: str, before: Numbers, expected: Numbers, *, of: str = "") -> None:
    """Waits until this was added since `before`, of a plugin where that is said: exchanges are counted after their last
    byte."""

    async def added() -> Numbers:
        after = await read(gateway, name)
        changed = {labels: value - before.get(labels, 0) for labels, value in after.items()}
        return {labels: value for labels, value in changed.items() if value and (not of or labels[0] == of)}

    assert await until(added, lambda found: found == expected) == expected


async def test_tries_of_upstreams_are_counted_with_how_they_ended(gateway: RunningGateway, upstream: Upstream) -> None:
    upstream.script(Answer.status(503), Answer.text("Hi"))
    tries = await read(gateway, "jackfield_upstream_attempts_total")
    retries = await read(gateway, "jackfield_upstream_retries_total")
    timed = await read(gateway, "jackfield_upstream_seconds_count")
    await ask(gateway)
    one = ("openai", "scripted")
    await adds(gateway, "jackfield_upstream_attempts_total", tries, {(*one, "503"): 1, (*one, "200"): 1})
    await adds(gateway, "jackfield_upstream_retries_total", retries, {one: 1})
    await adds(gateway, "jackfield_upstream_seconds_count", timed, {one: 2})


async def test_hooks_are_counted_by_plugin_and_outcome(gateway: RunningGateway) -> None:
    calls = await read(gateway, "jackfield_hook_calls_total")
    decided = await read(gateway, "jackfield_plugin_answers_total")
    errors = await read(gateway, "jackfield_errors_total")
    await ask(gateway)
    await ask(gateway, "no")
    point = ("fussy", "refuse", "pre_flight")
    await adds(gateway, "jackfield_hook_calls_total", calls, {(*point, "passed"): 1, (*point, "reject"): 1}, of="fussy")
    await adds(gateway, "jackfield_plugin_answers_total", decided, {("fussy", "403"): 1})
    await adds(gateway, "jackfield_errors_total", errors, {("POST /v1/chat/completions", "rude", ""): 1})


async def test_tokens_have_kinds_and_streams_a_pace(gateway: RunningGateway) -> None:
    tokens = await read(gateway, "jackfield_tokens_by_kind_total")
    pace = await read(gateway, "jackfield_output_token_seconds_count")
    ends = await read(gateway, "jackfield_finish_reasons_total")
    await ask(gateway, stream=True, stream_options={"include_usage": True})
    one = ("openai", "scripted")
    await adds(gateway, "jackfield_output_token_seconds_count", pace, {one: 1})
    await adds(gateway, "jackfield_finish_reasons_total", ends, {(*one, "stop"): 1})
    after = await read(gateway, "jackfield_tokens_by_kind_total")
    assert {labels[2] for labels, count in after.items() if count > tokens.get(labels, 0)} >= {"input", "output"}


async def test_apps_are_counted(gateway: RunningGateway) -> None:
    made = await gateway.admin("/api/v1/credentials", "POST", {"name": "shop", "app": "shop", "role": "inference"})
    async with gateway.caller(made.json["key"]) as caller:
        await caller.post("/v1/chat/completions", {"model": "scripted", "messages": [{"role": "user", "content": "a"}]})
        refused = await caller.get(PATH)
    await until(lambda: read(gateway, "jackfield_app_requests_total"), lambda found: found.get(("shop", "200")) == 1)
    assert (refused.status, "not among the plugin's readers" in refused.body.decode()) == (403, True)


async def test_it_may_be_asked_often(gateway: RunningGateway) -> None:
    """Of several workers each had a share of a plugin's hundred operations a minute, and each answer takes some."""
    assert {(await gateway.admin(PATH)).status for _ in range(60)} == {200}


async def test_it_is_written_beside_the_requests(gateway: RunningGateway, monkeypatch: pytest.MonkeyPatch) -> None:
    threads, render = [], Sheet.render

    def note(sheet: Sheet) -> bytes:
        threads.append(current_thread())
        return render(sheet)

    monkeypatch.setattr(Sheet, "render", note)
    assert (await gateway.admin(PATH)).status == 200
    assert main_thread() not in threads
    assert len(threads) == 1


async def test_what_a_client_made_up_is_no_label(gateway: RunningGateway) -> None:
    await ask(gateway, model="never-heard-of-it")
    async with gateway.caller() as caller:
        await caller.post("/v1/chat/completions?never-heard-of-it=1", b"never-heard-of-it")
        called = await caller.get(PATH)
    assert b"never-heard" not in called.body


async def test_admin_keys_may_read_and_nobody_may_without_a_key(gateway: RunningGateway) -> None:
    assert (await gateway.admin(PATH)).status == 200
    async with gateway.caller("jf-none-of-ours-0123456789") as caller:
        assert (await caller.get(PATH)).status == 401


async def test_numbers_survive_a_restart(tmp_path: Path) -> None:
    config: dict[str, Any] = {"plugins.config.metrics": {"enabled": True, "readers": [READER]}}
    for _ in range(2):
        async with run_gateway(tmp_path, **config) as gateway:
            await ask(gateway, model="echo")
    async with run_gateway(tmp_path, **config) as gateway:
        assert list((await read(gateway, "jackfield_upstream_attempts_total")).values()) == [2]
