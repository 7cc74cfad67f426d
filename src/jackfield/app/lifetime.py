"""Tasks that live as long as what owns them."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Coroutine
from contextlib import AsyncExitStack
from typing import Any


def own(stack: AsyncExitStack, work: Coroutine[Any, Any, None], name: str) -> None:
    """Starts a task that ends with the stack."""
    task = asyncio.create_task(work, name=name)

    async def end() -> None:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task

    stack.push_async_callback(end)
