"""Isolated Python: what a call costs over its socket, how many there are in a second with both sides on one core, and
how long a process takes to start.

`python -m bench.isolated_python` prints the figures as JSON.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import statistics
from pathlib import Path
from time import perf_counter
from typing import Any

from bench.isolated import Host

HERE = Path(__file__).parent
CALLS, REPEATS, AT_ONCE, STARTS = 1000, 7, 10, 5
PARAMS = {
    "exchange": {
        "id": "0123456789abcdef",
        "model": "gpt-4o",
        "messages": [{"role": "user", "content": "x" * 800}],
        "temperature": 0.7,
        "stream": False,
        "user": "app/alice",
        "headers": {"user-agent": "bench", "content-type": "application/json"},
    }
}


def open_session() -> Any:
    from jackfield.clock import SystemClock
    from jackfield.runtimes.isolated.session import GuestProgram, IsolatedSession

    program = GuestProgram(module="isolated_program", read=(HERE,), path=(str(HERE),))
    return IsolatedSession("bench", program, Host(), SystemClock())


async def call_often(session: Any, number: int, taken: list[float]) -> None:
    for _ in range(number):
        began = perf_counter()
        await session.call("echo", PARAMS, deadline_s=10)
        taken.append(perf_counter() - began)


async def measure_calls(session: Any) -> float:
    """Microseconds, the median of the repeats' medians."""
    medians = []
    for _ in range(REPEATS):
        taken: list[float] = []
        await call_often(session, CALLS, taken)
        medians.append(statistics.median(taken))
    return statistics.median(medians) * 1e6


async def measure_rate(session: Any) -> float:
    """Calls a second, so many at a time, the median of the repeats."""
    rates = []
    for _ in range(REPEATS):
        began = perf_counter()
        await asyncio.gather(*(call_often(session, CALLS // 2, []) for _ in range(AT_ONCE)))
        rates.append(AT_ONCE * (CALLS // 2) / (perf_counter() - began))
    return statistics.median(rates)


async def measure_starts() -> float:
    taken = []
    for _ in range(STARTS):
        session = open_session()
        began = perf_counter()
        await session.start()
        taken.append(perf_counter() - began)
        await session.stop(1)
    return statistics.median(taken)


async def measure() -> dict[str, float]:
    gc.freeze()
    session = open_session()
    await session.start()
    call = await measure_calls(session)
    core = {max(os.sched_getaffinity(0))}
    for process in (0, session.diagnose().pid):
        os.sched_setaffinity(process, core)
    rate = await measure_rate(session)
    await session.stop(1)
    return {"call_us": call, "rate": rate, "start_s": await measure_starts()}


if __name__ == "__main__":
    import uvloop

    print(json.dumps(uvloop.run(measure())))
