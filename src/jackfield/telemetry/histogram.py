"""Durations in logarithmic buckets: one integer addition to record, any quantile to within six per cent."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise

# Eight buckets between one power of two and the next, in microseconds.
_FINE = 3
_STEPS = 1 << _FINE
_LARGEST = (1 << 32) - 1

# What is exposed: powers of four from 64 us to 268 s, and each is the edge of a bucket.
EDGES_US = tuple(1 << power for power in range(6, 29, 2))


class Histogram:
    __slots__ = ("buckets", "count", "sum_s")

    def __init__(self) -> None:
        self.buckets: dict[int, int] = {}
        self.count = 0
        self.sum_s = 0.0

    def add(self, seconds: float) -> None:
        index = bucket_of(int(seconds * 1e6))
        buckets = self.buckets
        buckets[index] = buckets.get(index, 0) + 1
        self.count += 1
        self.sum_s += seconds

    def add_all(self, durations_ns: Sequence[int]) -> int:
        """Many short ones, most of which are alike; returns their sum in nanoseconds."""
        buckets, total = self.buckets, sum(durations_ns)
        for microseconds, count in Counter([duration // 1000 for duration in durations_ns]).items():
            index = bucket_of(microseconds)
            buckets[index] = buckets.get(index, 0) + count
        self.count += len(durations_ns)
        self.sum_s += total / 1e9
        return total

    def quantile_s(self, share: float) -> float:
        """0 where nothing was recorded."""
        return quantile_s(self.buckets, share)


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
