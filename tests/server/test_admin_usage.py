"""Usage and traces through the admin API."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from jackfield.testing import Answer, Upstream, until
from jackfield.testing.gateway import RunningGateway
from jackfield.testing.setup import link

from .admin import refused

StartGateway = Callable[..., Awaitable[RunningGateway]]

CHAT = {"messages": [{"role": "user", "content": "Hello"}]}
BLOCKER = """
    from jackfield.sdk import Plugin, Reject, hook

    class Blocker(Plugin):
        @hook("pre_flight", on_failure="closed")
        async def check(self, exchange):
            if exchange.request.user == "mallory":
                return Reject(403, "no", "No.")
"""


@pytest.fixture
async def used(start_gateway: StartGateway, upstream: Upstream) -> RunningGateway:
    """Nine requests: of two models, by two keys, streamed and not, answered and refused and failed."""
    upstream.models = ("small", "large")
    gateway = await start_gateway(
        upstreams=[
            link(upstream, name="one", models={"small": "gpt-4o-mini"}, max_retries=0),
            link(upstream, "anthropic", name="two", models=("large",), max_retries=0),
        ],
        plugins={"blocker": BLOCKER},
    )
    upstream.models = ("gpt-4o-mini", "large")
    made = await gateway.admin("/api/v1/credentials", "POST", {"name": "app key", "app": "shop"})
    async with gateway.caller() as caller, gateway.caller(made.json["key"]) as shop:
        for _ in range(3):
            await caller.post("/v1/chat/completions", CHAT | {"model": "small"})
        await caller.finish(
            await caller.begin("POST", "/v1/chat/completions", body=CHAT | {"model": "small", "stream": True})
        )
        for _ in range(2):
            await shop.post("/v1/messages", CHAT | {"model": "large", "max_tokens": 9})
        await shop.post("/v1/embeddings", {"model": "small", "input": "x"})
        await shop.post("/v1/chat/completions", CHAT | {"model": "small", "user": "mallory"})
        upstream.script(Answer.status(500))
        await caller.post("/v1/chat/completions", CHAT | {"model": "small"})
    return gateway


async def count(gateway: RunningGateway, query: str) -> int:
    found = (await gateway.admin(f"/api/v1/usage?{query}")).json
    assert found["totals"]["requests"] == len(found["records"])
    return len(found["records"])


FILTERS = {
    "": 9,
    "model=small": 7,
    "model=large": 2,
    "model=nothing": 0,
    "provider=anthropic": 2,
    "upstream=one": 5,
    "operation=embeddings": 1,
    "operation=chat": 8,
    "stream=true": 1,
    "stream=false": 8,
    "status=2xx": 7,
    "status=4xx": 1,
    "status=5xx": 1,
    "plugin=blocker": 1,
    "app=shop": 4,
    "app=shop&status=2xx&model=large": 2,
    "namespace=default": 9,
    "user=nobody": 0,
    "from=2000-01-01": 9,
    "from=2999-01-01T00:00:00Z": 0,
    "to=2000-01-01T00:00:00%2B01:00": 0,
    "from=0&to=99999999999": 9,
}


async def test_each_filter_leaves_what_it_says(used: RunningGateway) -> None:
    assert {query: await count(used, query) for query in FILTERS} == FILTERS


async def test_keys_filter_by_id(used: RunningGateway) -> None:
    listed = (await used.admin("/api/v1/credentials")).json["data"]
    (shop,) = [each["id"] for each in listed if each["app"] == "shop"]
    assert await count(used, f"key={shop}") == 4


SUMS: dict[str, dict[Any, int]] = {
    "model": {("small",): 7, ("large",): 2},
    "app": {(None,): 5, ("shop",): 4},
    "status": {(200,): 7, (403,): 1, (500,): 1},
    "stream": {(False,): 8, (True,): 1},
    "operation,model": {("chat", "small"): 6, ("chat", "large"): 2, ("embeddings", "small"): 1},
    "plugin": {(None,): 8, ("blocker",): 1},
}


async def test_sums_by_what_is_named(used: RunningGateway) -> None:
    for names, expected in SUMS.items():
        found = (await used.admin(f"/api/v1/usage?group_by={names}")).json
        keys = names.split(",")
        assert {tuple(group[key] for key in keys): group["requests"] for group in found["groups"]} == expected
        assert not found["truncated"]
        for name in ("requests", "errors", "input_tokens", "output_tokens", "cost_nanousd", "unpriced"):
            assert sum(group[name] for group in found["groups"]) == found["totals"][name]


async def test_sums_by_time(used: RunningGateway) -> None:
    (day,) = (await used.admin("/api/v1/usage?group_by=day")).json["groups"]
    assert day["day"] % 86400 == 0
    assert day["requests"] == 9


async def test_pages_follow_one_another_without_a_gap(used: RunningGateway) -> None:
    whole = [record["id"] for record in (await used.admin("/api/v1/usage")).json["records"]]
    pages, cursor = [], ""
    while cursor is not None:
        page = (await used.admin(f"/api/v1/usage?limit=4{cursor and '&cursor=' + cursor}")).json
        pages.append([record["id"] for record in page["records"]])
        assert page["totals"]["requests"] == 9
        cursor = page["next"]
    assert [len(page) for page in pages] == [4, 4, 1]
    assert [record for page in pages for record in page] == whole


WRONG = {
    "modle=small": ("modle", "model"),
    "status=200": ("status", "2xx"),
    "stream=yes": ("stream", "true, false"),
    "from=yesterday": ("from", "ISO 8601"),
    "to=2026-13-01": ("to", "ISO 8601"),
    "limit=0": ("limit", "1 to 1000"),
    "limit=1001": ("limit", "1 to 1000"),
    "limit=-1": ("limit", "1 to 1000"),
    "limit=1e3": ("limit", "1 to 1000"),
    "cursor=nonsense": ("cursor", "earlier answer"),
    "group_by=modle": ("group_by", "model"),
    "group_by=model,secret": ("group_by", "secret"),
    "model=a&model=b": ("model", "twice"),
}


async def test_a_wrong_parameter_is_named(start_gateway: StartGateway) -> None:
    gateway = await start_gateway()
    for query, (param, told) in WRONG.items():
        message = refused(await gateway.admin(f"/api/v1/usage?{query}"), 400, "invalid_request_error", param)
        assert param in message
        assert told in message


async def traces(gateway: RunningGateway, query: str = "") -> list[dict[str, Any]]:
    return list((await gateway.admin(f"/api/v1/traces{query}")).json["data"])


async def test_traces_tell_each_exchange_phase_by_phase(used: RunningGateway) -> None:
    found = await until(lambda: traces(used), lambda data: len(data) == 9)
    records = [record["id"] for record in (await used.admin("/api/v1/usage")).json["records"]]
    assert [trace["id"] for trace in found] == records
    failed, blocked, *_, answered = found
    names = [phase["phase"] for phase in answered["phases"]]
    assert [name for name in names if name in ("auth", "pre_flight", "attempt", "response")] == [
        *("auth", "pre_flight", "attempt", "response")
    ]
    starts = [phase["at_ms"] for phase in answered["phases"]]
    assert starts == sorted(starts)
    assert all(phase["ms"] >= 0 for phase in answered["phases"])
    assert [(hook["plugin"], hook["hook"], hook["outcome"]) for hook in answered["hooks"]] == [
        ("blocker", "check", "passed")
    ]
    assert [(attempt["upstream"], attempt["status"]) for attempt in answered["attempts"]] == [("one", 200)]
    assert (blocked["plugin"], blocked["status"], blocked["hooks"][0]["outcome"]) == ("blocker", 403, "reject")
    assert blocked["attempts"] == []
    assert [(each["status"], bool(each["error"])) for each in failed["attempts"]] == [(500, True)]


async def test_the_last_hundred_traces_are_kept(start_gateway: StartGateway) -> None:
    gateway = await start_gateway()
    ids = []
    async with gateway.caller() as caller:
        for _ in range(130):
            called = await caller.post("/v1/chat/completions", CHAT | {"model": "echo"})
            ids.append(called.headers["x-request-id"])
    found = await until(lambda: traces(gateway), lambda data: bool(data) and data[0]["id"] == ids[-1])
    assert [trace["id"] for trace in found] == ids[:-101:-1]
    assert [trace["id"] for trace in await traces(gateway, "?limit=3")] == ids[:-4:-1]


async def test_a_wrong_number_of_traces_is_refused(start_gateway: StartGateway) -> None:
    gateway = await start_gateway()
    for limit in ("0", "101", "x", ""):
        called = await gateway.admin(f"/api/v1/traces?limit={limit}")
        assert "limit" in refused(called, 422, "unprocessable", "limit")
