"""What a guest writes to the log."""

from __future__ import annotations

from typing import Any

import pytest
import structlog

from jackfield.guests.lines import LINES_S, LONGEST_LINE, MOST_FIELDS, MOST_LINES, Lines
from jackfield.testing.memory import HandClock


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


def write(lines: Lines, **told: Any) -> None:
    lines.write(structlog.get_logger("plugin").bind(plugin="p"), told)


def test_it_is_told_as_its_own_words(clock: HandClock, logged: list[Any]) -> None:
    write(Lines(clock), level="warn", text="too hot", fields={"city": "Troy", "degrees": 40})
    assert logged == [{"event": "too hot", "log_level": "warning", "plugin": "p", "city": "Troy", "degrees": 40}]


def test_it_can_be_nobody_else_and_steer_nothing(clock: HandClock, logged: list[Any]) -> None:
    fields = {"plugin": "other", "exc_info": True, "event": "x", "a b": 1, "fine": object(), 5: 6}
    write(Lines(clock), level="nonsense", text=5, fields=fields)
    assert {name: value for name, value in logged[0].items() if name != "fine"} == {
        "event": "5",
        "log_level": "info",
        "plugin": "p",
    }
    write(Lines(clock), text="x", fields=[1])
    write(Lines(clock), text="x" * 100_000, fields={f"f{number}": 1 for number in range(1000)})
    assert (len(logged[2]["event"]), len(logged[2])) == (LONGEST_LINE, 3 + MOST_FIELDS)


def test_it_is_one_line_and_steers_no_terminal(clock: HandClock, logged: list[Any]) -> None:
    write(Lines(clock), text="fine\n2026 [error] forged\tby\x1b[2J me\u2028")
    assert logged[0]["event"] == "fine\\n2026 [error] forged\tby\\x1b[2J me\\u2028"


def test_more_than_a_log_can_bear_is_counted(clock: HandClock, logged: list[Any]) -> None:
    lines = Lines(clock)
    for _ in range(MOST_LINES + 50):
        write(lines, text="again")
    assert len(logged) == MOST_LINES
    clock.advance(LINES_S)
    write(lines, text="again")
    assert logged[-2]["event"] == "lines_dropped"
    assert logged[-2]["lines"] == 50
