"""What a plugin is told of usage and prices."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from jackfield.control.prices import PriceTable
from jackfield.control.recorder import Recorder
from jackfield.control.records import UsageRecord
from jackfield.control.usage import UsageHistory
from jackfield.errors import DeadlineExceeded, RateLimited
from jackfield.sdk.services import NotGranted
from jackfield.services import usage
from jackfield.services.allowance import Allowance
from jackfield.services.usage import READ, Books, PluginLedger
from jackfield.stores.database import Database

from .conftest import HandClock

CALLS: dict[str, Callable[[PluginLedger], Awaitable[Any]]] = {
    "query": lambda ledger: ledger.query({}),
    "percentiles": lambda ledger: ledger.percentiles("total_ms", {}),
    "prices": lambda ledger: ledger.prices(),
}
MINE = """
[[prices]]
models = ["mine"]
input = 1.0
as_of = 2026-01-01
"""


@pytest.fixture
async def books(tmp_path: Path, clock: HandClock) -> AsyncIterator[Books]:
    """Three records that are not durable yet, and prices of the operator's."""
    database = await Database.open("sqlite", tmp_path)
    recorder = Recorder(database)
    for number, model in enumerate(("o3", "o3", "gpt-4o")):
        recorder.add(UsageRecord(f"r{number}", float(number), model=model, status=200, total_ms=10.0 * number))
    tmp_path.joinpath("prices.toml").write_text(MINE)
    prices = PriceTable.load(tmp_path / "prices.toml")
    yield Books(UsageHistory(database, clock, retention_days=1), prices, recorder.flush)
    await database.dispose()


@pytest.fixture
def ledger(books: Books, clock: HandClock) -> PluginLedger:
    return PluginLedger(Allowance.of("counter", frozenset({READ}), clock), books)


async def test_what_was_settled_before_is_in_the_answer(ledger: PluginLedger) -> None:
    told = await ledger.query({"group_by": "model"})
    assert told["totals"]["requests"] == 3
    assert [(row["model"], row["requests"]) for row in told["groups"]] == [("o3", 2), ("gpt-4o", 1)]
    page = await ledger.query({"model": "o3", "limit": "1"})
    assert ([row["id"] for row in page["records"]], page["totals"]["requests"]) == (["r1"], 2)
    (rest,) = (await ledger.query({"model": "o3", "cursor": page["next"]}))["records"]
    assert rest["id"] == "r0"


async def test_percentiles_are_those_of_what_was_chosen(ledger: PluginLedger) -> None:
    told = await ledger.percentiles("total_ms", {"from": "1"})
    (row,) = told["groups"]
    assert (row["records"], row["p50"], row["p99"], told["sampled"]) == (2, 10.0, 20.0, False)


async def test_prices_are_listed_as_they_take_precedence(ledger: PluginLedger) -> None:
    own, built_in = await ledger.prices()
    assert [price.models for price in own] == [("mine",)]
    assert len(built_in) > 20


@pytest.mark.parametrize(
    ("asked", "told"),
    [({"modle": "x"}, "the nearest is 'model'"), ({"from": "x"}, "ISO 8601"), ({"limit": 5}, "each as text")],
)
async def test_a_wrong_question_says_what_is_wrong(ledger: PluginLedger, asked: Any, told: str) -> None:
    for question in (ledger.query(asked), ledger.percentiles("total_ms", asked)):
        with pytest.raises(ValueError, match=told):
            await question


async def test_what_cannot_be_measured_is_refused(ledger: PluginLedger) -> None:
    with pytest.raises(ValueError, match="'total_m'; the nearest is 'total_ms'"):
        await ledger.percentiles("total_m", {})


@pytest.mark.parametrize("name", CALLS)
async def test_each_question_needs_the_permission(books: Books, clock: HandClock, name: str) -> None:
    stranger = PluginLedger(Allowance.of("stranger", frozenset({"users:read"}), clock), books)
    with pytest.raises(NotGranted, match=READ):
        await CALLS[name](stranger)


@pytest.mark.parametrize("name", CALLS)
async def test_each_question_is_an_operation(books: Books, clock: HandClock, name: str) -> None:
    allowance = Allowance.of("counter", frozenset({READ}), clock)
    for _ in range(100):
        allowance.take(READ)
    with pytest.raises(RateLimited):
        await CALLS[name](PluginLedger(allowance, books))


async def test_a_ledger_that_does_not_answer_is_not_waited_for(
    books: Books, clock: HandClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(usage, "DEADLINE_S", 0)
    hanging = Books(books.history, books.prices, asyncio.Event().wait)
    with pytest.raises(DeadlineExceeded, match="the ledger did not answer"):
        await PluginLedger(Allowance.of("counter", frozenset({READ}), clock), hanging).query({})
