"""Settled exchanges as metrics."""

from __future__ import annotations

from jackfield.control.records import UsageRecord
from jackfield.pipeline.meter import ExchangeMeter
from jackfield.telemetry.metrics import MOST_SERIES, OTHER, Metrics, Series, Snapshot, merge


def record(**fields: object) -> UsageRecord:
    made = UsageRecord("req_1", 1.0, route="POST /v1/x", upstream="local", upstream_model="m", total_ms=1.0)
    for name, value in fields.items():
        setattr(made, name, value)
    return made


def counted(*records: UsageRecord) -> Snapshot:
    metrics = Metrics()
    meter = ExchangeMeter(metrics)
    for each in records:
        meter.count(each)
    return metrics.snapshot()


def values(snapshot: Snapshot, name: str) -> dict[tuple[str, ...], float]:
    return {series.labels: series.value for series in snapshot[name].series}


LABELS = ("POST /v1/x", "local", "m", "200")


def test_requests_tokens_and_cost_add_up() -> None:
    snapshot = counted(
        record(input_tokens=3, output_tokens=4, cost_nanousd=500), record(input_tokens=1, output_tokens=1)
    )
    assert values(snapshot, "jackfield_requests") == {LABELS: 2}
    assert values(snapshot, "jackfield_tokens") == {(*LABELS, "input"): 4, (*LABELS, "output"): 5}
    assert values(snapshot, "jackfield_cost_usd") == {LABELS: 5e-7}


def test_times_are_seconds_and_a_first_byte_counts_only_where_there_was_one() -> None:
    snapshot = counted(record(total_ms=1500.0, first_byte_ms=250.0), record(total_ms=500.0))
    (total,) = snapshot["jackfield_request_seconds"].series
    (first,) = snapshot["jackfield_first_byte_seconds"].series
    assert (total.count, total.value) == (2, 2.0)
    assert (first.count, first.value) == (1, 0.25)


def test_each_outcome_is_a_series_of_its_own() -> None:
    snapshot = counted(record(), record(status=499), record(upstream=None, upstream_model=None, status=404))
    assert set(values(snapshot, "jackfield_requests")) == {
        LABELS,
        ("POST /v1/x", "local", "m", "499"),
        ("POST /v1/x", "", "", "404"),
    }


def test_what_plugins_decided_is_counted_by_plugin() -> None:
    snapshot = counted(record(plugin="guard"), record(plugin="guard"), record())
    assert values(snapshot, "jackfield_plugin_decisions") == {("guard",): 2}


def test_what_the_client_called_the_model_is_no_label() -> None:
    snapshot = counted(*(record(model=f"model-{number}", user=f"user-{number}") for number in range(10)))
    assert values(snapshot, "jackfield_requests") == {LABELS: 10}


def test_what_is_still_to_be_counted_is_counted_before_the_page_is_made() -> None:
    metrics = Metrics()
    meter = ExchangeMeter(metrics)
    metrics.ask_first(lambda: meter.count(record(plugin="guard")))

    snapshot = metrics.snapshot()
    assert list(values(snapshot, "jackfield_requests").values()) == [1]
    assert values(snapshot, "jackfield_plugin_decisions") == {("guard",): 1}


def test_past_the_most_series_the_rest_is_counted_together() -> None:
    snapshot = counted(*(record(upstream_model=f"model-{number}") for number in range(MOST_SERIES + 50)))
    found = values(snapshot, "jackfield_requests")
    assert len(found) == MOST_SERIES + 1
    assert found[OTHER, OTHER, OTHER, "200"] == 50


def test_snapshots_of_workers_add_up() -> None:
    merged = merge([counted(record(total_ms=2.0)), counted(record(total_ms=4.0), record(status=500))])
    assert values(merged, "jackfield_requests")[LABELS] == 2
    seconds: list[Series] = [s for s in merged["jackfield_request_seconds"].series if s.labels == LABELS]
    assert [(series.count, series.value) for series in seconds] == [(2, 0.006)]
