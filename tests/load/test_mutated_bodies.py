"""Ten thousand bodies that are a little wrong: each gets an answer, none of them an internal error."""

from __future__ import annotations

import asyncio
import json
import random
from collections import Counter
from collections.abc import Awaitable, Callable

from jackfield.testing import Called
from jackfield.testing.gateway import RunningGateway

from .mutation import mutate_request

COUNT = 10_000
CALLERS = 16
SEED = 20_260
EXPECTED = {200, 400, 404}


def check_answer(path: str, body: bytes, called: Called) -> None:
    told = f"{path} {body[:3000]!r} -> {called.status} {called.body[:500]!r}"
    assert called.complete, told
    assert called.status in EXPECTED, told
    if called.status != 200:
        assert json.loads(called.body)["error"]["message"], told
    elif called.headers["content-type"].startswith("text/event-stream"):
        assert called.events[-1][1] == "[DONE]" or called.events[-1][0] == "message_stop", told
    else:
        assert isinstance(json.loads(called.body), dict), told


async def send_all(gateway: RunningGateway, requests: list[tuple[str, bytes]]) -> Counter[int]:
    seen: Counter[int] = Counter()
    async with gateway.caller(anthropic_version="2023-06-01") as caller:
        for path, body in requests:
            called = await caller.post(path, body)
            check_answer(path, body, called)
            seen[called.status] += 1
    return seen


async def test_every_mutated_body_gets_an_answer(
    start_gateway: Callable[..., Awaitable[RunningGateway]],
) -> None:
    random_ = random.Random(SEED)
    requests = [mutate_request(random_) for _ in range(COUNT)]
    gateway = await start_gateway()
    async with asyncio.timeout(60):
        counts = await asyncio.gather(*(send_all(gateway, requests[start::CALLERS]) for start in range(CALLERS)))

    total = sum(counts, Counter())
    assert total[200] > COUNT / 10
    assert total[400] > COUNT / 10
    metrics = await gateway.quiet()
    assert metrics["jackfield_requests_total"] == COUNT
    records = await gateway.records(COUNT, within=20)
    assert Counter(record["status"] for record in records) == total
