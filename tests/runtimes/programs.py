"""A host that answers the same small plugin in each runtime."""

from __future__ import annotations

import asyncio
from typing import Any

from jackfield.errors import Forbidden
from jackfield.runtimes.base import Diagnosis, Session
from jackfield.sdk.caller import current_caller


class Host:
    """Answers on behalf of whom it is asked; keeps what it heard."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, Any]] = []
        self.losses: list[Diagnosis] = []
        self.starts = 0
        self.fault: Exception | None = None
        self.asked = asyncio.Event()

    async def answer(self, method: str, params: Any) -> Any:
        await asyncio.sleep(0)
        if method == "who":
            caller = current_caller()
            return caller.user if caller is not None else None
        if method == "sleep":
            self.asked.set()
            await asyncio.Event().wait()
        if method == "echo":
            return params
        raise Forbidden(f"plugin weather does not have '{method}' permission")

    def hear(self, method: str, params: Any) -> None:
        self.heard.append((method, params))

    async def on_start(self, session: Session) -> None:
        self.starts += 1
        if self.fault is not None:
            raise self.fault
        assert await session.call("start", {"start": self.starts}, deadline_s=5) == "ready"

    def on_loss(self, diagnosis: Diagnosis) -> None:
        self.losses.append(diagnosis)

    def count(self, method: str) -> int:
        return sum(heard == method for heard, _ in self.heard)
