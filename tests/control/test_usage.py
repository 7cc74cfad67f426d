"""Questions about usage, as they come in a query string."""

from __future__ import annotations

import asyncio

import pytest

from jackfield.control import usage
from jackfield.control.recorder import Recorder
from jackfield.control.records import UsageRecord
from jackfield.control.usage import UsageHistory, UsageQuery
from jackfield.errors import Malformed
from jackfield.stores.database import Database
from jackfield.stores.ledger import Cursor, UsageFilter
from jackfield.testing import until

from .conftest import SetClock


@pytest.fixture
async def history(database: Database, clock: SetClock) -> UsageHistory:
    recorder = Recorder(database)
    for number in range(5):
        model = "gpt-4o" if number % 2 else "o3"
        recorder.add(UsageRecord(f"r{number}", float(number), model=model, status=200 + 100 * number))
    await recorder.flush()
    return UsageHistory(database, clock, retention_days=1)


def test_nothing_asked_is_the_newest_records() -> None:
    assert UsageQuery.parse({}) == UsageQuery(chosen=UsageFilter(), limit=100)


def test_every_parameter_finds_its_place() -> None:
    query = UsageQuery.parse(
        {
            "key": "key_1",
            "namespace": "team",
            "app": "shop",
            "user": "u",
            "model": "gpt-4o",
            "provider": "openai",
            "upstream": "local",
            "operation": "chat",
            "plugin": "p",
            "stream": "true",
            "status": "5xx",
            "from": "1970-01-01T01:00:00+01:00",
            "to": "12.5",
            "group_by": "day,key",
            "limit": "7",
            "cursor": "3.25~req_1",
        }
    )
    chosen = UsageFilter(
        namespace="team",
        key_id="key_1",
        app="shop",
        user="u",
        model="gpt-4o",
        provider="openai",
        upstream="local",
        operation="chat",
        plugin="p",
        stream=True,
        status_class=5,
        since=0.0,
        until=12.5,
    )
    cursor = Cursor(3.25, "req_1")
    assert query == UsageQuery(chosen=chosen, group_by=("day", "key"), limit=7, cursor=cursor)


def test_a_group_counts_once_however_often_it_is_named() -> None:
    assert UsageQuery.parse({"group_by": "model,day,model"}).group_by == ("model", "day")


def test_a_time_without_an_offset_is_utc() -> None:
    assert UsageQuery.parse({"from": "1970-01-02"}).chosen.since == 86400.0


@pytest.mark.parametrize(
    ("parameters", "param", "told"),
    [
        ({"modle": "x"}, "modle", "the nearest is 'model'"),
        ({"zzz": "x"}, "zzz", "known are"),
        ({"stream": "yes"}, "stream", "expected one of true, false"),
        ({"status": "500"}, "status", "expected one of 2xx"),
        ({"from": "yesterday"}, "from", "ISO 8601"),
        ({"group_by": "day,modle"}, "group_by", "cannot group by 'modle'; the nearest is 'model'"),
        ({"limit": "0"}, "limit", "from 1 to 1000"),
        ({"limit": "1001"}, "limit", "from 1 to 1000"),
        ({"limit": "9" * 5000}, "limit", "from 1 to 1000"),
        ({"limit": "²"}, "limit", "from 1 to 1000"),
        ({"cursor": "nonsense"}, "cursor", "not one that an earlier answer gave"),
    ],
)
def test_a_wrong_parameter_is_named(parameters: dict[str, str], param: str, told: str) -> None:
    with pytest.raises(Malformed, match=told) as refused:
        UsageQuery.parse(parameters)
    assert refused.value.param == param


async def test_pages_are_followed_by_their_cursor(history: UsageHistory) -> None:
    first = await history.answer(UsageQuery.parse({"limit": "3"}))
    rest = await history.answer(UsageQuery.parse({"limit": "3", "cursor": first["next"]}))
    found = [record["id"] for record in (*first["records"], *rest["records"])]
    assert found == ["r4", "r3", "r2", "r1", "r0"]
    assert rest["next"] is None


async def test_what_is_told_begins_with_the_totals(history: UsageHistory) -> None:
    told = await history.tell(UsageQuery.parse({"model": "o3", "limit": "1"}))
    assert (told["totals"]["requests"], len(told["records"])) == (3, 1)


async def test_percentiles_are_of_what_can_be_measured(history: UsageHistory) -> None:
    ranks = await history.rank(UsageQuery.parse({"group_by": "model"}), "input_tokens")
    assert {row["model"] for row in ranks.groups} == {"gpt-4o", "o3"}
    with pytest.raises(Malformed, match="cannot measure 'model'"):
        await history.rank(UsageQuery.parse({}), "model")


async def test_groups_are_summed(history: UsageHistory) -> None:
    answer = await history.answer(UsageQuery.parse({"group_by": "model"}))
    groups = [(row["model"], row["requests"], row["errors"], row["unpriced"]) for row in answer["groups"]]
    assert groups == [("o3", 3, 2, 3), ("gpt-4o", 2, 1, 2)]
    assert answer["truncated"] is False


async def test_old_records_are_forgotten(history: UsageHistory, clock: SetClock) -> None:
    clock.now = 86400.0 + 3
    assert await history.forget_old() == 3
    answer = await history.answer(UsageQuery.parse({}))
    assert [record["id"] for record in answer["records"]] == ["r4", "r3"]


async def test_they_are_forgotten_soon_after_the_start(
    history: UsageHistory, clock: SetClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(usage, "FIRST_SWEEP_S", 0.0)
    clock.now = 86400.0 + 3

    async def ids() -> list[str]:
        return [record["id"] for record in (await history.answer(UsageQuery.parse({})))["records"]]

    async with history:
        await until(ids, lambda found: found == ["r4", "r3"])


async def test_leaving_ends_the_sweep(history: UsageHistory) -> None:
    async with history:
        assert "usage retention" in {task.get_name() for task in asyncio.all_tasks()}
    assert "usage retention" not in {task.get_name() for task in asyncio.all_tasks()}
