"""Counters, gauges and histograms: counted cheaply, merged over workers, exposed for Prometheus."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from jackfield.telemetry.exposition import render
from jackfield.telemetry.histogram import EDGES_US, Histogram, cumulate, lower_edge_us
from jackfield.telemetry.metrics import (
    MOST_SERIES,
    Metrics,
    Snapshot,
    decode_snapshot,
    encode_snapshot,
    merge,
)


def exposed(*snapshots: Snapshot) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    text = render(snapshots).decode()
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def make_metrics(requests: int, connections: float, generation: float) -> Metrics:
    metrics = Metrics()
    metrics.counter("jackfield_requests", "Requests.", ("status",)).add(("200",), requests)
    metrics.gauge("jackfield_connections", "Open connections.").set(connections)
    metrics.gauge("jackfield_generation", "Served generation.", combine="max").set(generation)
    metrics.histogram("jackfield_seconds", "Durations.", ("phase",)).add(0.25, ("auth",))
    return metrics


def test_a_counter_adds_up_by_label() -> None:
    requests = Metrics().counter("jackfield_requests", "Requests.", ("operation", "status"))
    requests.add(("chat", "200"))
    requests.add(("chat", "200"), 2)
    requests.add(("chat", "500"))
    assert (requests.value(("chat", "200")), requests.value(("chat", "500")), requests.value(("x", "y"))) == (
        3,
        1,
        0,
    )


def test_labels_that_clients_choose_cannot_grow_without_bound() -> None:
    models = Metrics().counter("jackfield_models", "By model.", ("model",))
    for index in range(MOST_SERIES + 10):
        models.add((f"model-{index}",))
    assert models.value(("other",)) == 10
    assert len(models.snapshot().series) == MOST_SERIES + 1


def test_a_gauge_can_be_read_when_asked() -> None:
    metrics = Metrics()
    metrics.gauge("jackfield_open", "Open.").read_with(lambda: 7)
    assert metrics.snapshot()["jackfield_open"].series[0].value == 7


def test_a_gauge_forgets_what_is_gone() -> None:
    metrics = Metrics()
    gauge = metrics.gauge("jackfield_up", "Up.", ("upstream",))
    gauge.set(1, ("a",))
    gauge.remove(("a",))
    assert metrics.snapshot()["jackfield_up"].series == []


def test_a_name_is_given_once_and_labels_must_fit() -> None:
    metrics = Metrics()
    counter = metrics.counter("jackfield_x", "X.", ("a",))
    with pytest.raises(ValueError, match="already a metric"):
        metrics.gauge("jackfield_x", "X.")
    with pytest.raises(ValueError, match="expected values for"):
        counter.add(("1", "2"))


def test_a_snapshot_survives_json() -> None:
    snapshot = make_metrics(3, 2, 1).snapshot()
    assert decode_snapshot(encode_snapshot(snapshot)) == snapshot


def test_workers_are_summed_and_generations_are_not() -> None:
    samples = exposed(make_metrics(3, 2, 5).snapshot(), make_metrics(4, 1, 4).snapshot())
    assert samples["jackfield_requests_total", (("status", "200"),)] == 7
    assert samples["jackfield_connections", ()] == 3
    assert samples["jackfield_generation", ()] == 5
    assert samples["jackfield_seconds_count", (("phase", "auth"),)] == 2
    assert samples["jackfield_seconds_sum", (("phase", "auth"),)] == 0.5


def test_merging_leaves_the_parts_as_they_were() -> None:
    first, second = make_metrics(1, 1, 1).snapshot(), make_metrics(2, 2, 2).snapshot()
    before = encode_snapshot(first)
    merge([first, second])
    merge([first, second])
    assert encode_snapshot(first) == before


def test_families_of_another_shape_are_left_out_of_the_sum() -> None:
    other = Metrics()
    other.counter("jackfield_requests", "Requests.", ("status", "model")).add(("200", "m"))
    assert exposed(make_metrics(3, 0, 0).snapshot(), other.snapshot())[
        "jackfield_requests_total", (("status", "200"),)
    ] == 3  # fmt: skip


def test_label_values_are_escaped() -> None:
    metrics = Metrics()
    metrics.counter("jackfield_x", "X.", ("model",)).add(('a"b\\c\nd',))
    assert exposed(metrics.snapshot())["jackfield_x_total", (("model", 'a"b\\c\nd'),)] == 1


def test_nothing_counted_is_nothing_wrong() -> None:
    assert render([]) == b""
    assert Histogram().quantile_s(0.5) == 0


def test_exposed_edges_are_edges_of_buckets() -> None:
    lows = {lower_edge_us(index) for index in range(300)}
    assert set(EDGES_US) <= lows


@given(st.floats(0, 400))
def test_a_duration_lies_in_its_bucket_and_its_median_within_six_per_cent(seconds: float) -> None:
    histogram = Histogram()
    histogram.add(seconds)
    ((index, count),) = histogram.buckets.items()
    assert count == 1
    assert lower_edge_us(index) <= int(seconds * 1e6) < lower_edge_us(index + 1)
    assert histogram.quantile_s(0.5) == pytest.approx(seconds, rel=0.0626, abs=1e-6)


@given(st.lists(st.floats(0, 300), min_size=1, max_size=50))
def test_cumulated_counts_agree_with_counting(durations: list[float]) -> None:
    histogram = Histogram()
    for seconds in durations:
        histogram.add(seconds)
    for edge, count in cumulate(histogram.buckets):
        expected = sum(int(seconds * 1e6) < float(edge) * 1e6 for seconds in durations)
        assert count == expected


@given(st.lists(st.integers(1, 10_000_000), min_size=1, max_size=80), st.sampled_from([0.5, 0.95, 0.99]))
def test_any_quantile_is_within_six_per_cent(micros: list[int], share: float) -> None:
    histogram = Histogram()
    for value in micros:
        histogram.add((value + 0.5) / 1e6)
    rank = max(1, -int(-share * len(micros) // 1))
    exact = sorted(micros)[rank - 1] / 1e6
    assert histogram.quantile_s(share) == pytest.approx(exact, rel=0.07, abs=2e-6)


def test_durations_that_cannot_be_are_kept_at_the_ends() -> None:
    histogram = Histogram()
    histogram.add(-1.0)
    histogram.add(1e9)
    assert sorted(map(lower_edge_us, histogram.buckets))[0] == 0
    assert histogram.quantile_s(1) == pytest.approx(2**32 / 1e6, rel=0.07)
