"""`pricing`: where its prices come from, and that the last good ones stay whatever happens to their source."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from jackfield.errors import UpstreamBroken
from jackfield.host.loader import PluginBroke
from jackfield.plugins.pricing.plugin import CLAIM_S, Pricing
from jackfield.sdk import HttpResponse, Usage
from jackfield.testing import FakeHost, HandClock, until
from jackfield.testing.gateway import RunningGateway
from jackfield.testing.granting import HttpRequest
from jackfield.testing.host import Meddling
from jackfield.testing.setup import write_toml

StartGateway = Callable[..., Awaitable[RunningGateway]]
URL = "https://prices.example/models.json?token=canary"
DAY_S = 86_400


def listed(rate: float, *models: str) -> dict[str, Any]:
    return {name: {"input_cost_per_token": rate / 1e6} for name in models or ("m",)}


def dollars(plugin: Any, model: str = "m") -> float | None:
    cost = plugin.book.cost(None, model, Usage(input=1_000_000))
    return None if cost is None else float(cost)


class Address:
    """What the address answers next."""

    def __init__(self, answer: Any) -> None:
        self.answer = answer

    def __call__(self, asked: HttpRequest) -> Any:
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


class Listening(Meddling):
    """Gives the plugin a clock that only the test moves, and notes what it reports."""

    def __init__(self, clock: HandClock) -> None:
        self.clock = clock

    def plugin(self, plugin: Any) -> None:
        plugin.told = []
        plugin.wall = self.clock.wall
        plugin.report = lambda ok, detail: plugin.told.append((ok, detail))


def host_at(address: Address, **config: Any) -> FakeHost:
    clock = HandClock()
    return FakeHost(Pricing, config={"url": URL, **config}, http=address, clock=clock, meddling=Listening(clock))


async def settled(host: FakeHost) -> Any:
    """Once its first look is over; from then on it looks only when it is told to."""
    plugin: Any = host.plugin
    await until(lambda: asyncio.sleep(0, plugin.told), bool)
    await plugin.on_disable()
    return plugin


async def again(host: FakeHost, after_s: float = DAY_S) -> list[tuple[bool, str]]:
    plugin: Any = host.plugin
    plugin.told.clear()
    host.clock.advance(after_s)
    await plugin.refresh()
    found: list[tuple[bool, str]] = plugin.told
    return found


async def test_it_gives_what_the_gateway_reckons_with(start_gateway: StartGateway, tmp_path: Path) -> None:
    own = tmp_path / "own.toml"
    own.write_text(write_toml({"prices": [{"models": ["echo"], "input": 3.0, "as_of": "2026-01-01"}]}))
    gateway = await start_gateway(usage={"prices": [str(own)]}, **{"plugins.config.pricing": {"enabled": True}})
    assert (await gateway.admin("/api/plugins/status")).json["services"] == {"pricing": "pricing"}
    told = (await gateway.admin("/plugins/pricing/lists")).json["lists"]
    assert [(one["origin"], one["prices"] > 50) for one in told] == [("settings", False), ("jackfield", True)]
    assert told[0]["oldest_days"] > 300
    async with gateway.caller() as caller:
        assert (await caller.get("/plugins/pricing/lists")).status == 403
        cost = await caller.get("/plugins/pricing/cost?model=echo&provider=echo&input=500000")
        assert cost.json == {"cost_usd": "1.5"}
        price = await caller.get("/plugins/pricing/price?model=echo")
        assert (price.json["input"], price.json["as_of"], price.json["max_output"]) == (3.0, "2026-01-01", None)
        unknown = await caller.get("/plugins/pricing/price?model=nobody-knows")
        assert (unknown.status, unknown.json["error"]["plugin"]) == (404, "pricing")
        assert (await caller.get("/plugins/pricing/cost?model=echo&input=-1")).status == 422


async def test_what_the_address_lists_counts_before_what_comes_with_jackfield() -> None:
    async with host_at(Address(listed(7, "m", "gpt-6-astra"))) as host:
        plugin = await settled(host)
        assert [source.origin for source in plugin.book.sources] == ["url", "jackfield"]
        assert (dollars(plugin), dollars(plugin, "gpt-6-astra")) == (7, 7)
        assert plugin.book.price(None, "gpt-6-luna").input == 0.1
        (asked,) = host.sent_outside
        assert (asked.method, asked.url) == ("GET", URL)


async def test_the_address_is_asked_again_when_its_list_is_old() -> None:
    address = Address(listed(1))
    async with host_at(address, every_s=3600) as host:
        plugin = await settled(host)
        address.answer = listed(2)
        assert await again(host, 3599) == [(True, "")]
        assert (dollars(plugin), len(host.sent_outside)) == (1, 1)
        await again(host, 1)
        assert (dollars(plugin), len(host.sent_outside)) == (2, 2)


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (500, "prices.example: answered with 500"),
        (UpstreamBroken("https://prices.example: broke off"), "broke off"),
        ("no json", "what it lists is refused: it is no JSON"),
        ({}, "lists no model"),
        (listed(-1, "m", "n"), "lists no model"),
        (listed(9, "n"), "has only 1 entries of the 3 that were there before"),
    ],
)
async def test_the_last_good_prices_stay_and_operators_are_told(answer: Any, told: str) -> None:
    address = Address(listed(1, "m", "n", "o"))
    async with host_at(address) as host:
        plugin = await settled(host)
        address.answer = answer
        ((ok, detail),) = await again(host)
        assert (ok, dollars(plugin), dollars(plugin, "n")) == (False, 1, 1)
        assert told in detail
        assert "canary" not in detail
        address.answer = listed(2, "m", "n", "o")
        assert await again(host, CLAIM_S) == [(True, "")]
        assert dollars(plugin) == 2


async def test_a_smaller_list_is_taken_where_the_operator_wants_it() -> None:
    address = Address(listed(1, "m", "n", "o"))
    async with host_at(address, keep_share=0) as host:
        plugin = await settled(host)
        address.answer = listed(2)
        await again(host)
        assert (dollars(plugin), dollars(plugin, "n")) == (2, None)


async def test_after_one_that_failed_nobody_asks_at_once() -> None:
    async with host_at(Address(500)) as host:
        await settled(host)
        await again(host, CLAIM_S - 1)
        assert len(host.sent_outside) == 1
        await again(host, 1)
        assert len(host.sent_outside) == 2


async def test_it_is_degraded_until_another_try_succeeds() -> None:
    address = Address(listed(1))
    async with host_at(address) as host:
        await settled(host)
        address.answer = 500
        failed = [(False, "prices.example: answered with 500")]
        assert [await again(host), await again(host, 60), await again(host, 60)] == [failed] * 3
        address.answer = listed(2)
        assert [await again(host, CLAIM_S), await again(host, 60)] == [[(True, "")]] * 2


async def test_another_worker_takes_what_one_has_fetched() -> None:
    address = Address(listed(4))
    async with host_at(address) as host:
        first = await settled(host)
        second: Any = Pricing("pricing", first.config, first.services)
        second.wall = host.clock.wall
        await second.on_load()
        assert dollars(second) is None
        await second.refresh()
        assert (dollars(second), len(host.sent_outside)) == (4, 1)
        address.answer = listed(5)
        await again(host)
        host.clock.advance(1)
        await second.refresh()
        assert (dollars(second), len(host.sent_outside)) == (5, 2)


@pytest.mark.parametrize("change", ["kept", "list"])
async def test_what_the_store_does_not_hold_as_it_was_put_there_is_not_taken(change: str) -> None:
    async with host_at(Address(listed(4))) as host:
        first = await settled(host)
        await first.services.kv.set(change, b'{"prices": 1}' if change == "list" else {"source": 1})
        second: Any = Pricing("pricing", first.config, first.services)
        second.wall = host.clock.wall
        await second.on_load()
        await second.refresh()
        assert dollars(second) is None


async def test_a_secret_header_goes_with_the_request() -> None:
    async with host_at(Address(listed(1)), headers={"authorization": "Bearer {secret:PRICES}"}) as host:
        await settled(host)
        assert host.sent_outside[0].headers["authorization"] == "Bearer {secret:PRICES}"


@pytest.mark.parametrize("url", ["http://prices.example/", "file:///etc/passwd", "prices.example", "https:///x"])
async def test_only_a_secure_address_is_taken(url: str) -> None:
    with pytest.raises(Exception, match=r"plugins\.config\.pricing\.url"):
        async with FakeHost(Pricing, config={"url": url}):
            pass


async def test_a_file_counts_before_all_and_is_read_again_when_it_changes(tmp_path: Path) -> None:
    file = tmp_path / "prices.toml"
    file.write_text(write_toml({"prices": [{"models": ["m"], "input": 8.0, "as_of": "2026-01-01"}]}))
    async with host_at(Address(listed(1, "m", "n")), file=file) as host:
        plugin = await settled(host)
        assert [source.origin for source in plugin.book.sources] == ["file", "url", "jackfield"]
        assert (dollars(plugin), dollars(plugin, "n")) == (8, 1)
        file.write_text(file.read_text().replace("8.0", "9.5"))
        os.utime(file, (1, 1))
        assert await again(host, 1) == [(True, "")]
        assert dollars(plugin) == 9.5


@pytest.mark.parametrize(("text", "told"), [("{", "is no JSON"), (None, "No such file"), ("x" * 6_000_000, "larger")])
async def test_a_file_that_turns_bad_leaves_what_was_in_it(tmp_path: Path, text: str | None, told: str) -> None:
    file = tmp_path / "prices.json"
    file.write_text('{"m": {"input_cost_per_token": 1e-06}}')
    async with host_at(Address(500), file=file) as host:
        plugin = await settled(host)
        file.unlink()
        if text is not None:
            file.write_text(text)
        ((ok, detail),) = await again(host, 1)
        assert (ok, dollars(plugin)) == (False, 1)
        assert told in detail
        assert str(file) in detail


async def test_a_file_that_is_bad_at_the_start_keeps_it_out(tmp_path: Path) -> None:
    with pytest.raises(PluginBroke, match=r"nowhere\.json: No such file"):
        async with FakeHost(Pricing, config={"file": tmp_path / "nowhere.json"}):
            pass


@pytest.mark.parametrize("kind", ["pipe", "folder"])
async def test_what_is_no_file_is_not_waited_for(tmp_path: Path, kind: str) -> None:
    place = tmp_path / "prices.json"
    os.mkfifo(place) if kind == "pipe" else place.mkdir()
    with pytest.raises(PluginBroke, match="is no file"):
        async with FakeHost(Pricing, config={"file": place}):
            pass


async def test_an_answer_of_another_status_is_no_list() -> None:
    moved = HttpResponse(status=204, reason="", headers={}, body=b"", url=URL)
    async with host_at(Address(moved)) as host:
        plugin = await settled(host)
        assert dollars(plugin) is None
