"""Processes with one scheduled task on one store are killed: no run happens twice, and the next one comes."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import NamedTuple

import pytest

from jackfield.testing import until

from . import scheduling


class Note(NamedTuple):
    what: str
    pid: int
    at: float


class Planned(NamedTuple):
    """What a process found at its start."""

    runs: int
    last_run: float
    next_run: float
    forward_s: float


class Group:
    """Any number of processes on one store."""

    def __init__(self, folder: Path) -> None:
        self._data, self._notes = folder / "data", folder / "notes"
        self._processes: dict[int, asyncio.subprocess.Process] = {}

    async def start(self, when: str, takes_s: float = 0.0, forward_s: float | None = 0.0) -> Planned:
        forward = "" if forward_s is None else str(forward_s)
        arguments = (str(self._data), str(self._notes), when, str(takes_s), forward)
        process = await asyncio.create_subprocess_exec(
            sys.executable, scheduling.__file__, *arguments, stdout=asyncio.subprocess.PIPE
        )
        self._processes[process.pid] = process
        assert process.stdout is not None
        said = (await asyncio.wait_for(process.stdout.readline(), 30)).split()
        return Planned(int(said[0]), float(said[1]), float(said[2]), float(said[3]))

    async def kill(self, pid: int) -> None:
        process = self._processes.pop(pid)
        process.kill()
        await process.communicate()

    async def kill_all(self) -> None:
        for pid in list(self._processes):
            await self.kill(pid)

    async def notes(self) -> list[Note]:
        text = self._notes.read_text() if self._notes.exists() else ""
        lines = (line.split() for line in text.splitlines())
        return [Note(what, int(pid), float(at)) for what, pid, at in lines]

    async def first(self, what: str, *, after: float = 0.0) -> Note:
        def matching(notes: list[Note]) -> list[Note]:
            return [note for note in notes if note.what == what and note.at > after]

        return matching(await until(self.notes, lambda notes: bool(matching(notes)), within=20))[0]


@pytest.fixture
async def group(tmp_path: Path) -> AsyncIterator[Group]:
    group = Group(tmp_path)
    yield group
    await group.kill_all()


async def test_killed_in_the_middle_of_a_run(group: Group) -> None:
    await asyncio.gather(*(group.start("1", takes_s=60) for _ in range(2)))
    killed = await group.first("begin")
    await group.kill(killed.pid)
    # The other takes over as soon as the lease of the one that is gone has run out.
    following = await group.first("begin", after=killed.at)
    assert following.pid != killed.pid
    assert [note.what for note in await group.notes()] == ["begin", "begin"]
    await group.kill_all()
    again = await group.start("1")
    assert again.runs == 2
    assert killed.at < again.last_run <= following.at


async def test_a_time_is_not_had_twice_in_one_minute(group: Group) -> None:
    before = await group.start("* * * * *", takes_s=5, forward_s=None)
    ran = await group.first("begin")
    await group.kill(ran.pid)
    after = await group.start("* * * * *", forward_s=before.forward_s)
    assert (before.runs, after.runs) == (0, 1)
    assert ran.at - 60 < after.last_run <= ran.at
    assert 0 <= after.last_run % 60 < 5
    assert after.next_run == ran.at // 60 * 60 + 60
