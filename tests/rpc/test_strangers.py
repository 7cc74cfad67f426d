"""What the other side sends may be anything: it ends the conversation at worst, and costs only so much."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from tests.rpc.peers import Scripted, connected, facing_a_stranger

from jackfield.errors import SessionLost
from jackfield.rpc import calls, desk
from jackfield.rpc.pace import BURST, PER_S, Pace
from jackfield.testing.waiting import until

FRAMES = [
    b"\x00\x00\x00\x00",
    b"\x00\x00\x00\x01{",
    b"\x00\x00\x00\x02[]",
    b"\xff\xff\xff\xff",
    b"\x00\x00\x00\x04[99]",
    b"\x00\x00\x00\x05[0,1]",
    b"\x00\x00\x00\x07[true]\n",
    b'\x00\x00\x00\x07[3,"a"]',
    b"\x00\x00\x00\x06[3,-1]",
    b'\x00\x00\x00\x10[0,1,null,5,"x"]',
    b'\x00\x00\x00\x1a[0,1,null,"m",{"$new":true}]'.replace(b"\x1a", b"\x1c"),
]


@pytest.mark.parametrize("data", FRAMES, ids=range(len(FRAMES)))
async def test_what_is_no_message_ends_the_conversation(data: bytes) -> None:
    async with facing_a_stranger(Scripted()) as (peer, stranger):
        waiting = asyncio.create_task(peer.call("anything", None))
        await stranger.read()
        await stranger.send_raw(data)
        with pytest.raises(SessionLost, match="did not keep to the protocol"):
            async with asyncio.timeout(2):
                await waiting


async def test_answers_to_what_nobody_asked_are_ignored() -> None:
    async with facing_a_stranger(Scripted()) as (peer, stranger):
        waiting = asyncio.create_task(peer.call("anything", None))
        _, number, *_ = await stranger.read()
        for kind, *rest in ((1, None), (2, "no", "no"), (3,), (6, 1), (7,), (8, 5), (10,)):
            await stranger.send(kind, 777, *rest)
        await stranger.send(1, number, "the answer")
        assert await waiting == "the answer"


async def test_an_id_that_is_used_twice_ends_the_conversation() -> None:
    async def wait(params: Any) -> Any:
        await asyncio.Event().wait()

    async with facing_a_stranger(Scripted(wait=wait)) as (_, stranger):
        await stranger.send(0, 1, None, "wait", None)
        await stranger.send(0, 1, None, "wait", None)
        assert await stranger.read() is None


async def test_what_is_told_to_who_does_not_read_is_dropped_and_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calls, "TELL_LIMIT", 10_000)
    async with facing_a_stranger(Scripted()) as (peer, _):
        sent = sum(peer.tell("news", "x" * 1000) for _ in range(2000))
        assert peer.dropped == 2000 - sent
        assert peer.dropped > 1000


async def test_a_call_waits_while_the_other_side_does_not_read() -> None:
    async with facing_a_stranger(Scripted()) as (peer, stranger):
        first = asyncio.create_task(peer.call("first", "x" * 4_000_000))
        await asyncio.sleep(0)
        second = asyncio.create_task(peer.call("second", None))
        await asyncio.sleep(0)
        assert peer.waiting == 1
        assert (await stranger.read())[3] == "first"
        assert (await stranger.read())[3] == "second"
        first.cancel()
        second.cancel()


async def test_answers_are_not_kept_without_end_for_who_does_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calls, "HELD_LIMIT", 3_000_000)

    async def get(params: Any) -> Any:
        return "x" * 1_000_000

    async with facing_a_stranger(Scripted(get=get)) as (peer, stranger):
        for number in range(9):
            await stranger.send(0, number, None, "get", None)
        await until(lambda: asyncio.sleep(0, peer._held), lambda held: held > 2_000_000)
        replies = [await stranger.read() for _ in range(9)]
    kinds = [kind for kind, *_ in replies]
    assert kinds.count(1) >= 3
    assert kinds.count(2) >= 3
    assert "MB of answers are not read" in next(reply[2] for reply in replies if reply[0] == 2)


async def test_who_asks_without_measure_is_read_from_more_slowly() -> None:
    handler = Scripted()
    async with facing_a_stranger(handler) as (_, stranger):
        loop = asyncio.get_running_loop()
        began = loop.time()
        for _ in range(4):
            await stranger.send_raw(b'\x00\x00\x00\x0f[4,null,"m",12]' * 200)

        async def heard() -> int:
            return len(handler.heard)

        await until(heard, lambda number: number == 800)
        assert loop.time() - began >= (800 - BURST) / PER_S * 0.9


async def test_who_trusts_the_other_side_bounds_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(desk, "MOST_ANSWERS", 3)

    async def echo(params: Any) -> Any:
        await asyncio.sleep(0)
        return params

    async with connected(Scripted(), Scripted(echo=echo), wary=False) as (one, _):
        assert await asyncio.gather(*(one.call("echo", number) for number in range(900))) == list(range(900))


async def test_large_messages_cost_as_much_as_many_small_ones() -> None:
    reading: list[bool] = []
    pace = Pace(asyncio.get_running_loop(), reading.append)
    pace.count(4096 * 50)
    assert not pace.paused
    pace.count(4096 * 100)
    assert pace.paused
    assert reading == [False]
    pace.stop()
    assert not pace.paused


async def test_what_is_asked_for_at_once_is_bounded_in_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(desk, "MOST_ASKED", 1_000_000)
    gate = asyncio.Event()

    async def wait(params: Any) -> Any:
        await gate.wait()

    async with facing_a_stranger(Scripted(wait=wait)) as (_, stranger):
        for number in range(3):
            await stranger.send(0, number, None, "wait", "x" * 400_000)
        kind, number, words, code = await stranger.read()
        assert (kind, number, code) == (2, 2, "unavailable")
        assert "are under way already" in words
        gate.set()
        assert {(await stranger.read())[1] for _ in range(2)} == {0, 1}
        await stranger.send(0, 3, None, "wait", "x" * 400_000)
        assert (await stranger.read())[:2] == [1, 3]
