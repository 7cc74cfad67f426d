"""What a program prints, line by line into the log, and no more of it than a log can bear."""

from __future__ import annotations

from collections import deque

import structlog

from jackfield.clock import Clock

MOST_LINES, LINES_S = 100, 10.0
LONGEST_LINE = 2_000

log = structlog.get_logger("jackfield.plugins")


class LineLog:
    """`feed` takes what was printed. Lines beyond what a log can bear are counted instead."""

    def __init__(self, plugin_id: str, clock: Clock) -> None:
        self._plugin, self._clock = plugin_id, clock
        self._told: deque[float] = deque(maxlen=MOST_LINES)
        self._rest = b""
        self._dropped = 0

    def feed(self, data: bytes) -> None:
        *lines, rest = (self._rest + data).split(b"\n")
        self._rest = rest[-LONGEST_LINE:]
        for line in lines:
            if line.strip():
                self._tell(line[:LONGEST_LINE].decode("utf-8", "replace").rstrip().replace("\0", ""))

    def _tell(self, text: str) -> None:
        now = self._clock.monotonic()
        if len(self._told) == MOST_LINES and now - self._told[0] < LINES_S:
            self._dropped += 1
            return
        if self._dropped:
            log.warning("plugin_output_dropped", plugin=self._plugin, lines=self._dropped)
            self._dropped = 0
        self._told.append(now)
        log.info("plugin_output", plugin=self._plugin, text=text)
