"""The services that a plugin was granted, in process and isolated."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest
import pytest_asyncio
from tests.guests.places import PLACES, host_plugin

from jackfield.sdk.tools import progress_heard_by
from jackfield.testing.granting import HttpRequest
from jackfield.testing.host import FakeHost

pytestmark = pytest.mark.asyncio(loop_scope="module")


def answer_outside(asked: HttpRequest) -> Any:
    return {"asked": asked.url, "body": asked.body}


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=PLACES)
async def granted(request: pytest.FixtureRequest) -> AsyncIterator[FakeHost]:
    users = {"tester": {"language": "de"}}
    async with host_plugin(request.param, "granted", http=answer_outside, users=users) as host:
        yield host


async def ask(granted: FakeHost, name: str, **arguments: Any) -> Any:
    granted.clock.advance(61)
    reply = await granted.call_tool(name, arguments)
    assert reply.success, reply.error
    return msgspec.json.decode(msgspec.json.encode(reply.result))


async def error_of(granted: FakeHost, name: str, **arguments: Any) -> str | None:
    reply = await granted.call_tool(name, arguments)
    assert not reply.success
    return reply.error


async def test_values_of_every_kind_are_stored_as_they_are(granted: FakeHost) -> None:
    same, missing, counted, swapped, listed, gone, left = await ask(granted, "store")
    assert same == [True] * 4
    assert (missing, counted, swapped) == (True, [2, 3], [True, False])
    assert (listed, gone, left) == (["at", "big", "data", "list"], [True, False], 3)


async def test_what_cannot_be_stored_is_refused_alike(granted: FakeHost) -> None:
    assert await ask(granted, "refuse") == ["ValueError"] * 4 + ["QuotaExceeded"]


async def test_what_is_stored_for_a_user_is_theirs(granted: FakeHost) -> None:
    assert await ask(granted, "others", user="bob") == ["tester", 1, "users:any", "granted"]


async def test_it_reads_the_ledger_and_the_prices(granted: FakeHost) -> None:
    page, spread, refused, kind, dated = await ask(granted, "books")
    assert (page["records"], page["next"], page["totals"]["requests"]) == ([], None, 0)
    assert spread == {"groups": [], "truncated": False, "sampled": False}
    assert "the nearest is 'model'" in refused
    assert (kind, dated) == ("Price", True)


async def test_it_reaches_the_hosts_of_its_manifest(granted: FakeHost) -> None:
    url = "https://api.example.com/v1"
    status, json, kind, from_ = await ask(granted, "send", url=url)
    assert (status, kind, from_) == (200, "application/json", url)
    assert json == {"asked": url, "body": {"q": 1}}
    assert (await ask(granted, "send", url="https://elsewhere.example.com/")).startswith("refused: ")
    assert (await ask(granted, "send", url="http://127.0.0.1/")).startswith("refused: ")


async def test_it_remembers(granted: FakeHost) -> None:
    assert (await ask(granted, "remember", user="tester"))[:4] == [True, "likes tea", 7, True]


async def test_it_knows_the_user_who_asks(granted: FakeHost) -> None:
    assert await ask(granted, "who", user="tester") == ["tester", {"language": "de"}]
    assert "users:any" in str(await error_of(granted, "who", user="bob"))


async def test_its_operations_are_counted_by_the_host(granted: FakeHost) -> None:
    assert await ask(granted, "hurry") == [429, "granted", True]


async def test_tools_call_one_another(granted: FakeHost) -> None:
    fine, bad, unknown = await ask(granted, "execute")
    assert fine == [True, {"text": "hi", "tool": "echo", "depth": 2}, None]
    assert (bad[0], "text" in bad[2]) == (False, True)
    assert unknown == [False, None, "Unknown tool: plugin_nobody_none"]


async def test_progress_is_heard_by_who_waits(granted: FakeHost) -> None:
    heard: list[tuple[float, str]] = []
    with progress_heard_by(lambda fraction, message: heard.append((fraction, message))):
        await ask(granted, "echo", text="hi")
    assert heard == [(0.5, "half way")]


@pytest.mark.parametrize(
    ("how", "error"),
    [
        ("failed", "no such city"),
        ("reply", "half done"),
        ("exit", "SystemExit: 1"),
        ("key", "KeyError: 'key'"),
        ("refused", "Refused by granted: not on Sundays"),
    ],
)
async def test_what_goes_wrong_in_a_tool_is_the_calls_error(granted: FakeHost, how: str, error: str) -> None:
    assert await error_of(granted, "fail", how=how) == error


async def test_a_result_that_is_no_json_is_an_error(granted: FakeHost) -> None:
    assert str(await error_of(granted, "fail", how="object")).startswith("ValueError: the result is no JSON")


async def test_tools_come_and_go_while_it_runs(granted: FakeHost) -> None:
    assert await ask(granted, "register") == [
        "Tool late is already registered by plugin granted",
        "a tool's name is letters, digits, _ and -, not 'not a name'",
    ]
    assert await ask(granted, "late", b=1, a=2) == ["a", "b"]
    await ask(granted, "unregister")
    assert "late" in str(await error_of(granted, "late"))


async def test_it_is_told_of_events_and_emits_its_own(granted: FakeHost) -> None:
    await granted.announce("city:found", {"name": "Troy"})
    heard, refused = await ask(granted, "emit")
    assert heard == [["city:found", {"name": "Troy"}, "system", True]]
    assert refused == "data.name: object is not JSON"


async def test_its_tasks_run_when_they_are_due(granted: FakeHost) -> None:
    await granted.run_tasks(60)
    listed, gone, runs, refused = await ask(granted, "schedule")
    assert tuple(name for name, _, _ in listed) == ("tick", "once")
    assert (gone, runs) == ([True], 1)
    assert refused
