"""Tasks that outlive what started them."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Collection
from typing import Any

Tasks = set[asyncio.Task[Any]]

# How long what was started beside an exchange may take to end by itself.
PATIENCE_S = 60.0
STEP_S = 1.0


async def quiet_tasks(usual: Collection[asyncio.Task[Any]] = ()) -> Tasks:
    """The tasks there are once all others than the usual have ended, or had their time."""
    waited = 0.0
    while (left := _tasks()) - set(usual) and waited < PATIENCE_S:
        await asyncio.sleep(STEP_S)
        waited += STEP_S
    return left


def leftovers(now: Tasks, usual: Tasks) -> list[str]:
    """The names of the coroutines of tasks that are more than they usually were."""
    excess = Counter(map(_name, now)) - Counter(map(_name, usual))
    return sorted(excess)


def _tasks() -> Tasks:
    return {task for task in asyncio.all_tasks() if task is not asyncio.current_task()}


def _name(task: asyncio.Task[Any]) -> str:
    return getattr(task.get_coro(), "__qualname__", task.get_name())
