"""The gateway as operators run it: a process of its own, several workers, ended by signals."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from jackfield.testing import Answer, Reply, Upstream, processes, until
from jackfield.testing.gateway import RunningGateway
from jackfield.testing.processes import read_outputs
from jackfield.testing.setup import link

from .apis import Api

StartGateway = Callable[..., Awaitable[RunningGateway]]

REPLY = Reply(text="one two three four five six")


@pytest.fixture
def start_process() -> Any:
    return processes.start_process


async def end(gateway: RunningGateway, number: int, *, within: float = 10) -> int:
    assert gateway.process is not None
    gateway.process.send_signal(number)
    async with asyncio.timeout(within):
        return await gateway.process.wait()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_lets_streams_finish_and_loses_no_record(
    spawn: StartGateway, start_gateway: StartGateway, upstream: Upstream, api: Api, number: int
) -> None:
    links = [link(upstream, api.name)]  # type: ignore[arg-type]
    gateway = await spawn(upstreams=links)
    release = asyncio.Event()
    upstream.script(Answer.held(release, events=5, reply=REPLY))
    async with gateway.caller(**api.headers) as caller:
        called = await caller.begin("POST", api.path, body=api.body(stream=True))
        await caller.read(called, events=3)
        ending = asyncio.ensure_future(end(gateway, number))
        await asyncio.sleep(0)
        release.set()
        await caller.finish(called)
        code = await ending

    assert code == 0
    assert api.streamed_text(called) == REPLY.text
    later = await start_gateway(store={"data_dir": gateway.folder / "data"})
    record = await later.record()
    assert (record["id"], record["status"]) == (called.headers["x-request-id"], 200)
    assert record["finish_reason"] == "stop"


async def test_streams_that_do_not_end_are_cut_when_the_time_to_drain_is_over(
    spawn: StartGateway, start_gateway: StartGateway, upstream: Upstream
) -> None:
    gateway = await spawn(upstreams=[link(upstream)], server={"drain_s": 1})
    upstream.script(Answer.hang_after(5, REPLY))
    async with gateway.caller() as caller:
        body = Api("openai").body(stream=True)
        called = await caller.begin("POST", "/v1/chat/completions", body=body)
        await caller.read(called, events=3)
        code = await end(gateway, signal.SIGTERM)

    assert code == 0
    assert "Traceback" not in "".join(read_outputs(gateway.folder))
    await upstream.disconnected(1)
    later = await start_gateway(store={"data_dir": gateway.folder / "data"})
    assert (await later.record())["id"] == called.headers["x-request-id"]


async def test_workers_share_the_port_the_keys_and_the_ledger(spawn: StartGateway, upstream: Upstream) -> None:
    gateway = await spawn(upstreams=[link(upstream)], server={"workers": 2})
    made = await gateway.admin("/api/v1/credentials", "POST", {"name": "second"})
    assert made.status == 201, made.body

    async def ask(key: str) -> int:
        async with gateway.caller(key) as caller:
            return (await caller.post("/v1/chat/completions", Api("openai").body())).status

    async def all_know(key: str) -> set[int]:
        return set(await asyncio.gather(*(ask(key) for _ in range(8))))

    await until(lambda: all_know(made.json["key"]), lambda seen: seen == {200})

    async def served_by() -> set[str]:
        assert set(await asyncio.gather(*(ask(gateway.api_key) for _ in range(20)))) == {200}
        return {record["worker"] for record in await gateway.records(20)}

    await until(served_by, lambda workers: len(workers) == 2)
    records = await gateway.records(len(upstream.requests))
    await until(gateway.metrics, lambda found: found["jackfield_requests_total"] >= len(records))
    assert await end(gateway, signal.SIGTERM) == 0


async def test_a_killed_process_starts_again_with_what_was_durable(
    spawn: StartGateway, start_gateway: StartGateway
) -> None:
    gateway = await spawn()
    async with gateway.caller() as caller:
        called = await caller.post("/v1/chat/completions", Api("openai").body(model="echo"))
    await gateway.records(1)
    await end(gateway, signal.SIGKILL)
    later: Any = await start_gateway(store={"data_dir": gateway.folder / "data"})

    assert (await later.record())["id"] == called.headers["x-request-id"]
