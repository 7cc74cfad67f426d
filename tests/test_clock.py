"""The system's clock."""

from __future__ import annotations

import time

from jackfield.clock import Clock, SystemClock


def test_monotonic_time_only_grows() -> None:
    clock: Clock = SystemClock()
    readings = [clock.monotonic() for _ in range(100)]
    assert readings == sorted(readings)


def test_wall_time_is_seconds_since_the_epoch() -> None:
    before = time.time()
    assert before <= SystemClock().wall() <= before + 60
