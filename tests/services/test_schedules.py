"""When something is due: after so many seconds, or by five fields of cron in a time zone."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from jackfield.services.schedules import read_schedule

BERLIN = ZoneInfo("Europe/Berlin")


def at(text: str, zone: str = "UTC") -> float:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp()


def due_times(when: str, zone: str, begin: str, count: int) -> list[str]:
    """In UTC."""
    schedule, times = read_schedule(when, zone), []
    now = at(begin, zone)
    for _ in range(count):
        now = schedule.next_due(now, now)
        times.append(datetime.fromtimestamp(now, ZoneInfo("UTC")).strftime("%m-%d %H:%M"))
    return times


def test_seconds_count_from_the_time_before() -> None:
    assert read_schedule(60, "UTC").next_due(100.0, 5_000.0) == 160.0
    assert read_schedule(1.5, "UTC").next_due(100.0, 100.0) == 101.5


def test_cron_is_at_full_minutes_after_now() -> None:
    schedule = read_schedule("*/5 * * * *", "UTC")
    assert schedule.next_due(0.0, at("2026-03-01 12:02:59.5")) == at("2026-03-01 12:05")
    assert schedule.next_due(at("2026-03-01 12:05"), at("2026-03-01 12:04:59.9")) == at("2026-03-01 12:10")


def test_cron_is_in_its_time_zone() -> None:
    assert due_times("0 9 * * *", "Asia/Tokyo", "2026-03-01 08:00", 2) == ["03-01 00:00", "03-02 00:00"]
    assert due_times("30 14 * * MON-FRI", "America/New_York", "2026-01-02 15:00", 2) == ["01-05 19:30", "01-06 19:30"]


def test_a_time_that_a_change_to_summer_time_leaves_out_is_not_lost() -> None:
    assert due_times("30 2 * * *", "Europe/Berlin", "2026-03-28 03:00", 2) == ["03-29 01:00", "03-30 00:30"]


def test_a_time_that_a_change_to_winter_time_repeats_comes_once() -> None:
    assert due_times("30 2 * * *", "Europe/Berlin", "2026-10-24 03:00", 2) == ["10-25 00:30", "10-26 01:30"]


def test_every_hour_stays_every_hour_when_the_clocks_change() -> None:
    assert due_times("0 * * * *", "Europe/Berlin", "2026-10-25 00:30", 4) == [
        "10-24 23:00",
        "10-25 00:00",
        "10-25 01:00",
        "10-25 02:00",
    ]


@pytest.mark.parametrize(
    ("when", "zone", "told"),
    [
        (0.5, "UTC", "from 1 to"),
        (-1, "UTC", "from 1 to"),
        (10**9, "UTC", "from 1 to"),
        (float("nan"), "UTC", "seconds or five fields"),
        (True, "UTC", "seconds or five fields"),
        (None, "UTC", "seconds or five fields"),
        ("", "UTC", "five fields of cron"),
        ("@daily", "UTC", "five fields of cron"),
        ("0 0 9 * * *", "UTC", "five fields of cron"),
        ("61 * * * *", "UTC", "Bad minute"),
        ("0 0 31 2 *", "UTC", "Bad day-of-month"),
        ("*/0 * * * *", "UTC", "Bad minute"),
        ("0 9 * * *", "Mars/Olympus", "no time zone 'Mars/Olympus'"),
        ("0 9 * * *", "../etc/passwd", "no time zone"),
        ("0 9 * * *", "America", "no time zone"),
        ("0 9 * * *", "", "no time zone"),
        ("* * * * " + "1," * 200 + "1", "UTC", "five fields of cron"),
    ],
)
def test_what_is_wrong_is_named(when: Any, zone: str, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        read_schedule(when, zone)
