"""Many requests and many subscribers; and a secret that must not get out."""

from __future__ import annotations

import asyncio
from functools import partial
from pathlib import Path
from typing import Any

from jackfield.testing import Upstream, until
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


COUNTS = """
class Counts(Hook):
    events = [HookEvent.REQUEST_COMPLETED]

    def __init__(self, name):
        self.name, self.ids, self.told = name, set(), 0
        seen.append(self)

    async def __call__(self, context):
        self.told += 1
        self.ids.add(context.data["request_id"])
"""
REQUESTS, CALLERS, PLUGINS, HOOKS = 10_000, 40, 4, 5
BODY = b'{"model":"echo","messages":[{"role":"user","content":"hello"}]}'


async def ask(gateway: Any, times: int) -> int:
    """Through the gateway's own application, without a socket; how many were served."""
    headers = [(b"authorization", b"Bearer " + gateway.api_key.encode()), (b"content-type", b"application/json")]
    path = "/v1/chat/completions"
    scope = {"type": "http", "http_version": "1.1", "method": "POST", "scheme": "http", "path": path}
    scope |= {"raw_path": path.encode(), "query_string": b"", "headers": headers, "client": ("127.0.0.1", 1)}
    served = 0

    async def send(message: Any) -> None:
        nonlocal served
        served += message.get("status") == 200

    for _ in range(times):
        receive = [{"type": "http.request", "body": BODY, "more_body": False}]
        await gateway.app(dict(scope), partial(_next, receive), send)
    return served


async def _next(messages: list[Any]) -> Any:
    return messages.pop() if messages else await asyncio.get_running_loop().create_future()


async def test_ten_thousand_requests_with_twenty_subscribers(open_house: Any) -> None:
    specs = ", ".join(f'HookSpec(Counts, {{"name": "hook {n}"}})' for n in range(HOOKS))
    plugins = {f"p{n}": system(f"p{n}", fields=f"hooks=[{specs}]", before=COUNTS) for n in range(PLUGINS)}
    house = await open_house(plugins=plugins, logs={"level": "warning"})
    hooks = [hook for name in plugins for hook in house.module(name).seen]
    assert sum(await asyncio.gather(*(ask(house.gateway, REQUESTS // CALLERS) for _ in range(CALLERS)))) == REQUESTS
    counts = house.world.counts

    async def count() -> int:
        """What has become of the events; the last follow the last answer."""
        return int(counts.delivered + counts.dropped * HOOKS)

    await until(count, lambda found: found == REQUESTS * len(hooks), within=30.0)
    assert (counts.failed, sum(hook.told for hook in hooks)) == (0, counts.delivered)
    assert [len(hook.ids) for hook in hooks] == [hook.told for hook in hooks]
    for name in plugins:
        await house.gateway.admin("/api/v1/plugins/toggle", "POST", {"name": name, "enabled": False})
    assert await ask(house.gateway, 20) == 20
    assert sum(hook.told for hook in hooks) == counts.delivered
    assert await count() == REQUESTS * len(hooks)


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
