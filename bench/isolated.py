"""Plugins in processes of their own: what a call costs, how long ten of them take to start, and what four that
misbehave cost sixteen others.

`python -m bench.isolated` prints the figures as JSON.
"""

from __future__ import annotations

import asyncio
import gc
import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from time import perf_counter
from typing import Any

from bench.child import ChildError
from bench.rounds import Recorder
from bench.stage import PACKAGES, ROOT, environment
from bench.verdicts import Row, at_least, at_most

PROGRAM = Path(__file__).with_name("isolated.mjs")
CALLS, REPEATS = 1000, 7
STARTED = 10
CROWD, ROUNDS = 20, 40
BAD = ("spin", "hog", "exit", "flood")


class Host:
    """Asks nothing, and answers nothing."""

    async def answer(self, method: str, params: Any) -> Any:
        return None

    def hear(self, method: str, params: Any) -> None:
        pass

    async def on_start(self, session: Any) -> None:
        await session.call("start", deadline_s=5)

    def on_loss(self, diagnosis: Any) -> None:
        pass


def open_sessions(number: int, folder: str) -> list[Any]:
    from jackfield.clock import SystemClock
    from jackfield.runtimes.node import NodeSession

    return [NodeSession(f"p{at}", PROGRAM, Path(folder), Host(), SystemClock()) for at in range(number)]


async def stop_all(sessions: Sequence[Any]) -> None:
    await asyncio.gather(*(session.stop(0.2) for session in sessions))


async def time_calls(session: Any, number: int) -> list[float]:
    """Seconds of each of so many calls, one after the other."""
    taken = []
    for at in range(number):
        began = perf_counter()
        await session.call("echo", {"city": "Oslo", "number": at}, deadline_s=10)
        taken.append(perf_counter() - began)
    return taken


async def measure_call(folder: str) -> float:
    """Microseconds, the median of the repeats' medians."""
    (session,) = open_sessions(1, folder)
    await session.start()
    await time_calls(session, CALLS)
    medians = [statistics.median(await time_calls(session, CALLS)) for _ in range(REPEATS)]
    await stop_all([session])
    return statistics.median(medians) * 1e6


async def measure_start(folder: str) -> float:
    sessions = open_sessions(STARTED, folder)
    began = perf_counter()
    await asyncio.gather(*(session.start() for session in sessions))
    taken = perf_counter() - began
    await stop_all(sessions)
    return taken


async def measure_crowd(folder: str) -> tuple[float, float]:
    """The 99th percentile of the good ones' calls, 200 at a time, in seconds: without and with the bad ones at work."""
    sessions = open_sessions(CROWD, folder)
    await asyncio.gather(*(session.start() for session in sessions))
    bad, good = sessions[: len(BAD)], sessions[len(BAD) :]
    quiet = await measure_good(good)
    ended = asyncio.Event()
    mischief = [
        asyncio.create_task(misbehave(session, method, ended)) for session, method in zip(bad, BAD, strict=True)
    ]
    disturbed = await measure_good(good)
    ended.set()
    await stop_all(sessions)
    await asyncio.gather(*mischief)
    return quiet, disturbed


async def misbehave(session: Any, method: str, ended: asyncio.Event) -> None:
    """Again and again: what was killed for it comes back."""
    from jackfield.errors import JackfieldError

    while not ended.is_set():
        with suppress(JackfieldError):
            await session.call(method, deadline_s=30)
        with suppress(TimeoutError):
            await asyncio.wait_for(ended.wait(), 0.1)


async def measure_good(good: Sequence[Any]) -> float:
    taken: list[float] = []
    for _ in range(ROUNDS):
        calls = [time_calls(good[at % len(good)], 1) for at in range(200)]
        taken += [seconds for (seconds,) in await asyncio.gather(*calls)]
    return statistics.quantiles(taken, n=100)[98]


async def measure() -> dict[str, float]:
    gc.freeze()
    with tempfile.TemporaryDirectory() as folder:
        call, start = await measure_call(folder), await measure_start(folder)
        quiet, disturbed = await measure_crowd(folder)
    return {"call_us": call, "start_s": start, "quiet_ms": quiet * 1000, "disturbed_ms": disturbed * 1000}


def isolated(recorder: Recorder) -> list[Row]:
    """Not pinned to a core: a call runs on both sides, and the plugins share what there is."""
    found = run_apart("bench.isolated")
    crowd = f"p99 of 200 calls at once: {found['quiet_ms']:.1f} ms, with the four {found['disturbed_ms']:.1f} ms"
    return [
        at_most("isolated", "one call of an empty method in Node", 150, "us", found["call_us"], "one after the other"),
        at_most("isolated", "ten Node plugins started at once", 2, "s", found["start_s"]),
        at_most(
            "isolated", "sixteen plugins beside four bad ones", 2, "x", found["disturbed_ms"] / found["quiet_ms"], crowd
        ),
        *rate_python(run_apart("bench.isolated_python")),
    ]


def rate_python(found: dict[str, float]) -> list[Row]:
    pinned = "1 KB each way, 10 at a time, the gateway's side and the plugin's on one core"
    return [
        at_most("isolated", "isolated python call", 150, "us", found["call_us"], "1 KB each way, one after the other"),
        at_least("isolated", "isolated python calls/s, 10 at a time, one core", 15_000, found["rate"], pinned),
        at_most("isolated", "one isolated python plugin started", 0.5, "s", found["start_s"]),
    ]


def run_apart(module: str, packages: Path = PACKAGES) -> dict[str, float]:
    """What a module of measurements prints, run in a process of its own."""
    command = [sys.executable, "-m", module]
    done = subprocess.run(
        command, capture_output=True, text=True, env=environment(packages), cwd=ROOT, timeout=120, check=False
    )
    if done.returncode != 0:
        raise ChildError(f"{module} ended with {done.returncode}: {done.stderr.strip().rpartition(chr(10))[2]}")
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


if __name__ == "__main__":
    import uvloop

    print(json.dumps(uvloop.run(measure())))
