"""Snapshots as the text that Prometheus reads."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric

from jackfield.telemetry.histogram import cumulate
from jackfield.telemetry.metrics import FamilySnapshot, Snapshot, merge

CONTENT_TYPE = CONTENT_TYPE_LATEST


def render(snapshots: Iterable[Mapping[str, FamilySnapshot]]) -> bytes:
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Collector(merge(snapshots)))
    return generate_latest(registry)


class _Collector:
    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot

    def collect(self) -> Iterator[Metric]:
        for name, family in self._snapshot.items():
            yield _expose(name, family)

    def describe(self) -> Iterable[Metric]:
        return ()


def _expose(name: str, family: FamilySnapshot) -> Metric:
    if family.kind == "histogram":
        return _expose_histogram(name, family)
    shape = CounterMetricFamily if family.kind == "counter" else GaugeMetricFamily
    metric: CounterMetricFamily | GaugeMetricFamily = shape(name, family.help, labels=family.labels)
    for series in family.series:
        metric.add_metric(series.labels, series.value)
    return metric


def _expose_histogram(name: str, family: FamilySnapshot) -> Metric:
    metric = HistogramMetricFamily(name, family.help, labels=family.labels)
    for series in family.series:
        metric.add_metric(series.labels, buckets=list(cumulate(series.buckets)), sum_value=series.value)
    return metric
