"""Stops asking an upstream that keeps failing, and finds out when it is well again.

    closed --failures in a row--> open --cool-down over--> half-open --one probe succeeds--> closed
                                   ^------------------------ it fails: a longer cool-down ----'

Every `allow()` that returned True is followed by one of `success`, `failure` and `abandon`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

State = Literal["closed", "open", "half_open"]

# A cool-down is doubled by each probe that fails.
GROWTH = 2.0


class Breaker:
    """`monotonic` is the clock, read only while the breaker is not closed. One event loop; no locks. `closed` is for
    reading."""

    __slots__ = (
        "_cool_down_s",
        "_failures",
        "_first_cool_down_s",
        "_longest_cool_down_s",
        "_monotonic",
        "_probe_s",
        "_probe_until",
        "_threshold",
        "_until",
        "closed",
    )

    def __init__(
        self,
        monotonic: Callable[[], float],
        *,
        failures: int = 5,
        cool_down_s: float = 5.0,
        longest_cool_down_s: float = 120.0,
        probe_s: float = 60.0,
    ) -> None:
        """`probe_s` is how long a probe that never reports keeps others out."""
        if failures < 1 or min(cool_down_s, probe_s) <= 0 or longest_cool_down_s < cool_down_s:
            raise ValueError("a breaker needs failures >= 1, and cool_down_s > 0 that is not above the longest")
        self._monotonic = monotonic
        self._threshold = failures
        self._first_cool_down_s = self._cool_down_s = cool_down_s
        self._longest_cool_down_s = longest_cool_down_s
        self._probe_s = probe_s
        self.closed = True
        self._failures = 0
        self._until = 0.0
        self._probe_until: float | None = None

    def allow(self) -> bool:
        """Whether a call may be made now. While half-open the first caller gets True, as the probe."""
        if self.closed:
            return True
        now = self._monotonic()
        if now < self._until or self._is_probed(now):
            return False
        self._probe_until = now + self._probe_s
        return True

    def success(self) -> None:
        if self.closed:
            self._failures = 0
        elif self._probe_until is not None:
            self._close()

    def failure(self) -> None:
        """While open without a probe this is a call from before: it proves nothing new."""
        if self.closed:
            self._failures += 1
            if self._failures >= self._threshold:
                self._open()
        elif self._probe_until is not None:
            self._cool_down_s = min(self._cool_down_s * GROWTH, self._longest_cool_down_s)
            self._open()

    def abandon(self) -> None:
        """The call ended without a verdict, as when its client left: the probe's place is free again."""
        self._probe_until = None

    def reset(self) -> None:
        """For who knows by other means that it is well again."""
        if not self.closed:
            self._close()
        self._failures = 0

    @property
    def state(self) -> State:
        if self.closed:
            return "closed"
        return "open" if self._monotonic() < self._until else "half_open"

    @property
    def retry_after_s(self) -> float:
        """Seconds until a call may be let through: the cool-down's end, or the end of the probe's place."""
        if self.closed:
            return 0.0
        return max(0.0, max(self._until, self._probe_until or 0.0) - self._monotonic())

    def _is_probed(self, now: float) -> bool:
        return self._probe_until is not None and now < self._probe_until

    def _open(self) -> None:
        self.closed = False
        self._probe_until = None
        self._until = self._monotonic() + self._cool_down_s

    def _close(self) -> None:
        self.closed = True
        self._failures = 0
        self._probe_until = None
        self._cool_down_s = self._first_cool_down_s
