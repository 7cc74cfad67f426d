"""Virtual time passes only where nothing else can happen."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from jackfield.testing import Caller, Upstream
from jackfield.testing.virtual_time import VirtualLoop


def run(work: Any) -> Any:
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(work)


def test_an_hour_takes_no_time() -> None:
    async def wait() -> float:
        loop = asyncio.get_running_loop()
        began = loop.time()
        await asyncio.sleep(3600)
        return loop.time() - began

    began = time.monotonic()
    assert abs(run(wait()) - 3600) < 0.001
    assert time.monotonic() - began < 60


def test_timers_go_off_in_their_order() -> None:
    order: list[float] = []

    async def note(seconds: float) -> None:
        await asyncio.sleep(seconds)
        order.append(seconds)

    async def all_of_them() -> None:
        await asyncio.gather(*map(note, (5, 0.1, 60, 1)))

    run(all_of_them())
    assert order == [0.1, 1, 5, 60]


def test_a_thread_at_work_is_waited_for() -> None:
    async def work() -> str:
        async with asyncio.timeout(30):
            return await asyncio.to_thread(lambda: time.sleep(0.05) or "done")

    assert run(work()) == "done"


def test_a_server_on_loopback_gets_its_turn() -> None:
    async def ask() -> int:
        async with Upstream() as upstream, Caller(upstream.openai_url.removesuffix("/v1")) as caller:
            body = {"model": "scripted", "messages": [{"role": "user", "content": "hello"}]}
            return (await caller.post("/v1/chat/completions", body)).status

    assert run(ask()) == 200
