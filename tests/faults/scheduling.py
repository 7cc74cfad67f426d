"""A process with one scheduled task, on a store that it shares. Arguments: the data folder, the file that runs are
noted in, when it runs, how long a run takes, and how far the wall clock is set forward; without that so far that the
next minute begins in half a second.

On its output it says what is planned, once it is."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from pathlib import Path

from jackfield.services import scheduler as service
from jackfield.services.allowance import Allowance
from jackfield.services.events import EventBus
from jackfield.stores.database import Database
from jackfield.stores.leases import Leases


class SetClock:
    def __init__(self, forward_s: float) -> None:
        self._forward_s = forward_s

    def monotonic(self) -> float:
        return time.monotonic()

    def wall(self) -> float:
        return time.time() + self._forward_s


async def main(data: str, notes: str, when: str, takes: str, forward: str) -> None:
    # One that is gone is known to be so a little sooner here.
    service.LEASE_S, service.RENEWED_EVERY_S = 1.0, 0.25
    database = await Database.open("sqlite", Path(data))
    forward_s = float(forward) if forward else 59.5 - time.time() % 60
    clock = SetClock(forward_s)
    allowance = Allowance.of("a", service.SCHEDULER_PERMISSIONS, clock)
    tasks = service.PluginScheduler(
        allowance, Leases(database), EventBus(clock, lambda plugin: None), clock, lambda plugin: None
    )

    def note(what: str) -> None:
        with Path(notes).open("a", encoding="utf-8") as file:
            file.write(f"{what} {os.getpid()} {clock.wall()}\n")

    async def run() -> None:
        note("begin")
        await asyncio.sleep(float(takes))
        note("end")

    await tasks.schedule("tidy", when if " " in when else float(when), run)
    tasks.open()
    (planned,) = await tasks.list()
    last = planned.last_run.timestamp() if planned.last_run else 0
    next_ = planned.next_run.timestamp() if planned.next_run else 0
    sys.stdout.write(f"{planned.runs} {last} {next_} {forward_s}\n")
    sys.stdout.flush()
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
