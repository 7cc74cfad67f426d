"""A thousand streams at once, half of them left half way by their clients: nothing of them stays."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable

from jackfield.testing import Answer, Called, Caller, Reply, Upstream, until
from jackfield.testing.gateway import RunningGateway
from jackfield.testing.setup import link

COUNT = 1000
ASKED = {
    "model": "scripted",
    "messages": [{"role": "user", "content": "Hello"}],
    "stream": True,
    "stream_options": {"include_usage": True},
}
REPLY = Reply(text="one two three four five six seven eight nine ten")


async def begin(caller: Caller) -> Called:
    called = await caller.begin("POST", "/v1/chat/completions", body=ASKED)
    await caller.read(called, events=3)
    return called


def count_tasks() -> int:
    return len(asyncio.all_tasks())


async def test_a_thousand_streams_half_of_them_dropped(
    upstream: Upstream, start_gateway: Callable[..., Awaitable[RunningGateway]]
) -> None:
    gateway = await start_gateway(upstreams=[link(upstream, max_retries=0)])
    await gateway.metrics()
    tasks = count_tasks()
    release = asyncio.Event()
    upstream.always(Answer.held(release, events=4, reply=REPLY))
    callers = [
        Caller(gateway.url, headers={"authorization": f"Bearer {gateway.api_key}"}, within=30) for _ in range(COUNT)
    ]
    streams = await asyncio.gather(*(begin(caller) for caller in callers))
    assert Counter(called.status for called in streams) == {200: COUNT}

    for caller in callers[::2]:
        caller.leave()
    await upstream.disconnected(COUNT // 2, within=10)
    release.set()
    await asyncio.gather(*(c.finish(s) for c, s in zip(callers[1::2], streams[1::2], strict=True)))
    assert all(stream.events[-1] == (None, "[DONE]") for stream in streams[1::2])

    records = await gateway.records(COUNT, within=20)
    assert Counter(record["status"] for record in records) == {200: COUNT // 2, 499: COUNT // 2}
    assert len({record["id"] for record in records}) == COUNT
    finished = [record for record in records if record["status"] == 200]
    assert all(record["output_tokens"] == 10 for record in finished)
    for caller in callers:
        caller.leave()
    metrics = await gateway.quiet()
    assert metrics["jackfield_upstream_connections"] <= COUNT // 2
    assert metrics["jackfield_records_lost"] == 0

    async def probe() -> int:
        return count_tasks()

    await until(probe, lambda found: found <= tasks)
    assert upstream.open_connections == metrics["jackfield_upstream_connections"]
