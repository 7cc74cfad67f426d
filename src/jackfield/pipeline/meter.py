"""Counts settled exchanges for the metrics page."""

from __future__ import annotations

from collections.abc import Iterator

from jackfield.control.records import UsageRecord
from jackfield.telemetry.histogram import Histogram
from jackfield.telemetry.metrics import MOST_SERIES, OTHER, FamilySnapshot, Labels, Metrics, Series

LABELS = ("route", "upstream", "model", "status")


class Tally:
    """What exchanges with the same labels add up to."""

    __slots__ = ("cost_nanousd", "first_byte", "input_tokens", "output_tokens", "total")

    def __init__(self) -> None:
        self.total, self.first_byte = Histogram(), Histogram()
        self.input_tokens = self.output_tokens = self.cost_nanousd = 0


class ExchangeMeter:
    """One look-up an exchange; families are made of the tallies when the page is asked for.

    Labels hold names that the operator gave, never what a client sent.
    """

    def __init__(self, metrics: Metrics) -> None:
        self._tallies: dict[tuple[str | None, str | None, str | None, int], Tally] = {}
        self._decided = metrics.counter("jackfield_plugin_decisions", "Exchanges that a plugin decided", ("plugin",))
        for name, make in (
            ("jackfield_requests", self._requests),
            ("jackfield_request_seconds", self._seconds),
            ("jackfield_first_byte_seconds", self._first_bytes),
            ("jackfield_tokens", self._tokens),
            ("jackfield_cost_usd", self._cost),
        ):
            metrics.computed(name, make)

    def count(self, record: UsageRecord) -> None:
        key = (record.route, record.upstream, record.upstream_model, record.status)
        tally = self._tallies.get(key) or self._place(key)
        tally.total.add((record.total_ms or 0.0) / 1000)
        if record.first_byte_ms is not None:
            tally.first_byte.add(record.first_byte_ms / 1000)
        tally.input_tokens += record.input_tokens
        tally.output_tokens += record.output_tokens
        tally.cost_nanousd += record.cost_nanousd or 0
        if record.plugin is not None:
            self._decided.add((record.plugin,))

    def _place(self, key: tuple[str | None, str | None, str | None, int]) -> Tally:
        if len(self._tallies) >= MOST_SERIES:
            key = (OTHER, OTHER, OTHER, key[3])
        return self._tallies.setdefault(key, Tally())

    def _each(self) -> Iterator[tuple[Labels, Tally]]:
        for (route, upstream, model, status), tally in self._tallies.items():
            yield (route or "", upstream or "", model or "", str(status)), tally

    def _requests(self) -> FamilySnapshot:
        series = [Series(labels, tally.total.count) for labels, tally in self._each()]
        return FamilySnapshot("counter", "Exchanges settled", LABELS, series)

    def _seconds(self) -> FamilySnapshot:
        series = [_spread(labels, tally.total) for labels, tally in self._each()]
        return FamilySnapshot("histogram", "Time to the last byte", LABELS, series)

    def _first_bytes(self) -> FamilySnapshot:
        series = [_spread(labels, tally.first_byte) for labels, tally in self._each()]
        return FamilySnapshot("histogram", "Time to the first byte sent", LABELS, series)

    def _tokens(self) -> FamilySnapshot:
        series = [
            Series((*labels, kind), count)
            for labels, tally in self._each()
            for kind, count in (("input", tally.input_tokens), ("output", tally.output_tokens))
        ]
        return FamilySnapshot("counter", "Tokens", (*LABELS, "kind"), series)

    def _cost(self) -> FamilySnapshot:
        series = [Series(labels, tally.cost_nanousd / 1e9) for labels, tally in self._each()]
        return FamilySnapshot("counter", "Cost in US dollars where a price is known", LABELS, series)


def _spread(labels: Labels, histogram: Histogram) -> Series:
    return Series(labels, histogram.sum_s, histogram.count, dict(histogram.buckets))
