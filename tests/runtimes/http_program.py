"""The small plugin of each runtime as a service over HTTP, which is a provider too; and one that can misbehave.

Runs by itself (`python http_program.py PORT [WORD]`), with the standard library alone, or inside of a test.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from collections.abc import AsyncIterator
from typing import Any

COMPLETION = {
    "id": "c",
    "object": "chat.completion",
    "created": 1,
    "model": "small",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "hi"}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
}


class Program:
    """A coroutine answers, a generator streams; what is not here is not found."""

    def __init__(self, word: str = "small") -> None:
        self.word = word
        self.kept: dict[str, Any] = {"aborted": 0, "initialized": None, "times": 0}

    async def start(self, params: Any) -> Any:
        return "ready"

    async def echo(self, params: Any) -> Any:
        return params

    async def fail(self, params: Any) -> Any:
        raise ValueError(params)

    async def wait(self, params: Any) -> Any:
        try:
            await asyncio.Event().wait()
        finally:
            self.kept["aborted"] += 1

    async def aborted(self, params: Any) -> Any:
        return self.kept["aborted"]

    async def made(self, params: Any) -> Any:
        return self.kept["made"]

    async def count(self, params: Any) -> AsyncIterator[Any]:
        for number in range(params):
            yield number

    async def large(self, params: Any) -> AsyncIterator[Any]:
        self.kept["made"] = 0
        try:
            for _ in range(params):
                self.kept["made"] += 1
                yield "x" * 100_000
        finally:
            self.kept["aborted"] += 1

    async def break_off(self, params: Any) -> AsyncIterator[Any]:
        yield 1
        yield {"code": "internal_error", "message": "no more"}

    async def stall(self, params: Any) -> AsyncIterator[Any]:
        yield 1
        await asyncio.Event().wait()

    # A provider

    async def metadata(self, params: Any) -> Any:
        return {"name": "Small", "version": "1.0.0", "provider_type": self.word}

    async def initialize(self, params: Any) -> Any:
        self.kept["initialized"] = params
        self.kept["times"] += 1
        return {}

    async def health(self, params: Any) -> Any:
        return {"healthy": self.kept["initialized"] is not None, "message": "Not initialized"}

    async def models(self, params: Any) -> Any:
        return [{"id": self.word}]

    async def cleanup(self, params: Any) -> Any:
        print("cleaned up", flush=True)
        return {}

    async def chat_completions(self, params: Any) -> Any:
        deed = str(params["messages"][-1]["content"])
        if deed in DEEDS:
            print(f"about to {deed}", flush=True)
            DEEDS[deed]()
        told = {"pid": os.getpid(), "environ": sorted(os.environ), "cwd": os.getcwd(), "argv": sys.argv[1:]}
        told["descriptors"] = len(os.listdir("/proc/self/fd"))
        return {**COMPLETION, "told": told | {"times": self.kept["times"]}}


def _flood() -> None:
    held = []
    for _ in range(10_000):
        held.append(bytearray(os.urandom(1) * 4_000_000))
        time.sleep(0.002)


def _multiply() -> None:
    for _ in range(20):
        if os.fork() == 0:
            time.sleep(60)
            os._exit(0)
    time.sleep(60)


def _spew() -> None:
    line = b"spewing without end " * 200 + b"\n"
    until = time.monotonic() + 2
    while time.monotonic() < until:
        os.write(1, line)


def _leak() -> None:
    held = []
    while True:
        held.append(open("/dev/null", "rb"))  # noqa: SIM115 - that is the deed


DEEDS = {
    "die": lambda: os._exit(3),
    "hang": lambda: time.sleep(60),
    "flood": _flood,
    "multiply": _multiply,
    "spew": _spew,
    "leak": _leak,
}


class Server:
    def __init__(self, program: Program) -> None:
        self._program = program
        self._writers: set[asyncio.StreamWriter] = set()

    async def open(self, port: int = 0) -> int:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", port)
        return int(self._server.sockets[0].getsockname()[1])

    async def close(self) -> None:
        self._server.close()
        for writer in list(self._writers):
            writer.transport.abort()
        await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        try:
            while line := await reader.readline():
                path = line.decode().split(" ")[1].strip("/").replace("/", "_")
                length = 0
                while (header := await reader.readline()).strip():
                    if header.lower().startswith(b"content-length:"):
                        length = int(header.split(b":")[1])
                body = await reader.readexactly(length)
                await self._answer(path, json.loads(body) if body else None, reader, writer)
        except (OSError, asyncio.IncompleteReadError):
            return
        finally:
            self._writers.discard(writer)
            writer.close()

    async def _answer(self, path: str, params: Any, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        handler = None if path.startswith("_") else vars(Program).get(path)
        if handler is None:
            return self._send(writer, 404, {})
        answering = asyncio.ensure_future(self._run(handler(self._program, params), writer))
        leaving = asyncio.ensure_future(_await_end(reader))
        try:
            await asyncio.wait([answering, leaving], return_when=asyncio.FIRST_COMPLETED)
        finally:
            leaving.cancel()
            if not answering.done():
                answering.cancel()
            await asyncio.wait([answering, leaving])
        if answering.cancelled():
            raise ConnectionError
        return answering.result()

    async def _run(self, made: Any, writer: asyncio.StreamWriter) -> None:
        if hasattr(made, "__aiter__"):
            await self._stream(made, writer)
            return
        try:
            self._send(writer, 200, await made)
        except ValueError as error:
            self._send(writer, 500, {"code": "internal_error", "message": str(error)})

    async def _stream(self, items: Any, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: application/x-ndjson\r\ntransfer-encoding: chunked\r\n\r\n")
        try:
            async for item in items:
                line = json.dumps(item).encode() + b"\n"
                writer.write(b"%x\r\n%s\r\n" % (len(line), line))
                await writer.drain()
        finally:
            await items.aclose()
        writer.write(b"0\r\n\r\n")

    def _send(self, writer: asyncio.StreamWriter, status: int, value: Any) -> None:
        body = json.dumps(value).encode()
        head = f"HTTP/1.1 {status} Status\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
        writer.write(head.encode() + body)


async def _await_end(reader: asyncio.StreamReader) -> None:
    while not reader.at_eof():
        await asyncio.sleep(0.005)


async def serve(port: int, word: str) -> None:
    await Server(Program(word)).open(port)
    print(f"listening on {port}", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    if "broken" in sys.argv:
        sys.exit("this program is broken")
    asyncio.run(serve(int(os.environ.get("PORT") or sys.argv[1]), sys.argv[2] if len(sys.argv) > 2 else "small"))
