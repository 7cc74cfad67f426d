"""The end of what a process prints is kept, and costs little."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator

import pytest

from jackfield.runtimes.output import KEPT, LINES, Output
from jackfield.testing.waiting import until


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    read, write = os.pipe()
    os.set_blocking(read, False)
    yield read, write
    os.close(write)


async def test_the_last_lines_are_kept(pipe: tuple[int, int]) -> None:
    output = Output(pipe[0])
    os.write(pipe[1], b"".join(b"line %d\n" % number for number in range(100)))
    output.close()
    lines = output.last_words.splitlines()
    assert (len(lines), lines[0], lines[-1]) == (LINES, "line 60", "line 99")


async def test_a_long_line_is_cut_and_what_is_no_text_is_made_one(pipe: tuple[int, int]) -> None:
    output = Output(pipe[0])
    os.write(pipe[1], b"x" * 20_000 + b"\0\xff end")
    output.close()
    assert output.last_words.endswith("x\ufffd end")
    assert len(output.last_words) <= KEPT


async def test_who_prints_without_end_is_neither_blocked_for_good_nor_read_without_end(pipe: tuple[int, int]) -> None:
    read, write = pipe
    os.set_blocking(write, False)
    output, written = Output(read), 0

    async def flood() -> int:
        nonlocal written
        try:
            while True:
                written += os.write(write, b"y" * 4096)
        except BlockingIOError:
            return written

    loop = asyncio.get_running_loop()
    began = loop.time()
    await until(flood, lambda total: total > 2_000_000, within=5)
    assert loop.time() - began > 0.05
    output.close()
    output.close()
    assert set(output.last_words) == {"y"}
