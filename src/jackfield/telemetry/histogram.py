"""Durations in logarithmic buckets: an append to record, any quantile to within six per cent."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise

# Eight buckets between one power of two and the next, in microseconds.
_FINE = 3
_STEPS = 1 << _FINE
_LARGEST = (1 << 32) - 1

# Counting so many takes some microseconds.
COUNTED_AT_ONCE = 64

# What is exposed: powers of four from 64 us to 268 s, and each is the edge of a bucket.
EDGES_US = tuple(1 << power for power in range(6, 29, 2))


class Histogram:
    """To record is to append: durations are counted some at a time, or before anybody looks."""

    __slots__ = ("_buckets", "_sum_s", "_total", "_waiting")

    def __init__(self, buckets: Mapping[int, int] | None = None, sum_s: float = 0.0) -> None:
        self._buckets = dict(buckets or {})
        self._total = sum(self._buckets.values())
        self._sum_s = sum_s
        self._waiting: list[float] = []

    def add(self, seconds: float) -> None:
        self._waiting.append(seconds)
        if len(self._waiting) >= COUNTED_AT_ONCE:
            self._count()

    def add_all(self, durations_ns: Sequence[int]) -> int:
        """Many at once; returns their sum in nanoseconds."""
        total = sum(durations_ns)
        self._count_all([duration // 1000 for duration in durations_ns], total / 1e9)
        return total

    @property
    def buckets(self) -> Mapping[int, int]:
        self._count()
        return self._buckets

    @property
    def count(self) -> int:
        return self._total + len(self._waiting)

    @property
    def sum_s(self) -> float:
        self._count()
        return self._sum_s

    def quantile_s(self, share: float) -> float:
        """0 where nothing was recorded."""
        return quantile_s(self.buckets, share)

    def _count(self) -> None:
        waiting = self._waiting
        if waiting:
            self._count_all([int(seconds * 1e6) for seconds in waiting], sum(waiting))
            waiting.clear()

    def _count_all(self, durations_us: list[int], sum_s: float) -> None:
        """Most of what comes together is alike."""
        buckets = self._buckets
        for microseconds, count in Counter(durations_us).items():
            index = bucket_of(microseconds)
            buckets[index] = buckets.get(index, 0) + count
        self._total += len(durations_us)
        self._sum_s += sum_s


def bucket_of(value_us: int) -> int:
    if value_us < _STEPS:
        return value_us if value_us > 0 else 0
    value_us = value_us if value_us < _LARGEST else _LARGEST
    shift = value_us.bit_length() - _FINE - 1
    return (shift << _FINE) + (value_us >> shift)


def lower_edge_us(index: int) -> int:
    """The smallest value that falls into the bucket."""
    if index < 2 * _STEPS:
        return index
    shift = (index >> _FINE) - 1
    return (_STEPS + (index & (_STEPS - 1))) << shift


def quantile_s(buckets: Mapping[int, int], share: float) -> float:
    rank = share * sum(buckets.values())
    seen = 0
    for index in sorted(buckets):
        seen += buckets[index]
        if seen >= rank:
            return (lower_edge_us(index) + lower_edge_us(index + 1)) / 2e6
    return 0.0


def cumulate(buckets: Mapping[int, int]) -> Iterable[tuple[str, int]]:
    """Prometheus' form: how many lie at or below each edge, in seconds."""
    edges = (0, *EDGES_US)
    total = 0
    for low, high in pairwise(edges):
        total += sum(count for index, count in buckets.items() if low <= lower_edge_us(index) < high)
        yield str(high / 1e6), total
    yield "+Inf", sum(buckets.values())
