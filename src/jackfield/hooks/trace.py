"""What happened to one exchange, phase by phase and plugin by plugin."""

from __future__ import annotations

from collections.abc import Sequence
from time import perf_counter_ns
from typing import Any

PASSED = "passed"


class Trace:
    """Times are nanoseconds on the monotonic clock, relative ones in the report are milliseconds from `began`."""

    __slots__ = ("_chunks", "began", "hooks", "hooks_ns", "marks")

    def __init__(self, began: int) -> None:
        self.began = began
        self.hooks_ns = 0
        self.marks: list[tuple[str, int]] = []
        self.hooks: list[tuple[str, str, str, str, int, int]] = []
        self._chunks: dict[tuple[str, str, str], list[int]] = {}

    def phase(self, name: str) -> None:
        """Marks that the phase `name` has just ended."""
        self.marks.append((name, perf_counter_ns()))

    def ran(self, point: str, plugin: str, hook: str, outcome: str, began: int, duration: int) -> None:
        """Of the many calls of a chunk hook only the first, their number and their time are kept."""
        if point != "response_chunk":
            self.hooks_ns += duration
            self.hooks.append((point, plugin, hook, outcome, began, duration))
        else:
            self.ran_often(plugin, hook, outcome, began, duration, 1)

    def ran_often(self, plugin: str, hook: str, outcome: str, began: int, duration: int, times: int) -> None:
        """Calls of a chunk hook: `began` is the first of them, `duration` their sum."""
        self.hooks_ns += duration
        seen = self._chunks.get((plugin, hook, outcome))
        if seen is None:
            self._chunks[(plugin, hook, outcome)] = [began, duration, times]
        else:
            seen[1] += duration
            seen[2] += times

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
        single = [self._call(named, began, duration, 1) for *named, began, duration in self.hooks]
        chunks = [self._call(["response_chunk", *named], *seen) for named, seen in self._chunks.items()]
        return single + chunks

    def _call(self, named: Sequence[Any], began: int, duration: int, times: int) -> dict[str, Any]:
        call = dict(zip(("point", "plugin", "hook", "outcome"), named, strict=True))
        return call | {"at_ms": self._ms(began), "ms": duration / 1e6, "times": times}

    def _ms(self, moment: int) -> float:
        return (moment - self.began) / 1e6
