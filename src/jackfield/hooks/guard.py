"""What is kept about each plugin while it runs: statistics, and the breaker that quarantines it."""

from __future__ import annotations

from typing import Any

import structlog

from jackfield.breaker import Breaker
from jackfield.clock import Clock

QUARANTINE_AFTER = 5
QUARANTINE_S = 30.0
BLOCKED_NS = 50_000_000
_SUB = 3  # each power of two of microseconds is split in 2**3 buckets: percentiles are right within 12 %

log = structlog.get_logger("jackfield.hooks")


def bucket(nanoseconds: int) -> int:
    """The bucket of a duration: microseconds on a logarithmic scale."""
    micros = nanoseconds // 1000
    if micros < 1 << _SUB:
        return micros
    shift = micros.bit_length() - 1 - _SUB
    return ((shift + 1) << _SUB) + ((micros >> shift) - (1 << _SUB))


def bucket_ms(index: int) -> float:
    """The upper edge of a bucket in milliseconds."""
    if index < 1 << _SUB:
        return (index + 1) / 1000
    shift, sub = (index >> _SUB) - 1, index & ((1 << _SUB) - 1)
    return float(((1 << _SUB) + sub + 1) << shift) / 1000


class PluginStats:
    """Counts since the plugin was first seen; kept when it is replaced by a newer version."""

    __slots__ = ("blocked_loop", "blocks", "buckets", "calls", "errors", "last_error", "loop_ns", "timeouts", "total_ns")

    def __init__(self) -> None:
        self.calls = self.errors = self.blocks = self.timeouts = self.blocked_loop = 0
        self.total_ns = self.loop_ns = 0
        self.last_error: str | None = None
        self.buckets: dict[int, int] = {}

    def add(self, duration_ns: int) -> None:
        self.calls += 1
        self.total_ns += duration_ns
        index = bucket(duration_ns)
        self.buckets[index] = self.buckets.get(index, 0) + 1

    def percentile_ms(self, share: float) -> float:
        wanted = share * sum(self.buckets.values())
        seen = 0
        for index in sorted(self.buckets):
            seen += self.buckets[index]
            if seen >= wanted:
                return bucket_ms(index)
        return 0.0

    def report(self) -> dict[str, Any]:
        """The numbers as the admin API shows them."""
        return {
            "calls": self.calls,
            "errors": self.errors,
            "blocks": self.blocks,
            "timeouts": self.timeouts,
            "p50_ms": self.percentile_ms(0.50),
            "p95_ms": self.percentile_ms(0.95),
            "p99_ms": self.percentile_ms(0.99),
            "loop_ms": round(self.loop_ns / 1e6, 3),
            "blocked_loop": self.blocked_loop,
            "last_error": self.last_error,
        }


class PluginGuard:
    """Stands before every call of one plugin's hooks."""

    __slots__ = ("breaker", "plugin", "stats")

    def __init__(self, plugin: str, clock: Clock) -> None:
        self.plugin = plugin
        self.stats = PluginStats()
        self.breaker = Breaker(clock.monotonic, failures=QUARANTINE_AFTER, cool_down_s=QUARANTINE_S)

    def failed(self, hook: str, error: str, *, timeout: bool) -> None:
        self.stats.errors += 1
        self.stats.timeouts += timeout
        self.stats.last_error = f"{hook}: {error}"
        self.breaker.failure()
        log.warning("hook_failed", plugin=self.plugin, hook=hook, error=error)

    def blocked(self, hook: str, step_ns: int) -> None:
        """Reports a hook that kept the event loop to itself for `step_ns` without a break."""
        self.stats.blocked_loop += 1
        log.warning("hook_blocked_loop", plugin=self.plugin, hook=hook, seconds=round(step_ns / 1e9, 3))
