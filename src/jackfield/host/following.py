"""Several workers, one plugin world: each follows the generations that another has made."""

from __future__ import annotations

import asyncio

import structlog

from jackfield.host.host import Host

EVERY_S = 0.25
LONGEST_S = 10.0

log = structlog.get_logger("jackfield.host")


async def follow(host: Host) -> None:
    """Until it is cancelled. A world that cannot be taken over leaves this worker at its own, and is tried again."""
    pause_s = EVERY_S
    while True:
        await asyncio.sleep(pause_s)
        try:
            await host.follow()
            host.behind, pause_s = None, EVERY_S
        except Exception as error:  # noqa: BLE001 - whatever happens, the last good world serves and following goes on
            told, pause_s = str(error), min(pause_s * 2, LONGEST_S)
            if told != host.behind:
                host.behind = told
                log.error("generation_not_followed", serves=host.snapshot.generation, reason=told)
