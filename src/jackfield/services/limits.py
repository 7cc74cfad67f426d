"""How often a plugin may use its services."""

from __future__ import annotations

from collections import deque

from jackfield.clock import Clock
from jackfield.errors import RateLimited

OPERATIONS = 100
WINDOW_S = 60.0


class OperationLimit:
    """One plugin's, over all its services: at most 100 operations in any 60 seconds. What is refused does not count."""

    __slots__ = ("_clock", "_plugin", "_taken")

    def __init__(self, plugin: str, clock: Clock) -> None:
        self._plugin, self._clock = plugin, clock
        self._taken: deque[float] = deque(maxlen=OPERATIONS)

    def take(self) -> None:
        """Counts one operation. Raises `RateLimited` that says when the next one may be."""
        now, taken = self._clock.monotonic(), self._taken
        if len(taken) == OPERATIONS and (wait_s := taken[0] + WINDOW_S - now) > 0:
            raise RateLimited(
                f"plugin {self._plugin} has done {OPERATIONS} operations within {WINDOW_S:g} seconds;"
                f" the next one may be in {wait_s:.1f} s",
                plugin=self._plugin,
                retry_after_s=wait_s,
            )
        taken.append(now)
