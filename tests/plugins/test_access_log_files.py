"""The file of `access_log`: former files, several writers, and a disk that fails."""

from __future__ import annotations

import asyncio
import itertools
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from jackfield.plugins.access_log import writer
from jackfield.plugins.access_log.file import LogFile
from jackfield.plugins.access_log.visit import Visit
from jackfield.plugins.access_log.writer import Writer
from jackfield.testing import until


def visit(number: int) -> Visit:
    return Visit("GET", f"/{number}", "", "")


class Disk:
    """Fails until it is mended."""

    def __init__(self) -> None:
        self.written: list[str] = []
        self.told: list[str] = []
        self.broken = True

    def write(self, visits: list[Visit]) -> None:
        if self.broken:
            raise OSError(28, "No space left on device", "access.log")
        self.written += [one.path for one in visits]


def test_a_large_file_makes_room_and_only_so_many_are_kept(tmp_path: Path) -> None:
    file = LogFile(tmp_path / "a.log", most_bytes=11, keep=2)
    for line in (b"one\n", b"two\n", b"three\n", b"four\n", b"a longer one than fits\n", b"six\n"):
        file.append(line)
    kept = {path.name: path.read_text() for path in tmp_path.glob("a.log*")}
    assert kept == {"a.log": "six\n", "a.log.1": "a longer one than fits\n", "a.log.2": "three\nfour\n"}


def test_several_writers_lose_and_mix_nothing(tmp_path: Path) -> None:
    """Each has a file of its own open, as workers have."""
    files = [LogFile(tmp_path / "a.log", most_bytes=1000, keep=100) for _ in range(4)]

    def write(pair: tuple[int, LogFile]) -> None:
        number, file = pair
        for line in range(50):
            file.append(f"{number} {line}\n".encode())

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(write, enumerate(files)))
    lines = [line for path in tmp_path.glob("a.log*") for line in path.read_text().splitlines()]
    assert sorted(lines) == sorted(f"{number} {line}" for number, line in itertools.product(range(4), range(50)))


def test_who_else_takes_the_file_away_is_followed(tmp_path: Path) -> None:
    file = LogFile(tmp_path / "a.log", most_bytes=10_000, keep=1)
    file.append(b"one\n")
    (tmp_path / "a.log").rename(tmp_path / "moved")
    file.append(b"two\n")
    assert (tmp_path / "a.log").read_text() == "two\n"


async def test_what_the_disk_refuses_waits_and_says_so_once(monkeypatch: pytest.MonkeyPatch) -> None:
    disk = Disk()
    lines = Writer(disk.write, disk.told.append, every_s=0.001)
    await lines.open(())
    for number in range(3):
        lines.add(visit(number))
    problem = await until(lambda: _now(lines.problem), bool)
    assert problem == "access.log: No space left on device; 0 lines are lost"
    disk.broken = False
    await until(lambda: _now(len(disk.written)), lambda count: count == 3)
    await lines.aclose()
    assert (disk.written, disk.told) == (["/0", "/1", "/2"], [problem, ""])


async def test_of_too_many_that_wait_the_oldest_are_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "MOST_WAITING", 2)
    disk = Disk()
    disk.broken = False
    lines = Writer(disk.write, disk.told.append, every_s=60)
    await lines.open(())
    for number in range(5):
        lines.add(visit(number))
    await lines.aclose()
    assert (disk.written, lines.lost) == (["/3", "/4"], 3)


async def test_what_cannot_be_written_until_the_end_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    disk = Disk()
    lines = Writer(disk.write, disk.told.append, every_s=60)
    await lines.open(())
    lines.add(visit(1))
    await lines.aclose()
    assert disk.told[-1] == "1 lines were not written before the end"


async def _now(value: object) -> object:
    await asyncio.sleep(0)
    return value
