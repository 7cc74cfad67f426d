"""The dispatcher by itself: what calling one hook costs without any request around it.

`python -m bench.dispatch` prints microseconds a call, the median of some repeats.
"""

from __future__ import annotations

import asyncio
import gc
import statistics
import subprocess
import sys
from collections.abc import Awaitable, Callable
from time import perf_counter_ns
from typing import Any, cast

from bench.child import ChildError
from bench.cores import pinned
from bench.rounds import Recorder
from bench.stage import ROOT, environment
from bench.verdicts import Row, at_most

HOOKS, PASSES, REPEATS = 20, 500, 15


def measure() -> float:
    from jackfield.clock import SystemClock
    from jackfield.hooks.dispatch import decide
    from jackfield.hooks.guard import PluginGuard
    from jackfield.hooks.table import BoundHook
    from jackfield.hooks.trace import Trace
    from jackfield.sdk.context import Exchange
    from jackfield.sdk.hooks import HookSpec

    async def look(exchange: Exchange) -> None:
        """A hook with nothing to say."""

    def bound(number: int) -> BoundHook:
        spec = HookSpec(point="pre_flight", name="look", on_failure="open")
        call = cast("Callable[..., Awaitable[Any]]", look)
        guard = PluginGuard(f"p{number}", SystemClock())
        return BoundHook(f"p{number}", spec, call, guard, priority=100, timeout_ms=500, closed=False)

    async def repeat() -> list[float]:
        hooks = tuple(bound(number) for number in range(HOOKS))
        exchange = Exchange(cast("Any", None))
        taken = []
        for _ in range(REPEATS):
            began = perf_counter_ns()
            for _ in range(PASSES):
                await decide(hooks, exchange, Trace(began), lambda value: None)
            taken.append((perf_counter_ns() - began) / (PASSES * HOOKS * 1000))
        return taken

    gc.disable()
    return statistics.median(asyncio.run(repeat()))


def dispatch(recorder: Recorder) -> list[Row]:
    """One call of a hook that does nothing, without a request around it."""
    command = [sys.executable, "-m", "bench.dispatch"]
    with pinned(recorder.stage.cores.target):
        done = subprocess.run(
            command, capture_output=True, text=True, env=environment(), cwd=ROOT, timeout=60, check=False
        )
    if done.returncode != 0:
        raise ChildError(f"{command[-1]} ended with {done.returncode}: {done.stderr.strip().rpartition(chr(10))[2]}")
    note = "dispatcher alone: deadline, breaker, statistics, trace, and the call"
    return [at_most("dispatch", "one call of an empty hook", 15, "us", float(done.stdout), note)]


if __name__ == "__main__":
    print(measure())
