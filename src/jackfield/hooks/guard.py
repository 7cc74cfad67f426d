"""What is kept about each plugin while it runs: statistics, and the breaker that quarantines it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import structlog

from jackfield.breaker import Breaker
from jackfield.clock import Clock
from jackfield.hooks.watchdog import Watched, report_blocked
from jackfield.settings import conceal
from jackfield.telemetry.histogram import Histogram
from jackfield.telemetry.text import escape_halves

QUARANTINE_AFTER = 5
QUARANTINE_S = 30.0

_COUNTS = ("errors", "blocks", "timeouts", "blocked_loop", "loop_ns", "last_error")

log = structlog.get_logger("jackfield.hooks")


class PluginStats:
    """Counts since the plugin was first seen; kept when it is replaced by a newer version.

    `steps` are the nanoseconds of calls that never waited, each one step on the loop: they are counted some at a time,
    by who adds them, and before anybody looks."""

    __slots__ = ("_durations", "blocked_loop", "blocks", "errors", "last_error", "loop_ns", "steps", "timeouts")

    def __init__(self) -> None:
        self.errors = self.blocks = self.timeouts = self.blocked_loop = self.loop_ns = 0
        self.last_error: str | None = None
        self._durations = Histogram()
        self.steps: list[int] = []

    @property
    def durations(self) -> Histogram:
        self.count_steps()
        return self._durations

    def add(self, duration_ns: int) -> None:
        self._durations.add(duration_ns / 1e9)

    def add_steps(self, durations_ns: Sequence[int]) -> None:
        self.loop_ns += self._durations.add_all(durations_ns)

    def count_steps(self) -> None:
        if self.steps:
            self.add_steps(self.steps)
            self.steps.clear()

    def freeze(self) -> dict[str, Any]:
        """As JSON can hold it, for `thaw`."""
        self.count_steps()
        counts = {name: getattr(self, name) for name in _COUNTS}
        buckets = {str(index): count for index, count in self.durations.buckets.items()}
        return {**counts, "buckets": buckets, "sum_s": self.durations.sum_s}

    @classmethod
    def thaw(cls, frozen: Mapping[str, Any]) -> PluginStats:
        stats = cls()
        for name in _COUNTS:
            setattr(stats, name, frozen[name])
        buckets = {int(index): count for index, count in frozen["buckets"].items()}
        stats._durations = Histogram(buckets, frozen["sum_s"])
        return stats

    def report(self) -> dict[str, Any]:
        """The numbers as the admin API shows them."""
        self.count_steps()
        return {
            "calls": self.durations.count,
            "errors": self.errors,
            "blocks": self.blocks,
            "timeouts": self.timeouts,
            "mean_ms": round(self.durations.sum_s / max(self.durations.count, 1) * 1000, 4),
            "p50_ms": round(self.durations.quantile_s(0.50) * 1000, 4),
            "p95_ms": round(self.durations.quantile_s(0.95) * 1000, 4),
            "p99_ms": round(self.durations.quantile_s(0.99) * 1000, 4),
            "loop_ms": round(self.loop_ns / 1e6, 3),
            "blocked_loop": self.blocked_loop,
            "last_error": self.last_error,
        }


class PluginGuard:
    """Stands before every call of one plugin's hooks. A plugin is quarantined as a whole, after `QUARANTINE_AFTER`
    failures in a row of any one of its hooks: a hook that works cannot hide one that fails. `in_a_row` is those so far,
    by hook."""

    __slots__ = ("_clock", "breaker", "in_a_row", "plugin", "stats")

    def __init__(self, plugin: str, clock: Clock, stats: PluginStats | None = None) -> None:
        """`stats` are those to count on with: of the plugin's former version."""
        self.plugin = plugin
        self._clock = clock
        self.stats = stats or PluginStats()
        self.breaker = Breaker(clock.monotonic, failures=1, cool_down_s=QUARANTINE_S)
        self.in_a_row: dict[str, int] = {}

    @property
    def quarantined(self) -> bool:
        return self.breaker.state != "closed"

    def inner(self) -> InnerGuard:
        """For hooks of its dialect, beside the plugin's own."""
        return InnerGuard(self.plugin, self._clock)

    def succeeded(self, hook: str) -> None:
        if self.in_a_row:
            self.in_a_row.pop(hook, None)
        self.breaker.success()

    def failed(self, hook: str, error: str, cause: BaseException, *, timeout: bool) -> None:
        """A hook that brought the plugin into quarantine does so again with its first failure after it, until it has
        succeeded once."""
        self._note(hook, error, cause, timeout=timeout)
        count = self.in_a_row[hook] = min(self.in_a_row.get(hook, 0) + 1, QUARANTINE_AFTER)
        if count == QUARANTINE_AFTER or self.quarantined:
            self.breaker.failure()

    def came_back(self) -> None:
        """The process that it runs in was lost, and is there again: what failed before says nothing of this one. One
        that is lost again and again is kept away by its session."""
        self.in_a_row.clear()
        self.breaker.reset()

    def _note(self, hook: str, error: str, cause: BaseException, *, timeout: bool) -> None:
        self.stats.errors += 1
        self.stats.timeouts += timeout
        self.stats.last_error = conceal(escape_halves(f"{hook}: {error}"))
        log.warning("hook_failed", plugin=self.plugin, hook=hook, error=error, exc_info=None if timeout else cause)

    def refused_late(self, hook: str, request: str) -> None:
        """Counts and reports a refusal of what had gone out to its client. It is no failure that would bring the plugin
        into quarantine: what it refuses in time it still does."""
        self.stats.errors += 1
        self.stats.last_error = f"{hook}: refused an answer that had been sent"
        log.error("refused_too_late", plugin=self.plugin, hook=hook, request=request)

    def blocked(self, who: Watched, step_ns: int) -> None:
        """Counts and reports what kept the event loop to itself for `step_ns` without a break."""
        self.stats.blocked_loop += 1
        report_blocked(who, step_ns)


class InnerGuard(PluginGuard):
    """Reports what goes wrong, and never brings into quarantine: others rely on what such a hook does."""

    __slots__ = ()

    def failed(self, hook: str, error: str, cause: BaseException, *, timeout: bool) -> None:
        self._note(hook, error, cause, timeout=timeout)
