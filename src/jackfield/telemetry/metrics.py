"""Counters, gauges and histograms that cost an addition, since every request touches several of them.

A snapshot is plain JSON, so that workers can hand theirs to whichever of them is asked.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Generic, Literal, TypeVar

import msgspec

from jackfield.telemetry.histogram import Histogram, quantile_s

Labels = tuple[str, ...]
Combine = Literal["sum", "max"]
T = TypeVar("T")

# A label may hold what a client sent; past this many combinations the rest is counted together.
MOST_SERIES = 2_000
OTHER = "other"


class Series(msgspec.Struct, array_like=True, omit_defaults=True):
    """One combination of label values: a number, or for a histogram its count, sum and buckets."""

    labels: Labels
    value: float = 0
    count: int = 0
    buckets: dict[int, int] = {}

    def quantile_s(self, share: float) -> float:
        return quantile_s(self.buckets, share)


class FamilySnapshot(msgspec.Struct):
    kind: Literal["counter", "gauge", "histogram"]
    help: str
    labels: Labels
    series: list[Series]
    combine: Combine = "sum"


Snapshot = dict[str, FamilySnapshot]


class Family(Generic[T]):
    def __init__(self, text: str, labels: Labels) -> None:
        self.help = text
        self.labels = labels
        self._series: dict[Labels, T] = {}

    def _place(self, labels: Labels) -> Labels:
        """Where a combination not seen before is counted."""
        if len(labels) != len(self.labels):
            raise ValueError(f"expected values for {self.labels}, got {labels}")
        return labels if len(self._series) < MOST_SERIES else (OTHER,) * len(labels)


class Counter(Family[float]):
    def add(self, labels: Labels = (), amount: float = 1) -> None:
        series = self._series
        if labels in series:
            series[labels] += amount
        else:
            labels = self._place(labels)
            series[labels] = series.get(labels, 0) + amount

    def value(self, labels: Labels = ()) -> float:
        return self._series.get(labels, 0)

    def snapshot(self) -> FamilySnapshot:
        series = [Series(labels, value) for labels, value in self._series.items()]
        return FamilySnapshot("counter", self.help, self.labels, series)


class Gauge(Family[float]):
    """`combine` says what several workers' values make together."""

    def __init__(self, text: str, labels: Labels, combine: Combine) -> None:
        super().__init__(text, labels)
        self.combine = combine
        self._read: Callable[[], float] | None = None

    def set(self, value: float, labels: Labels = ()) -> None:
        self._series[labels if labels in self._series else self._place(labels)] = value

    def remove(self, labels: Labels) -> None:
        self._series.pop(labels, None)

    def read_with(self, read: Callable[[], float]) -> None:
        """Asked at each snapshot instead of being told; for a gauge without labels."""
        self._read = read

    def snapshot(self) -> FamilySnapshot:
        if self._read:
            self.set(self._read())
        series = [Series(labels, value) for labels, value in self._series.items()]
        return FamilySnapshot("gauge", self.help, self.labels, series, self.combine)


class Histograms(Family[Histogram]):
    def add(self, seconds: float, labels: Labels = ()) -> None:
        found = self._series.get(labels)
        if found is None:
            found = self._series.setdefault(self._place(labels), Histogram())
        found.add(seconds)

    def at(self, labels: Labels = ()) -> Histogram:
        """The histogram itself, for who asks for quantiles or adds to the same one all the time."""
        return self._series.get(labels) or self._series.setdefault(self._place(labels), Histogram())

    def snapshot(self) -> FamilySnapshot:
        series = [
            Series(labels, found.sum_s, found.count, dict(found.buckets)) for labels, found in self._series.items()
        ]
        return FamilySnapshot("histogram", self.help, self.labels, series)


class Metrics:
    """All families of one process. Names are whole, such as `jackfield_requests`; a name is given once."""

    def __init__(self) -> None:
        self._families: dict[str, Counter | Gauge | Histograms] = {}
        self._computed: dict[str, Callable[[], FamilySnapshot]] = {}
        self._sources: list[Callable[[], None]] = []

    def ask_first(self, source: Callable[[], None]) -> None:
        """`source` is to count what it still holds, before each snapshot."""
        self._sources.append(source)

    def counter(self, name: str, text: str, labels: Labels = ()) -> Counter:
        return self._keep(name, Counter(text, labels))

    def gauge(self, name: str, text: str, labels: Labels = (), combine: Combine = "sum") -> Gauge:
        return self._keep(name, Gauge(text, labels, combine))

    def histogram(self, name: str, text: str, labels: Labels = ()) -> Histograms:
        return self._keep(name, Histograms(text, labels))

    def computed(self, name: str, make: Callable[[], FamilySnapshot]) -> None:
        """A family whose numbers are kept elsewhere and put together when they are asked for."""
        self._check(name)
        self._computed[name] = make

    def snapshot(self) -> Snapshot:
        for source in self._sources:
            source()
        kept = {name: family.snapshot() for name, family in self._families.items()}
        return kept | {name: make() for name, make in self._computed.items()}

    def _keep(self, name: str, family: FamilyT) -> FamilyT:
        self._check(name)
        self._families[name] = family
        return family

    def _check(self, name: str) -> None:
        if name in self._families or name in self._computed:
            raise ValueError(f"there is already a metric '{name}'")


FamilyT = TypeVar("FamilyT", Counter, Gauge, Histograms)


def encode_snapshot(snapshot: Snapshot) -> bytes:
    return msgspec.json.encode(snapshot)


def decode_snapshot(data: bytes) -> Snapshot:
    return msgspec.json.decode(data, type=Snapshot)


def merge(snapshots: Iterable[Mapping[str, FamilySnapshot]]) -> Snapshot:
    """What several workers count together. Of families that differ in kind or labels the first is kept."""
    merged: Snapshot = {}
    for snapshot in snapshots:
        for name, family in snapshot.items():
            known = merged.get(name)
            if known is None:
                merged[name] = msgspec.structs.replace(family, series=[_copy(series) for series in family.series])
            elif (known.kind, known.labels) == (family.kind, family.labels):
                _merge_series(known, family)
    return merged


def _copy(series: Series) -> Series:
    return msgspec.structs.replace(series, buckets=dict(series.buckets))


def _merge_series(into: FamilySnapshot, family: FamilySnapshot) -> None:
    known = {series.labels: series for series in into.series}
    for series in family.series:
        found = known.get(series.labels)
        if found is None:
            into.series.append(_copy(series))
            continue
        values = found.value, series.value
        found.value = max(values) if into.combine == "max" else sum(values)
        found.count += series.count
        for index, count in series.buckets.items():
            found.buckets[index] = found.buckets.get(index, 0) + count
