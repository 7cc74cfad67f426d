"""Example providers as processes of their own, each with what it needs, on ports that nobody else has."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from jackfield.runtimes.node import find_node
from toolchains import build_go, node_modules

from .folders import EXAMPLES

START_S = 20.0


def prepare(name: str, into: Path) -> Path:
    """A copy of an example with its dependencies beside it, as its README tells how to get them."""
    folder = into / name
    shutil.copytree(EXAMPLES / name, folder, ignore=shutil.ignore_patterns("__pycache__", "node_modules"))
    if (folder / "package.json").exists():
        (folder / "node_modules").symlink_to(node_modules(EXAMPLES / name / "package.json"))
    if (folder / "go.mod").exists():
        (folder / "relay-go").symlink_to(build_go(EXAMPLES / name))
    return folder


def command_of(folder: Path) -> list[str]:
    if (folder / "package.json").exists():
        return [str(find_node()), "plugin.js"]
    if (folder / "go.mod").exists():
        return ["./relay-go"]
    return [sys.executable, "eliza.py" if (folder / "eliza.py").exists() else "plugin.py"]


@asynccontextmanager
async def running(folder: Path, command: list[str], environ: Mapping[str, str] | None = None) -> AsyncIterator[str]:
    """Its address, as it tells it."""
    process = await asyncio.create_subprocess_exec(
        *command, cwd=folder, env=os.environ | {"PORT": "0"} | dict(environ or {}), stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(START_S):
            line = (await process.stdout.readline()).decode().strip()
        assert line.startswith("listening on http://"), line
        yield line.removeprefix("listening on ")
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()
