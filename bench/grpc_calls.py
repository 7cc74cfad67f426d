"""Plugins over gRPC: what a hook costs, in Python and, where there is a toolchain, in Go.

`python -m bench.grpc_calls` prints the figures as JSON.
"""

from __future__ import annotations

import asyncio
import json
import shutil
import statistics
import subprocess
import tempfile
from pathlib import Path
from time import perf_counter
from typing import Any

import msgspec

from bench.isolated import run_apart
from bench.rounds import Recorder
from bench.stage import ROOT
from bench.verdicts import Row, at_most, told

CALLS, REPEATS = 500, 5
EXAMPLES = ROOT / "examples"
HOOKS = {"grpc-rate-limiter-python": "count", "grpc-rate-limiter-go": "pre_flight"}
OPENING: dict[str, Any] = {
    "id": "e1",
    "at": 1.0,
    "operation": "chat",
    "route": "POST /v1/chat/completions",
    "client_format": "openai_chat",
    # The rate limiters count no such exchange: what is measured is the way to them and back.
    "synthetic": True,
    "inbound": {"method": "POST", "path": "/v1/chat/completions", "headers": [], "body": ""},
}
TEXT = {"is": "text", "text": "hello " * 170}
REQUEST = {"is": "chat_request", "model": "m", "messages": [{"is": "message", "role": "user", "parts": [TEXT]}]}


class Host:
    """Answers nothing; gives the plugin its config."""

    async def answer(self, method: str, params: Any) -> Any:
        return None

    def hear(self, method: str, params: Any) -> None:
        pass

    async def on_start(self, session: Any) -> None:
        await session.call("describe", deadline_s=10)
        await session.call("load", {"id": "limiter", "config": {}, "granted": ["storage:read"]}, deadline_s=10)

    def on_loss(self, diagnosis: Any) -> None:
        pass


def prepare(name: str, folder: Path) -> Path | None:
    """A copy that can be started; `None` where there is nothing to build it with."""
    place = folder / name
    shutil.copytree(EXAMPLES / name, place, ignore=shutil.ignore_patterns("__pycache__"))
    if not name.endswith("-go"):
        return place
    go = shutil.which("go") or shutil.which("go", path="/usr/local/go/bin")
    if go is None:
        return None
    command = [go, "build", "-trimpath", "-buildvcs=false", "-o", str(place / "rate-limiter"), "."]
    subprocess.run(command, check=True, cwd=EXAMPLES / name, capture_output=True)
    return place


async def measure_hook(place: Path, hook: str) -> float:
    """Microseconds, the median of the repeats' medians."""
    from jackfield.clock import SystemClock
    from jackfield.runtimes.grpc.program import GrpcProgram
    from jackfield.runtimes.grpc.session import GrpcSession
    from jackfield.sdk.manifest import read_manifest

    start = read_manifest(place / "jackfield.toml").grpc
    assert start is not None
    session = GrpcSession(
        "limiter", GrpcProgram(command=start.command, folder=place, args=start.args), Host(), SystemClock()
    )
    await session.start()
    opening, seen = msgspec.json.encode(OPENING), msgspec.json.encode({"request": REQUEST})
    medians = []
    for _ in range(REPEATS + 1):
        taken = []
        for at in range(CALLS):
            params = {"name": hook, "exchange": (f"e{at}", opening, seen)}
            began = perf_counter()
            await session.call("hook", params, deadline_s=10)
            taken.append(perf_counter() - began)
        medians.append(statistics.median(taken))
    await session.stop(1)
    return statistics.median(medians[1:]) * 1e6


async def measure() -> dict[str, float]:
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, hook in HOOKS.items():
            place = await asyncio.to_thread(prepare, name, Path(folder))
            if place is not None:
                found[name] = await measure_hook(place, hook)
    return found


def grpc_calls(recorder: Recorder) -> list[Row]:
    """Not pinned to a core: a call runs on both sides. From the sources, where the interpreter that a plugin in Python
    is started with finds the package."""
    found = run_apart("bench.grpc_calls", ROOT / "src")
    rows = []
    for name in HOOKS:
        what = f"one hook over gRPC, {name.rpartition('-')[2].capitalize()}"
        if name in found:
            rows.append(at_most("grpc", what, 600, "us", found[name], "1 KB, one after the other, with TLS"))
        else:
            rows.append(told("grpc", what, "not measured", "there is no Go toolchain"))
    return rows


if __name__ == "__main__":
    import uvloop

    print(json.dumps(uvloop.run(measure())))
