"""Time as a parameter: what needs to know it is given a clock."""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    def monotonic(self) -> float:
        """Seconds that only grow, from an unknown start: for deadlines and durations."""

    def wall(self) -> float:
        """Seconds since the epoch, which may be set back: for records and expiry."""


class SystemClock:
    def monotonic(self) -> float:
        return time.monotonic()

    def wall(self) -> float:
        return time.time()
