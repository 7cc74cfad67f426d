"""The small plugin, and what only a process can do; runs in an isolated process."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from typing import Any

from program import Program

from jackfield.runtimes.guest import Rpc


class ProcessProgram(Program):
    async def exit(self, code: Any, rpc: Rpc) -> None:
        os._exit(code)

    async def die(self, params: Any, rpc: Rpc) -> None:
        os.abort()

    async def print(self, text: Any, rpc: Rpc) -> None:
        print(text)
        print(f"error: {text}", file=sys.stderr)

    async def flood(self, lines: Any, rpc: Rpc) -> str:
        for number in range(lines):
            print("x" * 1000, number)
        return "flooded"

    async def flood_host(self, params: Any, rpc: Rpc) -> None:
        while True:
            rpc.tell("flood", params)

    async def spin(self, params: Any, rpc: Rpc) -> None:
        while True:
            pass

    async def burn(self, params: Any, rpc: Rpc) -> None:
        while True:
            await asyncio.sleep(0)

    async def hog(self, params: Any, rpc: Rpc) -> None:
        """All that it is given, and what it has it uses."""
        held = self.kept.setdefault("memory", [])
        while True:
            with contextlib.suppress(MemoryError):
                held.append(bytearray(b"x") * (8 * 1024 * 1024))
            await asyncio.sleep(0.001)

    async def leak_descriptors(self, params: Any, rpc: Rpc) -> int:
        while True:
            self.kept.setdefault("pipes", []).append(os.pipe())

    async def run(self, code: Any, rpc: Rpc) -> Any:
        """The body of a function."""
        names: dict[str, Any] = {}
        body = "".join(f"    {line}\n" for line in code.splitlines())
        exec(f"async def run(rpc, program):\n{body}", names)
        return await names["run"](rpc, self)


async def begin(arguments: Any, rpc: Rpc) -> object:
    program = ProcessProgram()
    program.kept["arguments"] = arguments
    return program
