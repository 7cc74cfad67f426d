"""When something is due: so long after the last time, or at the times that five fields of cron name."""

from __future__ import annotations

import math
from datetime import datetime, tzinfo
from typing import Protocol
from zoneinfo import ZoneInfo

import msgspec
from cronsim import CronSim, CronSimError

SHORTEST_S = 1.0
LONGEST_S = 366 * 86_400.0
LONGEST_CRON = 200
# What fails again and again is tried less and less often, down to this.
LONGEST_PAUSE_S = 300.0


class Schedule(Protocol):
    def next_due(self, anchor: float, now: float) -> float:
        """`anchor` is when it last was, or was first known. May be past, where that is made up for."""

    def latest_anchor(self, anchor: float, due: float) -> float:
        """It is due at `due`, as reckoned from `anchor`, unless it was at a time after this."""

    def pause_after(self, failures: int) -> float:
        """How much longer than else it waits after so many failures in a row, in seconds."""


class Every(msgspec.Struct, frozen=True):
    seconds: float

    def next_due(self, anchor: float, now: float) -> float:
        return anchor + self.seconds

    def latest_anchor(self, anchor: float, due: float) -> float:
        return anchor

    def pause_after(self, failures: int) -> float:
        longest = max(self.seconds, LONGEST_PAUSE_S)
        return float(min(self.seconds * 2 ** min(failures, 30), longest) - self.seconds)


class Cron(msgspec.Struct, frozen=True):
    """A time that passed while nobody was there is not made up for."""

    fields: str
    zone: tzinfo

    def next_due(self, anchor: float, now: float) -> float:
        """Raises `ValueError` where there is none within the next decades."""
        after = datetime.fromtimestamp(max(anchor, now), self.zone)
        try:
            return next(CronSim(self.fields, after)).timestamp()
        except StopIteration:
            raise ValueError(f"when: {self.fields!r} names no time that ever comes") from None

    def latest_anchor(self, anchor: float, due: float) -> float:
        return math.nextafter(due, -math.inf)

    def pause_after(self, failures: int) -> float:
        return 0.0


def read_schedule(when: float | str, timezone: str) -> Schedule:
    """Raises `ValueError` naming what is wrong."""
    if isinstance(when, str):
        return _read_cron(when, timezone)
    if isinstance(when, bool) or not isinstance(when, int | float) or not math.isfinite(when):
        raise ValueError(f"when: seconds or five fields of cron, not {when!r:.100}")
    if not SHORTEST_S <= when <= LONGEST_S:
        raise ValueError(f"when: {when:g} s; from {SHORTEST_S:g} to {LONGEST_S:g} can be")
    return Every(float(when))


def _read_cron(text: str, timezone: str) -> Cron:
    fields = text.split()
    if len(fields) != 5 or len(text) > LONGEST_CRON:
        raise ValueError(f"when: five fields of cron (minute hour day month weekday), not {text!r:.100}")
    try:
        zone = ZoneInfo(timezone)
    except (OSError, KeyError, ValueError, TypeError):
        raise ValueError(f"timezone: there is no time zone {timezone!r:.100}") from None
    try:
        CronSim(text, datetime.now(zone))
    except CronSimError as error:
        raise ValueError(f"when: {text!r} is no cron: {error}") from None
    cron = Cron(" ".join(fields), zone)
    cron.next_due(0.0, datetime.now(zone).timestamp())
    return cron
