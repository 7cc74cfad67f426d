"""What is kept about each plugin while it runs: statistics, and the breaker that quarantines it."""

from __future__ import annotations

from typing import Any

import structlog

from jackfield.breaker import Breaker
from jackfield.clock import Clock
from jackfield.telemetry.histogram import Histogram

QUARANTINE_AFTER = 5
QUARANTINE_S = 30.0
BLOCKED_NS = 50_000_000

log = structlog.get_logger("jackfield.hooks")


class PluginStats:
    """Counts since the plugin was first seen; kept when it is replaced by a newer version."""

    __slots__ = ("blocked_loop", "blocks", "durations", "errors", "last_error", "loop_ns", "timeouts")

    def __init__(self) -> None:
        self.errors = self.blocks = self.timeouts = self.blocked_loop = self.loop_ns = 0
        self.last_error: str | None = None
        self.durations = Histogram()

    def add(self, duration_ns: int) -> None:
        self.durations.add(duration_ns / 1e9)

    def report(self) -> dict[str, Any]:
        """The numbers as the admin API shows them."""
        return {
            "calls": self.durations.count,
            "errors": self.errors,
            "blocks": self.blocks,
            "timeouts": self.timeouts,
            "p50_ms": round(self.durations.quantile_s(0.50) * 1000, 4),
            "p95_ms": round(self.durations.quantile_s(0.95) * 1000, 4),
            "p99_ms": round(self.durations.quantile_s(0.99) * 1000, 4),
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
