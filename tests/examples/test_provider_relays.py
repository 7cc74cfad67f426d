"""The relays in three languages do the same: all that is asked of providers, with a scripted server behind them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml

from jackfield.testing import Answer, Caller, Upstream
from jackfield.testing.check.live import check_endpoint
from jackfield.testing.own_tests import find_tests
from toolchains import run_go, unformatted_go

from .folders import EXAMPLES
from .provider_processes import command_of, prepare, running

RELAYS = ("provider-flask", "provider-express", "provider-go")
ASKED = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "Hello!"}]}


class Relay(NamedTuple):
    url: str
    server: Upstream
    config: dict[str, Any]

    async def post(self, path: str, body: dict[str, Any]) -> Any:
        async with Caller(self.url) as caller:
            return await caller.post(path, body)


@pytest.fixture(params=RELAYS)
async def relay(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Relay]:
    folder = prepare(request.param, tmp_path)
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(Upstream())
        url = await stack.enter_async_context(running(folder, command_of(folder)))
        yield Relay(url, server, {"api_key": "sk-test-key", "endpoint": server.openai_url, "timeout": 1})


async def test_nothing_is_found_in_it(relay: Relay) -> None:
    relay.server.always(Answer.text("Hello!"))
    verdicts = await check_endpoint(relay.url, lambda kind: relay.config)
    assert [str(verdict) for verdict in verdicts if verdict.level != "ok"] == []
    assert any(verdict.step.endswith("with stream") for verdict in verdicts)
    asked = [received for received in relay.server.requests if received.method == "POST"]
    assert {received.header("authorization") for received in asked} == {"Bearer sk-test-key"}


async def test_a_server_that_does_not_answer_is_told_as_late_and_one_that_is_gone_as_gone(relay: Relay) -> None:
    await relay.post("/initialize", relay.config)
    relay.server.always(Answer.hang_before_head())
    late = await relay.post("/chat/completions", ASKED)
    assert (late.status, late.json["code"], late.json["transient"]) == (504, "timeout", True)
    await relay.server.refuse()
    gone = await relay.post("/chat/completions", ASKED)
    assert (gone.status, gone.json["code"], gone.json["transient"]) == (503, "provider_unavailable", True)
    async with Caller(relay.url) as caller:
        assert (await caller.get("/health")).json["healthy"] is False
    assert "sk-test-key" not in str(late.body + gone.body)


@pytest.mark.parametrize("name", RELAYS)
async def test_its_manifest_says_what_it_says_itself(name: str, tmp_path: Path) -> None:
    folder = prepare(name, tmp_path)
    manifest = yaml.safe_load((folder / "plugin.yaml").read_text(encoding="utf-8"))
    async with running(folder, command_of(folder)) as url, Caller(url) as caller:
        told = (await caller.get("/metadata")).json
    assert without_silence(told) == without_silence(manifest["metadata"])
    assert manifest["endpoint"].rpartition(":")[2] == manifest["args"][-1]


def without_silence(metadata: dict[str, Any]) -> dict[str, Any]:
    """Some leave out what is false anyway."""
    schema = [{key: value for key, value in field.items() if value is not False} for field in metadata["config_schema"]]
    return metadata | {"config_schema": schema}


def test_the_tests_in_node_pass(tmp_path: Path) -> None:
    tests = find_tests(prepare("provider-express", tmp_path))
    assert tests is not None
    assert tests.run(quiet=True) == 0


def test_the_tests_in_go_pass_and_the_code_is_as_go_wants_it(tmp_path: Path) -> None:
    folder = EXAMPLES / "provider-go"
    assert "ok" in run_go(folder, "test", "./...")
    assert run_go(folder, "vet", "./...") == ""
    assert unformatted_go(folder) == ""


@pytest.mark.parametrize("name", ["provider-express", "provider-go"])
async def test_when_whoever_asked_leaves_the_server_is_left(name: str, tmp_path: Path) -> None:
    folder = prepare(name, tmp_path)
    async with Upstream() as server, running(folder, command_of(folder)) as url, Caller(url) as caller:
        await caller.post("/initialize", {"api_key": "sk-1", "endpoint": server.openai_url})
        server.always(Answer.hang_before_head())
        asking = asyncio.ensure_future(caller.post("/chat/completions", ASKED))
        await server.received(1)
        asking.cancel()
        caller.leave()
        assert len(await server.disconnected(1)) == 1
