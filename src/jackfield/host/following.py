"""Several workers, one plugin world: each follows the generations that another has made."""

from __future__ import annotations

import asyncio

import structlog

from jackfield.host.host import Host

EVERY_S = 0.25

log = structlog.get_logger("jackfield.host")


async def follow(host: Host) -> None:
    """Until it is cancelled. A world that cannot be taken over leaves this worker at its own, and is tried again."""
    told: str | None = None
    while True:
        await asyncio.sleep(EVERY_S)
        try:
            await host.follow()
            told = None
        except Exception as error:  # noqa: BLE001 - whatever happens, the last good world serves and following goes on
            if str(error) != told:
                told = str(error)
                log.error("generation_not_followed", serves=host.snapshot.generation, reason=told)
