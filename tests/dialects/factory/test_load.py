"""Many requests and many subscribers; and a secret that must not get out."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from jackfield.dialects.factory.names.events import HookContext, HookEvent, HookRegistry
from jackfield.dialects.factory.observers import EventCounts, Observers
from jackfield.testing import Upstream
from jackfield.testing.setup import link

from .guide import system

CANARY = "canary-0123456789abcdef0123456789"
LOGS = """
class Logs(Hook):
    name, events, priority = "logs", list(HookEvent), 500

    async def __call__(self, context):
        seen.append(repr((context.data.get("headers"), context.data.get("response_headers"), context.data.get("url"))))
        logger.debug("told", data=context.data.get("headers"), url=context.data.get("url"))
"""


async def test_ten_thousand_requests_with_twenty_subscribers() -> None:
    total = EventCounts()
    told = [0] * 20
    lanes = [Observers(f"p{n}", _counting(told, n), total, lambda context: None, _now) for n in range(20)]
    for lane in lanes:
        lane.open()
    for number in range(10_000):
        context = HookContext(HookEvent.REQUEST_STARTED, _now(), {"request_id": str(number)})
        for lane in lanes:
            lane.post(context)
        if number % 500 == 0:
            await asyncio.sleep(0)
    for lane in lanes:
        await lane.settle(20.0)
    assert total.delivered + total.dropped == 10_000 * 20
    assert sum(told) == total.delivered
    for lane in lanes:
        await lane.close()
        lane.post(HookContext(HookEvent.REQUEST_STARTED, _now()))
    assert sum(told) == total.delivered


def _now() -> datetime:
    return datetime(2030, 1, 1, tzinfo=UTC)


def _counting(told: list[int], place: int) -> HookRegistry:
    registry = HookRegistry()

    class Counts:
        name, events, priority = f"counts{place}", (HookEvent.REQUEST_STARTED,), 500

        def __call__(self, context: HookContext) -> None:
            told[place] += 1

    registry.register(Counts())
    return registry


async def test_a_key_reaches_no_event_no_log_and_no_record(
    open_house: Any, upstream: Upstream, monkeypatch: Any, capfd: Any, tmp_path: Path
) -> None:
    monkeypatch.setenv("UPSTREAM_KEY", CANARY)
    house = await open_house(
        plugins={"logs": system("logs", fields="hooks=[HookSpec(Logs)]", before=LOGS)},
        upstreams=[link(upstream, api_key_env="UPSTREAM_KEY")],
        environ={"UPSTREAM_KEY": CANARY},
        logs={"level": "debug"},
    )
    async with house.gateway.caller() as caller:
        body = {"model": "scripted", "messages": [{"role": "user", "content": "hello"}]}
        path = f"/v1/chat/completions?api_key={CANARY}"
        assert (await caller.post(path, body, **{"x-api-key": CANARY, "cookie": f"a={CANARY}"})).status in (200, 401)
        assert (await caller.post(f"/v1/messages?k={CANARY}", {**body, "max_tokens": 5})).status == 200
    await house.settle()
    seen = house.module("logs").seen
    assert len(seen) > 8
    assert not [one for one in seen if CANARY in one or house.gateway.api_key in one]
    records = await house.gateway.records(1)
    assert CANARY not in repr(records) + repr(await house.gateway.metrics())
    told = "".join(capfd.readouterr())
    assert CANARY not in told
    assert upstream.requests[-1].header("authorization") == f"Bearer {CANARY}"
