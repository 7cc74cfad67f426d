"""Any worker tells, and changes, what another one has changed an instant ago."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from fastapi import Depends, Request

from jackfield.errors import JackfieldError
from jackfield.server.admin.errors import READING
from jackfield.server.admin.services import Services

# How long who only looks is kept waiting for a change that is being built.
LOOKING_S = 0.5


async def catch_up(request: Request, services: Services) -> None:
    """What cannot be taken over, or takes its time, keeps nobody from looking at what serves here; whoever changes
    something waits for it."""
    if request.method not in READING:
        await services.host.follow()
        return
    # Given up is only the waiting: what is being taken over goes on.
    with suppress(JackfieldError, TimeoutError):
        async with asyncio.timeout(LOOKING_S):
            await services.host.follow()


CAUGHT_UP = Depends(catch_up)
