"""What is counted of each plugin, and what the trace of an exchange tells."""

from __future__ import annotations

import asyncio
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from jackfield.hooks import deadline, dispatch
from jackfield.hooks.guard import PluginStats
from jackfield.hooks.trace import Trace
from jackfield.hooks.watchdog import BLOCKED_NS
from jackfield.sdk import Reject

from .scene import LONG_MS, SOON_MS, Asked, answer_with, make_exchange, make_hook, raise_it


async def test_calls_errors_blocks_and_time_outs_are_counted() -> None:
    async def hang(_: object) -> None:
        await asyncio.Event().wait()

    first = make_hook(answer_with(None))
    for call in (answer_with(None), answer_with(Reject(400, "no", "No.")), raise_it(ValueError("v")), hang):
        await Asked(make_hook(call, guard=first.guard, timeout_ms=SOON_MS)).ask()
    report = first.guard.stats.report()
    counts = {name: report[name] for name in ("calls", "errors", "blocks", "timeouts")}
    assert counts == {"calls": 4, "errors": 2, "blocks": 1, "timeouts": 1}
    assert report["p99_ms"] >= SOON_MS * 0.8
    assert report["last_error"] == "check: no answer within 20 ms"


def test_a_plugin_that_was_never_called_has_a_report_too() -> None:
    report = PluginStats().report()
    assert (report["calls"], report["p50_ms"], report["p99_ms"], report["last_error"]) == (0, 0.0, 0.0, None)


@given(st.lists(st.integers(1_000, 10_000_000_000), min_size=1, max_size=50))
def test_percentiles_are_near_the_truth_and_never_finer_than_a_microsecond(durations: list[int]) -> None:
    stats = PluginStats()
    for duration in durations:
        stats.add(duration)
    report = stats.report()
    assert report["p50_ms"] <= report["p95_ms"] <= report["p99_ms"]
    assert min(durations) / 1e6 * 0.8 - 0.001 <= report["p50_ms"]
    assert report["p99_ms"] <= max(durations) / 1e6 * 1.3 + 0.001


def keep_the_loop(nanoseconds: int) -> None:
    end = time.perf_counter_ns() + nanoseconds
    while time.perf_counter_ns() < end:
        pass


async def test_a_hook_that_keeps_the_loop_is_reported_by_name_and_duration() -> None:
    async def block(_: object) -> None:
        keep_the_loop(BLOCKED_NS + 5_000_000)

    asked = Asked(make_hook(block, timeout_ms=LONG_MS))
    with capture_logs() as logs:
        await asked.ask()
    assert asked.outcome == "passed"
    (report,) = logs
    assert (report["event"], report["plugin"], report["hook"]) == ("hook_blocked_loop", "tested", "check")
    assert report["seconds"] >= BLOCKED_NS / 1e9
    assert asked.hook.guard.stats.report()["blocked_loop"] == 1


async def test_also_after_a_wait_and_where_it_fails_in_the_end() -> None:
    async def wait_and_block(_: object) -> None:
        await asyncio.sleep(0)
        keep_the_loop(BLOCKED_NS + 5_000_000)
        raise ValueError("after all that")

    asked = Asked(make_hook(wait_and_block, timeout_ms=LONG_MS))
    with capture_logs() as logs:
        await asked.ask()
    assert [log["event"] for log in logs] == ["hook_blocked_loop", "hook_failed"]


async def test_time_spent_waiting_is_not_time_kept_from_the_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0]
    for module in (dispatch, deadline):
        monkeypatch.setattr(module, "perf_counter_ns", lambda: now[0])

    async def wait(_: object) -> None:
        asyncio.get_running_loop().call_soon(now.__setitem__, 0, 60_000_000)
        await asyncio.sleep(0)

    asked = Asked(make_hook(wait))
    await asked.ask()
    report = asked.hook.guard.stats.report()
    assert (report["blocked_loop"], report["loop_ms"]) == (0, 0)
    assert report["p50_ms"] >= 50


async def test_the_trace_tells_who_ran_where_how_and_how_long() -> None:
    trace = Trace(time.perf_counter_ns())
    asked = Asked(make_hook(answer_with(None)), make_exchange())
    asked.trace = trace
    await asked.ask()
    trace.phase("pre_flight")
    (call,) = trace.calls()
    assert (call["point"], call["plugin"], call["hook"], call["outcome"]) == ("pre_flight", "tested", "check", "passed")
    assert call["times"] == 1
    assert call["at_ms"] >= 0
    assert call["ms"] * 1e6 == trace.hooks_ns
    (phase,) = trace.phases()
    assert phase["phase"] == "pre_flight"
    assert phase["ms"] >= call["ms"]


async def test_calls_that_ended_alike_are_one_entry() -> None:
    asked = Asked(make_hook(answer_with(None), "response_chunk"))
    for _ in range(3):
        await asked.ask(object())
    (call,) = asked.trace.calls()
    assert call["times"] == 3
