"""What one load run saw."""

from __future__ import annotations

import math
from array import array
from collections.abc import Sequence

import msgspec


class Spread(msgspec.Struct, frozen=True):
    """Milliseconds."""

    p50: float
    p90: float
    p99: float
    p999: float
    mean: float
    most: float


class LoadResult(msgspec.Struct, frozen=True, kw_only=True):
    """`cpu_share` is the load generator's own share of its core. `first_event` is there for streams only."""

    requests: int
    errors: int
    seconds: float
    rate: float
    cpu_share: float | None
    latency: Spread | None
    tool: str = "bench.load"
    events: int = 0
    first_event: Spread | None = None
    fault: str | None = None


class Meter:
    """Collects times in seconds. `fault` keeps the first thing that went wrong."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        self.latencies = array("d")
        self.first_events = array("d")
        self.events = 0
        self.errors = 0
        self.fault: str | None = None

    def fail(self, fault: str) -> None:
        self.errors += 1
        self.fault = self.fault or fault


def percentile(ordered: Sequence[float], share: float) -> float:
    """The nearest-rank percentile of values in ascending order."""
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def spread_of(seconds: Sequence[float]) -> Spread | None:
    if not seconds:
        return None
    ordered = sorted(seconds)
    shares = [1000 * percentile(ordered, share) for share in (0.5, 0.9, 0.99, 0.999)]
    mean = 1000 * sum(ordered) / len(ordered)
    p50, p90, p99, p999 = shares
    return Spread(p50, p90, p99, p999, mean, 1000 * ordered[-1])
