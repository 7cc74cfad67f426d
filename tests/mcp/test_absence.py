"""Who asks for no MCP pays nothing for it."""

from __future__ import annotations

import subprocess
import sys

SCRIPT = """
import asyncio, sys
from pathlib import Path

from jackfield import app, settings
from jackfield.testing import Caller


async def main():
    loaded = settings.load(None, {"server.port": 0, "store.data_dir": sys.argv[1]}, {})
    async with app.running(loaded, environ={}) as gateway:
        async with Caller(gateway.url) as caller:
            assert (await caller.get("/ready")).status == 200
    sys.exit(", ".join({"mcp", "mcp_types", "httpx2"} & set(sys.modules)) or None)


asyncio.run(main())
"""


def test_the_sdk_is_loaded_by_nobody_who_does_not_use_it(tmp_path) -> None:
    command = [sys.executable, "-c", SCRIPT, str(tmp_path / "data")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
