"""The same small plugin for each runtime, and a host that answers it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from jackfield.errors import Forbidden
from jackfield.runtimes.base import Diagnosis, Session
from jackfield.runtimes.inprocess import Rpc
from jackfield.sdk.caller import current_caller


class Program:
    """What `program.mjs` is in JavaScript."""

    def __init__(self) -> None:
        self.kept: dict[str, Any] = {"aborted": 0}

    async def start(self, params: Any, rpc: Rpc) -> Any:
        rpc.tell("started", params)
        return "ready"

    async def echo(self, params: Any, rpc: Rpc) -> Any:
        return params

    async def fail(self, params: Any, rpc: Rpc) -> Any:
        raise ValueError(params)

    async def ask(self, params: Any, rpc: Rpc) -> Any:
        """Asks the host, in between other things."""
        await asyncio.sleep(0)
        first = await rpc.call(params["method"], params.get("params"))
        await asyncio.sleep(0)
        return [first, await rpc.call(params["method"], params.get("params"))]

    async def ask_too_late(self, params: Any, rpc: Rpc) -> None:
        async def ask() -> None:
            await asyncio.sleep(0.02)
            rpc.tell("late", await rpc.call("who"))

        self.kept["task"] = asyncio.create_task(ask())

    async def speak(self, params: Any, rpc: Rpc) -> Any:
        for number in range(params):
            rpc.tell("said", number)
        return "done"

    async def wait(self, params: Any, rpc: Rpc) -> Any:
        rpc.tell("waiting")
        try:
            await asyncio.Event().wait()
        finally:
            self.kept["aborted"] += 1

    async def aborted(self, params: Any, rpc: Rpc) -> Any:
        return self.kept["aborted"]

    def heard(self, params: Any, rpc: Rpc) -> None:
        rpc.tell("heard", params)

    async def count(self, params: Any, rpc: Rpc) -> AsyncIterator[int]:
        self.kept["made"] = 0
        try:
            for number in range(params):
                self.kept["made"] += 1
                yield number
        finally:
            self.kept["aborted"] += 1

    async def made(self, params: Any, rpc: Rpc) -> Any:
        return self.kept["made"]

    async def break_off(self, params: Any, rpc: Rpc) -> AsyncIterator[int]:
        yield 1
        raise ValueError("no more")

    async def stall(self, params: Any, rpc: Rpc) -> AsyncIterator[int]:
        yield 1
        await asyncio.Event().wait()


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
