"""`jackfield` as a child process, started as operators start it."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path

OUTPUT, ERRORS = "output.log", "errors.log"
WITHIN_S = 20.0


async def start_process(
    folder: Path, *arguments: str, environ: Mapping[str, str] | None = None
) -> asyncio.subprocess.Process:
    """`jackfield …` in that folder, with none of this process's own settings; it prints into files there."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("JACKFIELD_")}
    with ExitStack() as files:
        output = files.enter_context(folder.joinpath(OUTPUT).open("wb"))
        errors = files.enter_context(folder.joinpath(ERRORS).open("wb"))
        return await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "jackfield",
            *arguments,
            cwd=folder,
            env=inherited | dict(environ or {}),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=errors,
        )


async def end_process(process: asyncio.subprocess.Process) -> None:
    """Kills what still runs."""
    if process.returncode is None:
        process.kill()
    await process.wait()


async def run_command(
    folder: Path, *arguments: str, environ: Mapping[str, str] | None = None, within: float = WITHIN_S
) -> tuple[int, str, str]:
    """Exit code, output and error output of `jackfield …`."""
    process = await start_process(folder, *arguments, environ=environ)
    try:
        async with asyncio.timeout(within):
            code = await process.wait()
    finally:
        await end_process(process)
    return code, *read_outputs(folder)


def read_outputs(folder: Path) -> tuple[str, str]:
    return folder.joinpath(OUTPUT).read_text(), folder.joinpath(ERRORS).read_text()
