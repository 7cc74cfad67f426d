"""The same small plugin as `program.mjs`, in Python."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from jackfield.runtimes.guest import Rpc


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
