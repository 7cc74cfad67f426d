"""What every runtime keeps of the one protocol."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from tests.runtimes.kinds import needs
from tests.runtimes.programs import Host

from jackfield.errors import PluginTimeout, SessionDenied, SessionLost
from jackfield.rpc.streams import CREDIT
from jackfield.runtimes.base import Session
from jackfield.sdk.caller import Caller, acting_for
from jackfield.testing.waiting import until


async def eventually(session: Session, method: str, value: Any) -> None:
    await until(lambda: session.call(method, deadline_s=2), lambda found: found == value, within=2)


@needs("tells")
async def test_it_is_started_once_and_made_ready_by_the_host(make_session: Callable[[], Session], host: Host) -> None:
    session = make_session()
    assert session.diagnose().state == "new"
    await session.start()
    assert host.heard == [("started", {"start": 1})]
    assert session.diagnose().state == "running"
    assert session.diagnose().starts == 1
    with pytest.raises(SessionLost, match="plugin weather cannot be started"):
        await session.start()


async def test_what_the_host_raises_fails_the_start_and_leaves_nothing(
    make_session: Callable[[], Session], host: Host
) -> None:
    session = make_session()
    host.fault = ValueError("no config")
    with pytest.raises(ValueError, match="no config"):
        await session.start()
    assert session.diagnose().state == "failed"
    assert session.diagnose().pid is None
    with pytest.raises(SessionLost, match="plugin weather"):
        await session.call("echo", deadline_s=1)
    host.fault = None
    await session.start()
    assert await session.call("echo", 1, deadline_s=1) == 1


VALUES = [
    None, True, 0, -1.5, 2**53 - 1, 2**53, -(2**70), "", "ü😀\u2028", b"", bytes(range(256)),
    datetime(2025, 2, 3, 4, 5, 6, 789000, tzinfo=UTC), [], {}, [[], [{}]],
    {"at": datetime(1970, 1, 1, tzinfo=UTC), "data": [b"x", {"deep": b"\xff"}], "$date": "no date"},
    {"$date": "no date"}, {"$object": {"$bytes": 1}}, {"__proto__": {"a": 1}, "constructor": 2}, {"": None},
]  # fmt: skip


@needs("types")
async def test_values_come_out_as_they_went_in(session: Session) -> None:
    for value in VALUES:
        assert await session.call("echo", value, deadline_s=2) == value


@needs("types")
async def test_large_values_pass(session: Session) -> None:
    value = {"text": "ü" * 2_000_000, "bytes": bytes(3_000_000)}
    assert await session.call("echo", value, deadline_s=5) == value


async def test_what_is_too_large_or_no_value_is_refused_here(session: Session) -> None:
    with pytest.raises(ValueError, match="at most 16,777,216 are passed on"):
        await session.call("echo", "x" * 17_000_000, deadline_s=5)
    with pytest.raises(ValueError, match="a value of type object cannot be sent"):
        await session.call("echo", [object()], deadline_s=5)
    assert await session.call("echo", 1, deadline_s=2) == 1


async def test_an_error_comes_in_its_own_words_with_the_plugins_name(session: Session) -> None:
    with pytest.raises(SessionDenied, match=r"^no luck today$") as caught:
        await session.call("fail", "no luck today", deadline_s=2)
    assert caught.value.plugin == "weather"


@pytest.mark.parametrize("method", ["nothing", "constructor", "__proto__", "toString", "__init__", "$load"])
async def test_a_method_that_is_not_there_is_named(session: Session, method: str) -> None:
    with pytest.raises(SessionDenied, match="no method"):
        await session.call(method, deadline_s=2)


async def test_calls_run_at_the_same_time_and_each_gets_its_own_answer(session: Session, host: Host) -> None:
    waiting = [asyncio.create_task(session.call("wait", deadline_s=5)) for _ in range(20)]
    answers = await asyncio.gather(*(session.call("echo", number, deadline_s=2) for number in range(200)))
    assert answers == list(range(200))
    for call in waiting:
        call.cancel()
    await eventually(session, "aborted", 20)


async def test_a_call_that_takes_too_long_ends_and_the_code_is_told(session: Session) -> None:
    with pytest.raises(PluginTimeout, match=r"plugin weather: wait did not answer within 0.05 s") as caught:
        await session.call("wait", deadline_s=0.05)
    assert caught.value.plugin == "weather"
    await eventually(session, "aborted", 1)


@needs("tells")
async def test_to_cancel_the_waiting_task_cancels_the_call(session: Session, host: Host) -> None:
    call = asyncio.create_task(session.call("wait", deadline_s=5))
    await until(lambda: session.call("echo", deadline_s=1), lambda _: host.count("waiting") == 1)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    await eventually(session, "aborted", 1)


@needs("asks")
async def test_what_the_code_asked_for_is_cancelled_with_its_call(session: Session, host: Host) -> None:
    call = asyncio.create_task(session.call("ask", {"method": "sleep"}, deadline_s=5))
    await host.asked.wait()
    before = len(asyncio.all_tasks())
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    await session.ping(1)
    assert len(asyncio.all_tasks()) < before


@needs("asks")
async def test_the_host_refuses_in_its_own_words(session: Session) -> None:
    with pytest.raises(SessionDenied, match="does not have 'users:read' permission"):
        await session.call("ask", {"method": "users:read"}, deadline_s=2)


@needs("asks")
async def test_what_it_asks_for_is_asked_on_behalf_of_its_caller(session: Session) -> None:
    async def call_for(user: str | None) -> Any:
        with acting_for(Caller(user=user) if user else None):
            return await session.call("ask", {"method": "who"}, deadline_s=5)

    users = [f"user{number}" for number in range(50)] + [None]
    assert await asyncio.gather(*map(call_for, users)) == [[user, user] for user in users]


@needs("asks")
async def test_what_it_asks_for_after_its_call_is_on_nobodys_behalf(session: Session, host: Host) -> None:
    with acting_for(Caller(user="alice")):
        await session.call("ask_too_late", deadline_s=2)
        await until(lambda: session.call("echo", deadline_s=1), lambda _: host.count("late") == 1)
    assert ("late", None) in host.heard


@needs("tells")
async def test_what_it_says_is_heard_in_order_and_before_the_answer(session: Session, host: Host) -> None:
    assert await session.call("speak", 1000, deadline_s=5) == "done"
    assert [params for method, params in host.heard if method == "said"] == list(range(1000))


@needs("tells")
async def test_what_it_is_told_it_hears_in_order(session: Session, host: Host) -> None:
    for number in range(50):
        session.tell("heard", number)
    session.tell("nothing")
    await session.call("echo", deadline_s=2)
    assert [params for method, params in host.heard if method == "heard"] == list(range(50))


async def test_a_stream_comes_in_order_to_its_end(session: Session) -> None:
    assert [item async for item in session.stream("count", 300, deadline_s=2)] == list(range(300))


@needs("credit")
async def test_a_stream_waits_while_nobody_takes(session: Session) -> None:
    items = session.stream("count", 10_000, deadline_s=2)
    assert await anext(items) == 0
    assert await session.call("made", deadline_s=2) <= CREDIT + 1
    await items.aclose()  # type: ignore[attr-defined]
    await eventually(session, "aborted", 1)


async def test_a_stream_that_fails_gives_what_it_had_and_then_its_error(session: Session) -> None:
    items = session.stream("break_off", deadline_s=2)
    assert await anext(items) == 1
    with pytest.raises(SessionDenied, match="no more"):
        await anext(items)


async def test_each_step_of_a_stream_has_the_deadline(session: Session) -> None:
    items = session.stream("stall", deadline_s=0.05)
    assert await anext(items) == 1
    with pytest.raises(PluginTimeout, match="stall did not answer within"):
        await anext(items)


async def test_it_answers_pings(session: Session) -> None:
    waiting = asyncio.create_task(session.call("wait", deadline_s=5))
    await session.ping(1)
    waiting.cancel()


@needs("asks")
async def test_stopped_it_ends_what_is_under_way(session: Session, host: Host) -> None:
    calls = [asyncio.create_task(session.call("wait", deadline_s=5)) for _ in range(3)]
    items = session.stream("stall", deadline_s=5)
    assert await anext(items) == 1
    asked = asyncio.create_task(session.call("ask", {"method": "sleep"}, deadline_s=5))
    await host.asked.wait()
    await session.stop(1)
    for call in (*calls, asked, asyncio.create_task(anext(items))):  # type: ignore[arg-type]
        with pytest.raises(SessionLost, match="plugin weather"):
            await call
    assert session.diagnose().state == "stopped"
    assert host.losses == []


async def test_stopped_it_takes_no_more_and_may_be_stopped_again(session: Session) -> None:
    await session.stop(1)
    await session.stop(1)
    session.tell("heard", 1)
    with pytest.raises(SessionLost, match="stopped"):
        await session.call("echo", deadline_s=1)
    with pytest.raises(SessionLost, match="stopped"):
        await session.ping(1)


async def test_what_was_never_started_can_be_stopped(make_session: Callable[[], Session]) -> None:
    session = make_session()
    await session.stop(1)
    with pytest.raises(SessionLost, match="cannot be started"):
        await session.start()
