"""Tasks that live as long as what owns them."""

from __future__ import annotations

from collections.abc import Coroutine
from contextlib import AsyncExitStack
from typing import Any

from jackfield.control.owned import OwnedTask


def own(stack: AsyncExitStack, work: Coroutine[Any, Any, None], name: str) -> None:
    """Starts a task that ends with the stack."""
    task = OwnedTask()
    task.start(work, name)
    stack.push_async_callback(task.end)
