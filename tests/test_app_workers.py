"""Several worker processes are one gateway."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from jackfield.testing import Called, Caller, until
from jackfield.testing.gateway import RunningGateway
from jackfield.testing.processes import read_outputs

Spawn = Callable[..., Awaitable[RunningGateway]]

CHAT = {"model": "echo", "messages": [{"role": "user", "content": "Hello"}]}
WORKERS = 2


class Crew:
    """A gateway of several workers and one kept connection to each of them."""

    def __init__(self, gateway: RunningGateway, callers: dict[int, Caller]) -> None:
        self.gateway, self.callers = gateway, callers

    @property
    def process(self) -> asyncio.subprocess.Process:
        assert self.gateway.process is not None
        return self.gateway.process

    async def ask_each(self, times: int = 1, **headers: str) -> list[Called]:
        return [
            await caller.post("/v1/chat/completions", CHAT, **headers)
            for caller in self.callers.values()
            for _ in range(times)
        ]


@pytest.fixture
async def crew(spawn: Spawn) -> AsyncIterator[Crew]:
    gateway = await spawn("--workers", str(WORKERS))
    async with AsyncExitStack() as stack:
        yield Crew(gateway, await until(lambda: reach_each(gateway, stack), lambda found: len(found) == WORKERS))


async def reach_each(gateway: RunningGateway, stack: AsyncExitStack) -> dict[int, Caller]:
    """Connections by the worker that took them, of as many as find all workers with near certainty."""
    found: dict[int, Caller] = {}
    for _ in range(40):
        caller = await stack.enter_async_context(gateway.caller())
        found.setdefault(await worker_of(caller), caller)
        if len(found) == WORKERS:
            break
    return found


async def worker_of(caller: Caller) -> int:
    return int((await caller.get("/health")).json["worker"])


async def test_a_key_made_by_one_worker_is_known_to_all_within_half_a_second_and_so_is_its_end(crew: Crew) -> None:
    made = await crew.gateway.admin("/api/v1/credentials", "POST", {"name": "new"})
    assert made.status == 201
    new_key = {"authorization": f"Bearer {made.json['key']}"}

    async def statuses() -> set[int]:
        return {called.status for called in await crew.ask_each(**new_key)}

    await until(statuses, lambda found: found == {200}, within=0.5)
    assert (await crew.gateway.admin("/api/v1/credentials/new", "DELETE")).status == 200
    await until(statuses, lambda found: found == {401}, within=0.5)


async def test_usage_and_traces_and_metrics_are_those_of_all_workers(crew: Crew) -> None:
    asked = await crew.ask_each(times=5)
    ids = {called.headers["x-request-id"] for called in asked}
    records = await crew.gateway.records(len(asked))
    assert {record["id"] for record in records} == ids
    assert len({record["worker"] for record in records}) == WORKERS

    async def traced() -> set[str]:
        return {trace["id"] for trace in (await crew.gateway.admin("/api/v1/traces")).json["data"]}

    await until(traced, lambda found: found == ids)
    for caller in crew.callers.values():
        await until(lambda caller=caller: counted(caller), lambda count: count == len(asked))  # type: ignore[misc]


async def counted(caller: Caller) -> float:
    page = (await caller.get("/metrics")).body.decode()
    lines = [line for line in page.splitlines() if line.startswith("jackfield_requests_total{")]
    return sum(float(line.rpartition(" ")[2]) for line in lines)


async def test_a_worker_that_dies_is_replaced_while_the_others_serve_and_nothing_is_counted_less(crew: Crew) -> None:
    asked = await crew.ask_each(times=3)
    victim, *others = crew.callers
    survivor = crew.callers[others[0]]
    await until(lambda: counted(survivor), lambda count: count == len(asked))
    os.kill(victim, signal.SIGKILL)
    assert (await survivor.post("/v1/chat/completions", CHAT)).status == 200

    async with AsyncExitStack() as stack:
        now = await until(lambda: reach_each(crew.gateway, stack), lambda found: len(found) == WORKERS, within=10)
        assert victim not in now
        assert len(set(now) & set(crew.callers)) == WORKERS - 1
        called = [await caller.post("/v1/chat/completions", CHAT) for caller in now.values()]
        assert {each.status for each in called} == {200}
        for caller in now.values():
            await until(lambda caller=caller: counted(caller), lambda count: count == len(asked) + 1 + WORKERS)  # type: ignore[misc]
    assert "worker_ended" in read_outputs(crew.gateway.folder)[1]


async def test_workers_end_when_their_supervisor_is_killed(crew: Crew) -> None:
    crew.process.kill()
    await crew.process.wait()
    await until(lambda: living(crew.callers), lambda left: not left, within=10)


async def living(processes: Any) -> list[int]:
    return [number for number in processes if Path(f"/proc/{number}/cmdline").exists()]


async def test_connections_spread_over_the_workers(crew: Crew) -> None:
    async with AsyncExitStack() as stack:
        callers = [await stack.enter_async_context(crew.gateway.caller()) for _ in range(64)]
        found = await asyncio.gather(*map(worker_of, callers))
    # Each of 64 connections goes to either worker by chance: fewer than twelve to one of them is one run in a million.
    assert min(found.count(worker) for worker in crew.callers) >= 12
