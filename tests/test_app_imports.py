"""A gateway imports only what it uses: nobody waits for the rest, nor holds it in memory."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

# MCP's SDK, traces to a collector, and what runs plugins elsewhere.
UNUSED = (
    "mcp",
    "mcp_types",
    "httpx2",
    "opentelemetry",
    "jackfield.guests",
    "jackfield.runtimes.isolated.session",
    "grpc",
)
SCRIPT = """
import asyncio, sys
from pathlib import Path

from jackfield import app, settings
from jackfield.testing import Caller


async def main():
    folder, *unused = sys.argv[1:]
    loaded = settings.load(None, {"server.port": 0, "store.data_dir": folder}, {})
    async with app.running(loaded, environ={}) as gateway:
        async with Caller(gateway.url) as caller:
            assert (await caller.get("/ready")).status == 200
    found = [name for name in sorted(sys.modules) if any(f"{name}.".startswith(f"{each}.") for each in unused)]
    sys.exit(", ".join(found) or None)


asyncio.run(main())
"""


def test_what_nobody_uses_is_not_imported(tmp_path: Path) -> None:
    command = [sys.executable, "-c", SCRIPT, str(tmp_path / "data"), *UNUSED]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
