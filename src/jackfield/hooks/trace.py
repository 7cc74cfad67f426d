"""What happened to one exchange, phase by phase and plugin by plugin."""

from __future__ import annotations

from time import perf_counter_ns
from typing import Any

PASSED = "passed"


class Trace:
    """Times are nanoseconds on the monotonic clock, relative ones in the report are milliseconds from `began`."""

    __slots__ = ("began", "hooks", "hooks_ns", "marks")

    def __init__(self, began: int) -> None:
        self.began = began
        self.hooks_ns = 0
        self.marks: list[tuple[str, int]] = []
        self.hooks: list[tuple[str, str, str, str, int, int]] = []

    def phase(self, name: str) -> None:
        """Marks that the phase `name` has just ended."""
        self.marks.append((name, perf_counter_ns()))

    def ran(self, point: str, plugin: str, hook: str, outcome: str, began: int, duration: int) -> None:
        self.hooks_ns += duration
        self.hooks.append((point, plugin, hook, outcome, began, duration))

    def phases(self) -> list[dict[str, Any]]:
        """Each phase that ended, with its start and length in milliseconds."""
        phases: list[dict[str, Any]] = []
        start = self.began
        for name, end in self.marks:
            phases.append({"phase": name, "at_ms": self._ms(start), "ms": (end - start) / 1e6})
            start = end
        return phases

    def calls(self) -> list[dict[str, Any]]:
        """Each hook that ran; the calls of a chunk hook that ended alike are one entry with `times`."""
        hooks: dict[tuple[str, str, str, str], dict[str, Any]] = {}
        for point, plugin, hook, outcome, began, duration in self.hooks:
            entry = hooks.setdefault(
                (point, plugin, hook, outcome),
                {"point": point, "plugin": plugin, "hook": hook, "outcome": outcome, "at_ms": self._ms(began)}
                | {"ms": 0.0, "times": 0},
            )
            entry["ms"] += duration / 1e6
            entry["times"] += 1
        return list(hooks.values())

    def _ms(self, moment: int) -> float:
        return (moment - self.began) / 1e6
