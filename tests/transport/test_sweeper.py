"""One timer for many deadlines, and none while there is nothing to wait for."""

from __future__ import annotations

import asyncio

from scripted_peer import WITHIN_S

from jackfield.transport.sweep import Sweeper


class Member:
    def __init__(self, sweeper: Sweeper, due: float) -> None:
        self.sweeper = sweeper
        self.due = due
        self.over = asyncio.Event()
        sweeper.add(self)

    def on_due(self, now: float) -> None:
        assert now >= self.due
        self.sweeper.discard(self)
        self.over.set()

    def shut(self, reason: str) -> None:
        asyncio.get_running_loop().call_soon(self.sweeper.discard, self)


async def test_members_fall_due_in_their_time_whatever_order_they_came_in() -> None:
    sweeper, now = Sweeper(), asyncio.get_running_loop().time()
    members = [Member(sweeper, now + span) for span in (0.2, 0.05, 0.1, 9999)]
    assert sweeper.next_at == now + 0.05
    async with asyncio.timeout(WITHIN_S):
        await members[1].over.wait()
        assert not members[0].over.is_set()
        await members[0].over.wait()
    assert members[2].over.is_set()
    assert not members[3].over.is_set()
    sweeper.discard(members[3])


async def test_a_due_that_comes_nearer_is_kept() -> None:
    sweeper, now = Sweeper(), asyncio.get_running_loop().time()
    member = Member(sweeper, now + 9999)
    member.due = now + 0.02
    sweeper.expect(member.due)
    await asyncio.wait_for(member.over.wait(), WITHIN_S)
    assert not sweeper.members


async def test_without_members_there_is_no_timer() -> None:
    sweeper = Sweeper()
    assert sweeper.next_at == float("inf")
    member = Member(sweeper, asyncio.get_running_loop().time() + 60)
    assert sweeper.next_at < float("inf")
    sweeper.discard(member)
    assert sweeper.next_at == float("inf")


async def test_shutting_waits_for_the_last_to_leave() -> None:
    sweeper = Sweeper()
    for _ in range(3):
        Member(sweeper, float("inf"))
    await asyncio.wait_for(sweeper.shut_all("over"), WITHIN_S)
    assert not sweeper.members
