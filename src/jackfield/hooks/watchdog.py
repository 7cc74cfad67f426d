"""Tells which hook has the event loop, also while it does not give it back.

Whoever steps a hook notes it before and clears the note after; a thread looks at that note. It cannot end such a hook
(code in process is trusted), but the operator learns who it is while it lasts. `since` is written before `running` and
read after it, so that a note is never read with the time of an earlier one.
"""

from __future__ import annotations

import threading
from time import perf_counter_ns
from typing import Protocol

import structlog


class Watched(Protocol):
    """Something of a plugin that is run: a hook, or a step of its life."""

    @property
    def plugin(self) -> str: ...
    @property
    def name(self) -> str: ...


running: Watched | None = None
since: int = 0

log = structlog.get_logger("jackfield.hooks")


class Watchdog:
    """Reports once for every `patience_s` that one hook has kept the loop."""

    def __init__(self, patience_s: float = 1.0) -> None:
        self._patience_s = patience_s
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="jackfield-watchdog", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopped.set()
        if self._thread.ident is not None:
            self._thread.join()

    def _watch(self) -> None:
        while not self._stopped.wait(self._patience_s):
            look(self._patience_s)


def look(patience_s: float) -> str | None:
    """One look; returns the plugin that is reported, if any."""
    hook, kept_s = running, (perf_counter_ns() - since) / 1e9
    if hook is None or kept_s < patience_s:
        return None
    log.error("event_loop_blocked", plugin=hook.plugin, hook=hook.name, seconds=round(kept_s, 1))
    return hook.plugin
