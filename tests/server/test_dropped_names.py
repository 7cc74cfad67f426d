"""The header that names what was left out, when names are strange."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from jackfield.testing import Answer, Upstream
from jackfield.testing.gateway import RunningGateway, run_gateway
from jackfield.testing.setup import link

pytestmark = pytest.mark.asyncio(loop_scope="module")

STRANGE = {
    "x\r\nset-cookie: a": 1,
    "\u4f60\u597d": 1,
    "caf\u00e9, au lait": 1,
    "\ud83d\ude00": 1,
    "y" * 200: 1,
    "plain": 1,
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def upstream() -> AsyncIterator[Upstream]:
    async with Upstream() as upstream:
        yield upstream


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def gateway(tmp_path_factory: pytest.TempPathFactory, upstream: Upstream) -> AsyncIterator[RunningGateway]:
    folder = tmp_path_factory.mktemp("dropped")
    async with run_gateway(folder, upstreams=[link(upstream, "anthropic", models={"m": "m"})]) as running:
        yield running


async def names(gateway: RunningGateway, **fields: Any) -> list[str]:
    async with gateway.caller() as caller:
        body = {"model": "m", "messages": [{"role": "user", "content": "Hi"}], **fields}
        called = await caller.post("/v1/chat/completions", body)
    assert called.status == 200, called.body
    assert "set-cookie" not in called.headers
    return called.headers["x-jackfield-dropped"].split(", ")


def check(told: list[str]) -> None:
    assert {"plain", "x??set-cookie:?a", "??", "caf???au?lait", "?", "y" * 100} <= set(told)


@pytest.mark.parametrize("stream", [False, True])
async def test_a_clients_names_are_told_as_a_header_can_hold_them(gateway: RunningGateway, stream: bool) -> None:
    check(await names(gateway, stream=stream, **STRANGE))


async def test_so_are_an_upstreams(gateway: RunningGateway, upstream: Upstream) -> None:
    answer = {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "m",
        "content": [{"type": "text", "text": "ok"}],
        "stop_reason": "end_turn",
        "usage": {"input_tokens": 1, "output_tokens": 1},
        **STRANGE,
    }
    upstream.script(Answer.body(json.dumps(answer).encode()))
    check(await names(gateway))


async def test_of_very_many_names_some_are_told(gateway: RunningGateway) -> None:
    told = await names(gateway, **{f"x_{number:03}": 1 for number in range(100)})
    assert len(told) == 41
    assert told[-1].startswith("and ")
