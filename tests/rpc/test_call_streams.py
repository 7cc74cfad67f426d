"""Streams over a conversation: in order, no faster than they are taken, ended from either side."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

import pytest
from tests.rpc.peers import Scripted, connected, facing_a_stranger

from jackfield.errors import SessionDenied, SessionLost
from jackfield.rpc.streams import CREDIT

NOBODY = Scripted()


async def count_up(params: int) -> AsyncIterator[int]:
    for number in range(params):
        yield number


async def test_items_come_in_order_to_the_end() -> None:
    async with connected(NOBODY, Scripted(count=count_up)) as (one, _):
        assert [item async for item in one.stream("count", 500)] == list(range(500))
        assert one.waiting == 0


async def test_a_stream_waits_for_who_takes_it() -> None:
    made: list[int] = []

    async def count(params: Any) -> AsyncIterator[int]:
        for number in range(1000):
            made.append(number)
            yield number

    async with connected(NOBODY, Scripted(count=count)) as (one, _), aclosing(one.stream("count", None)) as items:
        assert await anext(items) == 0
        for _ in range(20):
            await one.ping()
        assert len(made) <= CREDIT + 1
        assert await anext(items) == 1


async def test_who_stops_taking_stops_the_making() -> None:
    ended = asyncio.Event()

    async def count(params: Any) -> AsyncIterator[int]:
        try:
            number = 0
            while True:
                yield (number := number + 1)
        finally:
            ended.set()

    async with connected(NOBODY, Scripted(count=count)) as (one, _):
        async with aclosing(one.stream("count", None)) as items:
            await anext(items)
        async with asyncio.timeout(2):
            await ended.wait()
        assert one.waiting == 0


async def test_a_stream_that_fails_gives_what_it_had_and_then_its_error() -> None:
    async def fail(params: Any) -> AsyncIterator[int]:
        yield 1
        raise ValueError("no more rain")

    async with connected(NOBODY, Scripted(fail=fail)) as (one, _), aclosing(one.stream("fail", None)) as items:
        assert await anext(items) == 1
        with pytest.raises(SessionDenied, match="no more rain"):
            await anext(items)


async def test_a_stream_whose_maker_goes_ends_with_that() -> None:
    async def wait(params: Any) -> AsyncIterator[int]:
        yield 1
        await asyncio.Event().wait()

    async with connected(NOBODY, Scripted(wait=wait)) as (one, other), aclosing(one.stream("wait", None)) as items:
        assert await anext(items) == 1
        await other.aclose("it goes")
        with pytest.raises(SessionLost, match="the connection was closed"):
            await anext(items)


async def test_who_sends_more_than_was_asked_for_is_cut_off() -> None:
    async with facing_a_stranger(NOBODY) as (peer, stranger):
        items = peer.stream("count", None)
        first = asyncio.create_task(anext(items))
        kind, number, *_ = await stranger.read()
        assert kind == 5
        for item in range(CREDIT + 1):
            await stranger.send(6, number, item)
        await first
        assert await stranger.read() is None
        with pytest.raises(SessionLost, match="more was sent in a stream than was asked for"):
            async for _ in items:
                pass
