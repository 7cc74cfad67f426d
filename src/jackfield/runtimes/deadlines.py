"""What is waited for with a deadline that names the plugin."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

from jackfield.rpc.calls import late_error

T = TypeVar("T")


async def finish_call(who: str, what: str, work: Awaitable[T], deadline_s: float) -> T:
    """Raises `PluginTimeout` naming the plugin."""
    deadline = asyncio.timeout(deadline_s)
    try:
        async with deadline:
            return await work
    except TimeoutError as error:
        if not deadline.expired():
            raise
        raise late_error(who, what, deadline_s) from error
