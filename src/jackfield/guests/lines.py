"""What a guest writes to the log: as its own words, and no more of them than a log can bear."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Mapping
from typing import Any

from jackfield.clock import Clock

MOST_LINES, LINES_S = 200, 10.0
LONGEST_LINE = 8_000
MOST_FIELDS, LONGEST_FIELD = 30, 2_000
_LEVELS = {"debug": "debug", "info": "info", "warn": "warning", "warning": "warning"} | dict.fromkeys(
    ("error", "exception", "critical", "fatal"), "error"
)
# With these a line would pass for several, or steer the terminal that shows it.
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029]")
# What the log itself puts into a line, or acts on.
_RESERVED = frozenset(
    ("event", "plugin", "level", "logger", "timestamp", "exc_info", "stack_info", "stacklevel", "extra")
)


class Lines:
    """Of one plugin. What is too much is counted, and told with the next line."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._written: deque[float] = deque(maxlen=MOST_LINES)
        self._dropped = 0

    def write(self, log: Any, told: Mapping[str, Any]) -> None:
        now = self._clock.monotonic()
        if len(self._written) == MOST_LINES and now - self._written[0] < LINES_S:
            self._dropped += 1
            return
        if self._dropped:
            log.warning("lines_dropped", lines=self._dropped, within_s=LINES_S)
            self._dropped = 0
        self._written.append(now)
        level = _LEVELS.get(str(told.get("level")), "info")
        text = _CONTROL.sub(_show, str(told.get("text", ""))[:LONGEST_LINE])
        getattr(log, level)(text, **_fields(told.get("fields")))


def _show(found: re.Match[str]) -> str:
    return found[0].encode("unicode_escape").decode("ascii")


def _fields(told: Any) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    for name, value in told.items() if isinstance(told, Mapping) else ():
        if len(fields) == MOST_FIELDS:
            break
        if isinstance(name, str) and name.isidentifier() and name not in _RESERVED:
            fields[name] = (
                value if value is None or isinstance(value, bool | int | float) else str(value)[:LONGEST_FIELD]
            )
    return fields
