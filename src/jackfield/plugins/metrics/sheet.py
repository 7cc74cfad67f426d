"""All numbers of one worker, or the sum of several: plain values that can be stored, added up and shown."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Literal

import msgspec
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily, Metric

Labels = tuple[str, ...]
OTHER = "other"
LONGEST_LABEL = 200
# Upper edges in seconds; what is above the last falls behind them all.
EDGES = (0.0001, 0.0005, 0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)
_TEXTS = (*map(str, EDGES), "+Inf")


class Family(msgspec.Struct, frozen=True):
    kind: Literal["counter", "histogram"]
    text: str
    labels: Labels


FAMILIES: dict[str, Family] = {
    "jackfield_hook_calls": Family("counter", "Calls of hooks", ("plugin", "hook", "point", "outcome")),
    "jackfield_hook_seconds": Family("histogram", "Time in hooks, by exchange", ("plugin", "point")),
    "jackfield_plugin_answers": Family("counter", "Exchanges that a plugin decided", ("plugin", "status")),
    "jackfield_upstream_attempts": Family("counter", "Tries of upstreams", ("upstream", "model", "status")),
    "jackfield_upstream_retries": Family("counter", "Tries after the first of an exchange", ("upstream", "model")),
    "jackfield_upstream_seconds": Family("histogram", "Time to the first of an answer", ("upstream", "model")),
    "jackfield_output_token_seconds": Family("histogram", "Time for a token of a stream", ("upstream", "model")),
    "jackfield_finish_reasons": Family("counter", "How completions ended", ("upstream", "model", "reason")),
    "jackfield_tokens_by_kind": Family("counter", "Tokens", ("upstream", "model", "kind")),
    "jackfield_errors": Family("counter", "Exchanges that failed or were refused", ("route", "code", "upstream")),
    "jackfield_app_requests": Family("counter", "Exchanges by app", ("app", "status")),
    "jackfield_app_tokens": Family("counter", "Tokens by app", ("app", "kind")),
    "jackfield_app_cost_usd": Family("counter", "Cost by app where a price is known", ("app",)),
}


class Series(msgspec.Struct, array_like=True):
    """`buckets` are counts below each edge, not added up, for histograms."""

    labels: Labels
    value: float = 0.0
    buckets: list[int] = []


Stored = dict[str, list[Series]]


class Sheet:
    """`most` is how many combinations of labels a family has; what comes then is counted together as `other`."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._families: dict[str, dict[Labels, Series]] = {name: {} for name in FAMILIES}

    def count(self, name: str, labels: Iterable[object], amount: float = 1) -> None:
        if amount:
            self._at(name, tuple(_label(label) for label in labels)).value += amount

    def observe(self, name: str, labels: Iterable[object], seconds: float) -> None:
        series = self._at(name, tuple(_label(label) for label in labels))
        if not series.buckets:
            series.buckets = [0] * len(_TEXTS)
        series.value += seconds
        series.buckets[next((place for place, edge in enumerate(EDGES) if seconds <= edge), len(EDGES))] += 1

    def add(self, stored: Stored) -> None:
        """Families and buckets that this version does not know are left out."""
        for name, every in stored.items():
            family = FAMILIES.get(name)
            for series in every:
                if family is not None and _fits(family, series):
                    self._add(name, series)

    def _add(self, name: str, series: Series) -> None:
        found = self._at(name, series.labels)
        found.value += series.value
        if series.buckets:
            known = found.buckets or [0] * len(_TEXTS)
            found.buckets = [one + other for one, other in zip(known, series.buckets, strict=True)]

    def _at(self, name: str, labels: Labels) -> Series:
        family = self._families[name]
        found = family.get(labels)
        if found is None:
            if len(family) >= self._most:
                labels = (OTHER,) * len(labels)
            found = family.setdefault(labels, Series(labels))
        return found

    def store(self) -> Any:
        """As JSON, which knows no tuples."""
        told = {name: list(family.values()) for name, family in self._families.items()}
        return msgspec.json.decode(msgspec.json.encode(told))

    def render(self) -> bytes:
        """The text that Prometheus reads."""
        registry = CollectorRegistry(auto_describe=False)
        registry.register(self)
        return generate_latest(registry)

    def collect(self) -> Iterator[Metric]:
        """Asked by Prometheus' client."""
        for name, family in FAMILIES.items():
            yield _expose(name, family, self._families[name].values())

    def describe(self) -> Iterable[Metric]:
        """Asked by Prometheus' client."""
        return ()


def read_stored(value: Any) -> Stored:
    """Nothing where it is no sheet."""
    try:
        return msgspec.convert(value, Stored)
    except msgspec.ValidationError:
        return {}


def _fits(family: Family, series: Series) -> bool:
    buckets = len(_TEXTS) if family.kind == "histogram" else 0
    return len(series.labels) == len(family.labels) and len(series.buckets) == buckets and series.value >= 0


def _label(value: object) -> str:
    return "" if value is None else str(value)[:LONGEST_LABEL]


def _expose(name: str, family: Family, every: Iterable[Series]) -> Metric:
    if family.kind == "counter":
        counter = CounterMetricFamily(name, family.text, labels=family.labels)
        for series in every:
            counter.add_metric(series.labels, series.value)
        return counter
    histogram = HistogramMetricFamily(name, family.text, labels=family.labels)
    for series in every:
        histogram.add_metric(series.labels, buckets=list(_add_up(series.buckets)), sum_value=series.value)
    return histogram


def _add_up(buckets: list[int]) -> Iterator[tuple[str, int]]:
    total = 0
    for text, count in zip(_TEXTS, buckets, strict=True):
        total += count
        yield text, total
