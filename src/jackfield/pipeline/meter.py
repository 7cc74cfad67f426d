"""Counts settled exchanges for the metrics page."""

from __future__ import annotations

from jackfield.control.records import UsageRecord
from jackfield.telemetry.metrics import Metrics


class ExchangeMeter:
    """Labels hold names that the operator gave, never what a client sent."""

    def __init__(self, metrics: Metrics) -> None:
        served = ("route", "upstream", "model", "status")
        self._requests = metrics.counter("jackfield_requests", "Exchanges settled", served)
        self._seconds = metrics.histogram("jackfield_request_seconds", "Time to the last byte", ("route", "upstream"))
        self._first = metrics.histogram("jackfield_first_byte_seconds", "Time to the first byte sent", ("route",))
        self._tokens = metrics.counter("jackfield_tokens", "Tokens by kind", ("upstream", "model", "kind"))
        self._cost = metrics.counter("jackfield_cost_usd", "Cost where a price is known", ("upstream", "model"))
        self._refused = metrics.counter("jackfield_plugin_decisions", "Exchanges a plugin decided", ("plugin",))

    def count(self, record: UsageRecord) -> None:
        route, upstream, model = record.route or "", record.upstream or "", record.upstream_model or ""
        self._requests.add((route, upstream, model, str(record.status)))
        if record.total_ms is not None:
            self._seconds.add(record.total_ms / 1000, (route, upstream))
        if record.first_byte_ms is not None:
            self._first.add(record.first_byte_ms / 1000, (route,))
        if record.input_tokens or record.output_tokens:
            self._tokens.add((upstream, model, "input"), record.input_tokens)
            self._tokens.add((upstream, model, "output"), record.output_tokens)
        if record.cost_nanousd:
            self._cost.add((upstream, model), record.cost_nanousd / 1e9)
        if record.plugin is not None:
            self._refused.add((record.plugin,))
