"""Any worker tells, and changes, what another one has changed an instant ago."""

from __future__ import annotations

from typing import Any

from fastapi import Depends, Request

from jackfield.errors import JackfieldError
from jackfield.host.host import Host
from jackfield.server.admin.errors import READING


def caught_up(host: Host) -> Any:
    """A dependency of routes. What cannot be taken over keeps nobody from looking at what serves here."""

    async def catch_up(request: Request) -> None:
        try:
            await host.follow()
        except JackfieldError:
            if request.method not in READING:
                raise

    return Depends(catch_up)
