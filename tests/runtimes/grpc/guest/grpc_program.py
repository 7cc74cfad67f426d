"""The small plugin of all runtimes, over gRPC: its methods are tools, its streams those of a provider."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from importlib.machinery import SourceFileLoader
from pathlib import Path
from typing import Any

from jackfield.runtimes.grpc.guest import GrpcRpc, run

# Its folder is not on the path: a package in it is named as gRPC's own is.
Program: Any = SourceFileLoader("program", str(Path(__file__).parents[2] / "program.py")).load_module().Program


class OverTools:
    """What its program asks and tells goes as what a tool may ask and tell."""

    def __init__(self, rpc: GrpcRpc) -> None:
        self._rpc = rpc

    async def call(self, method: str, params: Any = None) -> Any:
        reply = await self._rpc.call("tools.execute", {"name": method, "arguments": {"params": params}})
        return reply["result"]

    def tell(self, method: str, params: Any = None) -> None:
        self._rpc.tell("log", {"level": "info", "text": method, "fields": {"params": params}})


class ProcessProgram(Program):
    async def exit(self, code: Any, rpc: Any) -> None:
        os._exit(code)

    async def print(self, text: Any, rpc: Any) -> None:
        print(text, flush=True)
        print(f"error: {text}", file=sys.stderr, flush=True)

    async def spin(self, params: Any, rpc: Any) -> None:
        while True:
            pass

    async def hog(self, params: Any, rpc: Any) -> None:
        while True:
            self.kept.setdefault("memory", []).append(bytearray(8 * 1024 * 1024))
            await asyncio.sleep(0)

    async def pour(self, count: Any, rpc: Any) -> AsyncIterator[str]:
        """Megabytes."""
        self.kept["made"] = 0
        for _ in range(count):
            self.kept["made"] += 1
            yield "x" * 1_000_000

    async def run(self, code: Any, rpc: Any) -> Any:
        """The body of a function."""
        names: dict[str, Any] = {}
        body = "".join(f"    {line}\n" for line in code.splitlines())
        exec(f"async def run(rpc, program):\n{body}", names)
        return await names["run"](rpc, self)


class Adapted:
    def __init__(self) -> None:
        self._program = ProcessProgram()

    def _find(self, method: str) -> Any:
        found = None if method.startswith("_") else getattr(self._program, method, None)
        if not callable(found):
            raise LookupError(f"no method {method}")
        return found

    async def tool(self, params: Any, rpc: Any) -> Any:
        found = self._find(params["name"])
        result = await found(params["arguments"].get("params"), OverTools(rpc))
        return {"success": True, "result": result}

    async def stream(self, params: Any, rpc: Any) -> AsyncIterator[bytes]:
        asked = json.loads(params["request"])
        items = self._find(asked["method"])(asked["params"], OverTools(rpc))
        try:
            async for item in items:
                yield json.dumps(item).encode()
        finally:
            await items.aclose()

    def over(self, params: Any, rpc: Any) -> None:
        told = json.loads(params["exchange"])
        self._find(told["method"])(told["params"], OverTools(rpc))


if __name__ == "__main__":
    run(Adapted())
