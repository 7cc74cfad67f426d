"""`ctx.state.metrics`: numbers that ring plugins count by name."""

from __future__ import annotations

MOST_NAMES = 1_000


class Counters:
    """`values` holds what was counted or set, `observed` count and sum of what was measured. Labels are part of the
    name. Names beyond `MOST_NAMES` are not kept: they are made from data, and would grow for ever."""

    def __init__(self) -> None:
        self.values: dict[str, float] = {}
        self.observed: dict[str, tuple[int, float]] = {}

    def increment(self, name: str, by: float = 1, **labels: object) -> None:
        key = _labelled(name, labels)
        if key in self.values or len(self.values) < MOST_NAMES:
            self.values[key] = self.values.get(key, 0) + by

    def gauge(self, name: str, value: float, **labels: object) -> None:
        key = _labelled(name, labels)
        if key in self.values or len(self.values) < MOST_NAMES:
            self.values[key] = value

    def observe(self, name: str, value: float, **labels: object) -> None:
        key = _labelled(name, labels)
        if key in self.observed or len(self.observed) < MOST_NAMES:
            count, total = self.observed.get(key, (0, 0.0))
            self.observed[key] = (count + 1, total + value)


def _labelled(name: str, labels: dict[str, object]) -> str:
    if not labels:
        return name
    return name + "{" + ",".join(f"{key}={labels[key]}" for key in sorted(labels)) + "}"
