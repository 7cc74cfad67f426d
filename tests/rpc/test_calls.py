"""Both sides ask and answer; nothing waits for ever."""

from __future__ import annotations

import asyncio
from contextvars import ContextVar
from typing import Any

import pytest
from tests.rpc.peers import Scripted, connected

from jackfield.errors import Forbidden, SessionDenied, SessionLost, Unavailable
from jackfield.rpc import calls, desk

NOBODY = Scripted()
WHO: ContextVar[str] = ContextVar("who", default="nobody")


async def echo(params: Any) -> Any:
    return params


async def forever(params: Any) -> Any:
    await asyncio.Event().wait()


async def test_both_sides_call() -> None:
    async with connected(Scripted(echo=echo), Scripted(echo=echo)) as (one, other):
        assert await one.call("echo", {"a": [1, b"x"]}) == {"a": [1, b"x"]}
        assert await other.call("echo", "back") == "back"


async def test_many_calls_at_once_get_each_its_own_answer() -> None:
    async def slowest_first(params: int) -> int:
        for _ in range(100 - params):
            await asyncio.sleep(0)
        return params

    async with connected(NOBODY, Scripted(turn=slowest_first)) as (one, _):
        answers = await asyncio.gather(*(one.call("turn", number) for number in range(100)))
    assert answers == list(range(100))


async def test_an_error_is_told_in_its_own_words() -> None:
    async def refuse(params: Any) -> Any:
        raise Forbidden("plugin weather does not have 'users:read' permission")

    async with connected(NOBODY, Scripted(ask=refuse)) as (one, _):
        with pytest.raises(SessionDenied, match="does not have 'users:read' permission") as caught:
            await one.call("ask", None)
    assert caught.value.plugin == "weather"


async def test_an_answer_that_cannot_be_sent_is_an_error() -> None:
    async def answer_nonsense(params: Any) -> Any:
        return object()

    async with connected(NOBODY, Scripted(ask=answer_nonsense)) as (one, _):
        with pytest.raises(SessionDenied, match="a value of type object cannot be sent"):
            await one.call("ask", None)


async def test_what_cannot_be_sent_is_refused_here() -> None:
    async with connected(NOBODY, NOBODY) as (one, _):
        with pytest.raises(ValueError, match="a value of type object cannot be sent"):
            await one.call("ask", object())
        with pytest.raises(ValueError, match="at most 16,777,216 are passed on"):
            await one.call("ask", "x" * 17_000_000)
        assert one.waiting == 0


async def test_to_cancel_a_call_cancels_its_answering() -> None:
    begun, ended = asyncio.Event(), asyncio.Event()

    async def wait(params: Any) -> Any:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    async with connected(NOBODY, Scripted(wait=wait)) as (one, _):
        call = asyncio.create_task(one.call("wait", None))
        await begun.wait()
        call.cancel()
        async with asyncio.timeout(2):
            await ended.wait()
        assert call.cancelled() or call.done()
        assert one.waiting == 0


async def test_what_came_out_of_a_cancelled_call_is_cancelled_with_it() -> None:
    begun, ended = asyncio.Event(), asyncio.Event()

    async def fetch(params: Any) -> Any:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    async with connected(Scripted(fetch=fetch), Scripted(work=forever)) as (one, other):
        call = asyncio.create_task(one.call("work", None))
        await asyncio.sleep(0)
        nested = asyncio.create_task(other.call("fetch", None, parent=1))
        await begun.wait()
        call.cancel()
        async with asyncio.timeout(2):
            await ended.wait()
        with pytest.raises(SessionDenied, match="cancelled"):
            await nested


async def test_what_comes_out_of_a_call_is_answered_in_its_context() -> None:
    async def who(params: Any) -> Any:
        return WHO.get()

    async def ask_back(params: Any) -> Any:
        await asyncio.sleep(0)
        return await peers[1].call("who", None, parent=peers[1].current())

    async with connected(Scripted(who=who), Scripted(ask=ask_back)) as peers:

        async def call_as(name: str) -> Any:
            WHO.set(name)
            return await peers[0].call("ask", None)

        names = [f"user{number}" for number in range(20)]
        assert await asyncio.gather(*map(call_as, names)) == names
        assert await peers[1].call("who", None) == "nobody"
        assert await peers[1].call("who", None, parent=999) == "nobody"


async def test_what_is_told_keeps_its_place_among_calls_and_answers() -> None:
    here = Scripted(echo=echo)

    async def speak(params: Any) -> Any:
        other = peers[1]
        other.tell("first", 1)
        asked = asyncio.create_task(other.call("echo", 2))
        await asyncio.sleep(0)
        other.tell("third", 3)
        await asked
        other.tell("fourth", 4)
        return 5

    async with connected(here, Scripted(speak=speak)) as peers:
        here.heard.append(("answer", await peers[0].call("speak", None)))
    assert [number for _, number in here.heard] == [1, 2, 3, 4, 5]


async def test_who_goes_leaves_nobody_waiting() -> None:
    async with connected(NOBODY, Scripted(wait=forever)) as (one, other):
        waiting = [asyncio.create_task(one.call("wait", None)) for _ in range(5)]
        await asyncio.sleep(0)
        await other.aclose("it goes")
        for call in waiting:
            with pytest.raises(SessionLost, match="plugin weather: the connection was closed"):
                await call
        with pytest.raises(SessionLost, match="the connection was closed"):
            await one.call("wait", None)
        assert not one.tell("news", None)


async def test_so_many_calls_of_ours_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calls, "MOST_CALLS", 3)
    async with connected(NOBODY, Scripted(wait=forever)) as (one, _):
        waiting = [asyncio.create_task(one.call("wait", None)) for _ in range(3)]
        await asyncio.sleep(0)
        with pytest.raises(Unavailable, match="has 3 calls under way already"):
            await one.call("wait", None)
        for call in waiting:
            call.cancel()


async def test_so_many_calls_of_theirs_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(desk, "MOST_ANSWERS", 3)
    async with connected(Scripted(wait=forever), NOBODY) as (_, other):
        waiting = [asyncio.create_task(other.call("wait", None)) for _ in range(4)]
        with pytest.raises(SessionDenied, match="3 calls are under way already"):
            await waiting[3]
        for call in waiting:
            call.cancel()


async def test_a_ping_is_answered_while_calls_wait() -> None:
    async with connected(NOBODY, Scripted(wait=forever)) as (one, _):
        call = asyncio.create_task(one.call("wait", None))
        async with asyncio.timeout(2):
            await one.ping()
        assert one.waiting == 1
        call.cancel()
