"""`analytics`: what was asked of the gateway, told to those whose business it is."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlencode

import pytest
import pytest_asyncio
from fastapi import Request

from jackfield.errors import Forbidden, RateLimited
from jackfield.plugins.analytics.plugin import Analytics
from jackfield.sdk.caller import Caller, acting_for
from jackfield.testing import Called, FakeHost, until
from jackfield.testing.gateway import RunningGateway, run_gateway

pytestmark = pytest.mark.asyncio(loop_scope="module")

ON = {"plugins.config.analytics": {"enabled": True}}
BELOW = "/plugins/analytics"
# By key: an app's two keys, and one without an app.
ASKED = {"front": ["echo", "echo", "nobody"], "back": ["echo"], "alone": ["echo", "echo"]}
APPS = {"front": "shop", "back": "shop", "alone": None}


class Office:
    """A gateway that was asked by several."""

    def __init__(self, gateway: RunningGateway, keys: dict[str, dict[str, Any]]) -> None:
        self.gateway, self.keys = gateway, keys

    async def get(self, who: str, path: str, /, **asked: Any) -> Called:
        text = self.gateway.admin_key if who == "admin" else self.keys[who]["key"]
        async with self.gateway.caller(text) as caller:
            return await caller.get(f"{BELOW}{path}?{urlencode(asked)}")

    async def told(self, who: str, path: str, /, **asked: Any) -> Any:
        called = await self.get(who, path, **asked)
        assert called.status == 200, called.body
        return called.json


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def office(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Office]:
    async with run_gateway(tmp_path_factory.mktemp("office"), **ON) as gateway:
        keys: dict[str, dict[str, Any]] = {}
        for name, app in APPS.items():
            body = {"name": name, "role": "inference"} | ({"app": app} if app else {})
            made = await gateway.admin("/api/v1/credentials", "POST", body)
            assert made.status == 201, made.body
            keys[name] = made.json
        for name, models in ASKED.items():
            async with gateway.caller(keys[name]["key"]) as caller:
                for model in models:
                    body = {"model": model, "messages": [{"role": "user", "content": "two words"}]}
                    await caller.post("/v1/chat/completions", body)
        yield Office(gateway, keys)


@pytest.mark.parametrize(
    ("key", "requests", "errors"), [("admin", 6, 1), ("front", 4, 1), ("back", 4, 1), ("alone", 2, 0)]
)
async def test_an_admin_sees_all_and_an_app_its_own(office: Office, key: str, requests: int, errors: int) -> None:
    for path, asked in (("/usage", {}), ("/usage", {"group_by": "model"}), ("/summary", {"hours": 1})):
        totals = (await office.told(key, path, **asked))["totals"]
        assert (totals["requests"], totals["errors"], totals["cost_usd"]) == (requests, errors, 0)
    spread = await office.told(key, "/percentiles/total_ms")
    assert [row["records"] for row in spread["groups"]] == [requests]


async def test_records_come_page_by_page(office: Office) -> None:
    first = await office.told("front", "/usage", limit=3)
    rest = await office.told("front", "/usage", limit=3, cursor=first["next"])
    assert (len(first["records"]), len(rest["records"]), rest["next"]) == (3, 1, None)
    assert {record["app"] for record in first["records"] + rest["records"]} == {"shop"}
    assert all("worker" not in record for record in first["records"])
    assert "worker" in (await office.told("admin", "/usage"))["records"][0]


async def test_what_is_anothers_is_refused_by_name(office: Office) -> None:
    other = office.keys["alone"]["id"]
    for asked in ({"app": "bank"}, {"namespace": "default"}, {"group_by": "model,worker"}):
        called = await office.get("front", "/usage", **asked)
        assert (called.status, called.json["error"]["plugin"]) == (403, "analytics"), asked
    assert (await office.get("alone", "/percentiles/total_ms", key=office.keys["front"]["id"])).status == 403
    # Of its own app's records those of a stranger's key are none.
    assert (await office.told("front", "/usage", key=other))["records"] == []
    assert len((await office.told("front", "/usage", key=office.keys["back"]["id"], app="shop"))["records"]) == 1
    assert len((await office.told("admin", "/usage", app="shop", group_by="worker"))["groups"]) == 1


async def test_a_summary_tells_what_took_most(office: Office) -> None:
    told = await office.told("admin", "/summary", hours=2)
    assert sum(row["requests"] for row in told["course"]) == 6
    assert [(row["model"], row["requests"]) for row in told["by_model"]] == [("echo", 5), ("nobody", 1)]
    assert {row["key"] for row in told["by_key"]} == {key["id"] for key in office.keys.values()}
    assert [row["error"] for row in told["by_error"]] == [None, "model_not_found"]
    assert told["by_upstream"][0]["output_tokens"] > 0
    assert 0 < told["total_ms"]["p50"] <= told["total_ms"]["p95"] <= told["total_ms"]["p99"]
    assert told["first_byte_ms"]["records"] >= 5
    assert told["to"] - told["from"] == pytest.approx(7200)


async def test_a_summary_of_many_days_is_told_day_by_day(office: Office) -> None:
    assert set((await office.told("alone", "/summary", hours=24 * 30))["course"][0]) >= {"day", "requests", "cost_usd"}


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("/usage?modle=x", "the nearest is 'model'"),
        ("/usage?from=yesterday", "ISO 8601"),
        ("/usage?app=shop&app=bank", "app: is given twice"),
        ("/percentiles/speed", "cannot measure 'speed'"),
        ("/percentiles/total_ms?group_by=nothing", "cannot group by"),
    ],
)
async def test_a_wrong_question_says_what_is_wrong(office: Office, path: str, told: str) -> None:
    called = await office.gateway.admin(BELOW + path)
    assert (called.status, called.json["error"]["code"]) == (400, "invalid_request_error")
    assert told in called.json["error"]["message"]


@pytest.mark.parametrize("hours", ["0", "-1", "9000", "nan", "inf", "x"])
async def test_hours_that_are_none_are_refused(office: Office, hours: str) -> None:
    assert (await office.gateway.admin(f"{BELOW}/summary?hours={hours}")).status == 422


async def test_without_a_key_nothing_is_told(office: Office) -> None:
    async with office.gateway.caller("jf-wrong") as caller:
        assert (await caller.get(f"{BELOW}/usage")).status == 401


async def test_operators_may_keep_it_to_admins() -> None:
    async with FakeHost(Analytics, config={"for_apps": False}) as host:
        plugin: Any = host.plugin
        for caller in (Caller(credential="key", app="shop"), None):
            with acting_for(caller), pytest.raises(Forbidden, match="only an admin's key may ask"):
                await plugin.summary()
        with acting_for(Caller(credential="key", admin=True)):
            assert (await plugin.summary())["totals"]["requests"] == 0


async def test_one_who_asks_too_much_is_told_when_to_ask_again() -> None:
    async with FakeHost(Analytics) as host:
        plugin: Any = host.plugin
        request = Request({"type": "http", "query_string": b""})
        with acting_for(Caller(credential="key", admin=True)):
            for _ in range(100):
                await plugin.percentiles("total_ms", request)
            with pytest.raises(RateLimited) as limited:
                await plugin.percentiles("total_ms", request)
        assert limited.value.retry_after_s == 60


async def test_no_more_than_two_questions_are_before_the_store_at_once() -> None:
    asked, most, go_on = 0, 0, asyncio.Event()

    async def query(given: object) -> dict[str, Any]:
        nonlocal asked, most
        asked += 1
        most = max(most, asked)
        await go_on.wait()
        asked -= 1
        return {"totals": {}, "records": []}

    async with FakeHost(Analytics) as host:
        plugin: Any = host.plugin
        plugin.services = SimpleNamespace(usage=SimpleNamespace(query=query))
        request = Request({"type": "http", "query_string": b""})
        with acting_for(Caller(credential="key", admin=True)):
            asking = [asyncio.create_task(plugin.usage(request)) for _ in range(5)]
        await until(lambda: asyncio.sleep(0, asked), lambda now: now == 2)
        go_on.set()
        assert len(await asyncio.gather(*asking)) == 5
    assert most == 2


async def test_nobody_waits_for_ever_for_their_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jackfield.plugins.analytics.plugin.PATIENCE_S", 0)
    async with FakeHost(Analytics) as host:
        plugin: Any = host.plugin
        plugin._turns = asyncio.Semaphore(0)
        with acting_for(Caller(credential="key", admin=True)), pytest.raises(RateLimited, match="others are asking"):
            await plugin.summary()
