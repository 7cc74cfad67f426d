from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any

import pytest
import pytest_asyncio

from jackfield.testing import Answer, Upstream, until
from jackfield.testing.caller import Called
from jackfield.testing.gateway import RunningGateway, run_gateway

from .worlds import PLUGIN, kit, links, run_tools


@dataclass(frozen=True)
class World:
    """A gateway with a plugin that has tools, and an upstream of each kind; what was there before the test is not
    seen."""

    gateway: RunningGateway
    openai: Upstream
    anthropic: Upstream
    began: float = field(default_factory=time.time)

    @property
    def kit(self) -> Any:
        return kit(self.gateway)

    def upstream(self, kind: str) -> Upstream:
        return self.openai if kind == "openai" else self.anthropic

    async def post(self, path: str, body: Any, **headers: str) -> Called:
        async with self.gateway.caller(**headers) as caller:
            return await caller.post(path, body)

    async def ask(self, path: str, body: Any, tools: str = "auto", **headers: str) -> Called:
        return await self.post(path, body, **{"x-jackfield-tools": tools, **headers})

    async def records(self, count: int) -> list[dict[str, Any]]:
        """Oldest first, once there are as many."""
        found = await until(self._records, lambda records: len(records) >= count, within=10)
        assert len(found) == count
        return found

    async def record(self) -> dict[str, Any]:
        (found,) = await self.records(1)
        return found

    async def _records(self) -> list[dict[str, Any]]:
        return [one for one in reversed(await self.gateway.records(0)) if one["at"] >= self.began]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    async with AsyncExitStack() as stack:
        openai, anthropic = [await stack.enter_async_context(Upstream()) for _ in range(2)]
        folder = tmp_path_factory.mktemp("gateway")
        gateway = run_gateway(folder, upstreams=links(openai, anthropic), plugins={"kit": PLUGIN})
        yield World(await stack.enter_async_context(gateway), openai, anthropic)


@pytest_asyncio.fixture(loop_scope="module")
async def world(running: World) -> AsyncIterator[World]:
    run_tools(running.gateway)
    seen = running.kit
    for marks in (seen.SEEN, seen.BODIES, seen.RUNNING, seen.CANCELLED):
        marks.clear()
    seen.WAITED = asyncio.Event()
    for upstream in (running.openai, running.anthropic):
        upstream.requests.clear()
        upstream._script.clear()
        upstream.always(Answer.reply())
    await running.gateway.quiet()
    yield World(running.gateway, running.openai, running.anthropic)
