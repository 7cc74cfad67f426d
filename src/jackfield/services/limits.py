"""How often a plugin may use its services."""

from __future__ import annotations

from collections import deque

from jackfield.clock import Clock
from jackfield.errors import RateLimited

OPERATIONS = 100
WINDOW_S = 60.0


class NoLimit:
    """Where it is known how much is done."""

    def take(self) -> None:
        return


class OperationLimit:
    """One plugin's, over all its services: at most 100 operations in any 60 seconds. What is refused does not count. Of
    several `workers` each has its share of them, so that all together keep the limit."""

    __slots__ = ("_clock", "_most", "_plugin", "_taken")

    def __init__(self, plugin: str, clock: Clock, workers: int = 1) -> None:
        self._plugin, self._clock = plugin, clock
        self._most = max(1, OPERATIONS // workers)
        self._taken: deque[float] = deque(maxlen=self._most)

    def take(self) -> None:
        """Counts one operation. Raises `RateLimited` that says when the next one may be."""
        now, taken = self._clock.monotonic(), self._taken
        if len(taken) == self._most and (wait_s := taken[0] + WINDOW_S - now) > 0:
            raise RateLimited(
                f"plugin {self._plugin} has done {self._most} operations within {WINDOW_S:g} seconds;"
                f" the next one may be in {wait_s:.1f} s",
                plugin=self._plugin,
                retry_after_s=wait_s,
            )
        taken.append(now)
