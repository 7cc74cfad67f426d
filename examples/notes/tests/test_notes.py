"""Notes of two users, through storage and memory as the gateway has them."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from jackfield.testing import FakeHost

FOLDER = Path(__file__).resolve().parents[1]
START = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)

pytestmark = pytest.mark.asyncio


async def add(host, text, user="ada"):
    return (await host.call_tool("add", {"text": text}, user=user)).result["id"]


async def listed(host, user="ada"):
    return [note["text"] for note in (await host.call_tool("list", user=user)).result["notes"]]


async def test_each_user_has_notes_of_their_own():
    async with FakeHost(FOLDER) as host:
        await add(host, "Buy leeks")
        await add(host, "The gate squeaks")
        await add(host, "Feed the cat", user="bob")
        assert await listed(host) == ["The gate squeaks", "Buy leeks"]
        assert await listed(host, user="bob") == ["Feed the cat"]
        assert (await host.call_tool("list", {"limit": 1}, user="ada")).result["of"] == 2


async def test_notes_are_found_by_their_words_and_only_ones_own():
    async with FakeHost(FOLDER) as host:
        wanted = await add(host, "The plumber comes on Friday")
        await add(host, "Buy leeks")
        await add(host, "The plumber is expensive", user="bob")
        found = (await host.call_tool("search", {"query": "plumber"}, user="ada")).result
        assert [note["id"] for note in found] == [wanted]
        assert 0 < found[0]["similarity"] <= 1


async def test_what_is_remembered_elsewhere_is_no_note():
    async with FakeHost(FOLDER) as host:
        note = await add(host, "Buy leeks")
        await host.call_tool("delete", {"id": note}, user="ada")
        assert (await host.call_tool("search", {"query": "leeks"}, user="ada")).result == []
        assert await listed(host) == []
        assert "no note" in (await host.call_tool("delete", {"id": note}, user="ada")).error


async def test_the_same_note_twice_is_one():
    async with FakeHost(FOLDER) as host:
        assert await add(host, "Buy leeks") == await add(host, "Buy leeks")
        assert await listed(host) == ["Buy leeks"]


async def test_notes_of_the_same_moment_are_all_kept():
    async with FakeHost(FOLDER) as host:
        await asyncio.gather(*(add(host, f"Note {number}") for number in range(4)))
        assert sorted(await listed(host)) == [f"Note {number}" for number in range(4)]


async def test_all_of_them_can_be_taken_along():
    async with FakeHost(FOLDER) as host:
        host.plugin.now = lambda: START
        await add(host, "Buy leeks")
        assert (await host.call_tool("export", user="ada")).result == (
            "# Notes\n\n## 2026-03-01 12:00 UTC\n\nBuy leeks\n"
        )


async def test_old_notes_are_forgotten_by_the_task():
    async with FakeHost(FOLDER, config={"keep_days": 30}) as host:
        host.plugin.now = lambda: START
        await add(host, "Old")
        await add(host, "Also old", user="bob")
        host.plugin.now = lambda: START + timedelta(days=20)
        await add(host, "Young")
        host.plugin.now = lambda: START + timedelta(days=31)
        await host.run_tasks(after_s=3601)
        assert await listed(host, user="bob") == []
        assert await listed(host) == ["Young"]


async def test_the_task_takes_turns_where_there_are_many_users():
    async with FakeHost(FOLDER) as host:
        for number in range(31):
            await host.plugin.services.kv.set(f"user{number:02}", True, namespace="owners")
        await host.plugin.tidy()
        assert host.kv.kept()["tidied"] == "user29"
        host.clock.advance(60)
        await host.plugin.tidy()
        assert host.kv.kept()["tidied"] == ""


@pytest.mark.parametrize(
    ("config", "arguments", "caller", "told"),
    [
        ({}, {"text": "x"}, {"user": None}, "belong to a user"),
        ({"most": 1}, {"text": "another"}, {}, "There are 1 notes"),
        ({}, {"text": ""}, {}, "Invalid input"),
    ],
)
async def test_what_cannot_be_noted_is_told(config, arguments, caller, told):
    async with FakeHost(FOLDER, config=config) as host:
        await add(host, "The first")
        assert told in (await host.call_tool("add", arguments, **{"user": "ada"} | caller)).error
