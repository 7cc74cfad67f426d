"""Tells which plugin has the event loop, also while it does not give it back.

Whoever steps a plugin's code notes it before and clears the note after; a thread looks at that note. It cannot end such
code (in process it is trusted), but the operator learns whose it is while it lasts. `since` is written before `running`
and read after it, so that a note is never read with the time of an earlier one.
"""

from __future__ import annotations

import threading
from time import perf_counter_ns
from typing import Protocol

import structlog


class Watched(Protocol):
    """Something of a plugin that is run: a hook, a step of its life, or a provider's method."""

    @property
    def plugin(self) -> str: ...
    @property
    def name(self) -> str: ...


# Nobody is reported for a stay on the loop that is shorter.
BLOCKED_NS = 50_000_000

running: Watched | None = None
since: int = 0

log = structlog.get_logger("jackfield.hooks")


class Watchdog:
    """Reports once for every `patience_s` that one plugin has kept the loop."""

    def __init__(self, patience_s: float = 1.0) -> None:
        self._patience_s = patience_s
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="jackfield-watchdog", daemon=True)

    def __enter__(self) -> Watchdog:
        self.start()
        return self

    def __exit__(self, *problem: object) -> None:
        self.stop()

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


def report_blocked(who: Watched, step_ns: int) -> None:
    """For the log, after the fact: who kept the loop for `step_ns` without a break."""
    log.warning("hook_blocked_loop", plugin=who.plugin, hook=who.name, seconds=round(step_ns / 1e9, 3))
