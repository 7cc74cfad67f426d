"""Programs that are run to make an environment, each in a process of its own with a deadline."""

from __future__ import annotations

import asyncio
import os
import resource
import signal
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from jackfield.runtimes.launch import Launch, read_report, spawn
from jackfield.runtimes.output import Output

_KEPT = 8 * 1024


async def run_tool(
    command: Sequence[str], environ: Mapping[str, str], folder: Path, largest: int, deadline_s: float
) -> tuple[int, str]:
    """Its exit code and its last words; it may write below `folder`, no file larger than `largest`. It, and what it
    started, is gone when this returns. Raises `TimeoutError`."""
    words = folder / "words"
    with words.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            *command,
            env=dict(environ),
            cwd=folder,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        with suppress(ProcessLookupError):
            resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (largest, largest))
        async with asyncio.timeout(deadline_s):
            code = await process.wait()
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()
    return code, _read_end(words)


def _read_end(file: Path) -> str:
    with file.open("rb") as opened:
        opened.seek(max(0, opened.seek(0, os.SEEK_END) - _KEPT))
        return opened.read().decode(errors="replace")


async def run_shut_in(launch: Launch, deadline_s: float) -> int:
    """The exit code of a program that deals with what strangers made: it has the sandbox of a plugin. Raises
    `LaunchFailed` and `TimeoutError`."""
    launched, report = spawn(launch)
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    loop.add_reader(launched.pidfd, ended.set)
    output = Output(launched.output)
    try:
        await read_report(report)
        async with asyncio.timeout(deadline_s):
            await ended.wait()
    finally:
        launched.process.kill()
        loop.remove_reader(launched.pidfd)
        code = launched.process.wait()
        output.close()
        launched.socket.close()
        os.close(launched.pidfd)
    return code
