"""Time for the key-value store's tests, which only they move."""

from __future__ import annotations


class HandClock:
    def __init__(self, now: float = 1_000_000.0) -> None:
        self.now = now

    def wall(self) -> float:
        return self.now

    def monotonic(self) -> float:
        return self.now
