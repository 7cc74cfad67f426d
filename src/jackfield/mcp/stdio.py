"""An MCP server as a child process: JSON-RPC messages, one a line, over its standard streams."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
from collections import deque
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import anyio
from anyio.abc import ObjectReceiveStream, ObjectSendStream
from mcp.shared.message import SessionMessage
from mcp_types import jsonrpc_message_adapter

from jackfield.errors import ConnectFailed
from jackfield.telemetry.text import escape_halves

if TYPE_CHECKING:
    from mcp.client._transport import TransportStreams

LONGEST_LINE = 4 * 1024 * 1024
# More lines than this within a second are left in the pipe until the next one.
MOST_LINES_A_SECOND = 2000
MOST_NONSENSE = 100
GRACE_S = 1.0
MOST_WORDS = 20
LONGEST_WORDS = 500

Incoming = ObjectSendStream[SessionMessage | Exception]


class LastWords:
    """The last lines that a process wrote to its standard error. `verdict` says why it was ended, if it was."""

    def __init__(self) -> None:
        self.verdict: str | None = None
        self._lines: deque[str] = deque(maxlen=MOST_WORDS)

    def hear(self, line: bytes) -> None:
        if text := escape_halves(line.decode("utf-8", "replace").strip()):
            self._lines.append(text[:LONGEST_WORDS])

    def __str__(self) -> str:
        return "\n".join(self._lines)


@asynccontextmanager
async def run_child(
    command: str, args: Sequence[str], env: Mapping[str, str], words: LastWords
) -> AsyncIterator[TransportStreams]:
    """The process has this environment and no other, and a group of its own, of which nothing is left in the end.
    Raises `ConnectFailed`."""
    program = shutil.which(command)
    if program is None:
        raise ConnectFailed(f"there is no program {command!r}")
    try:
        process = await asyncio.create_subprocess_exec(
            program,
            *args,
            env=dict(env),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            limit=LONGEST_LINE,
            start_new_session=True,
        )
    except OSError as error:
        raise ConnectFailed(f"{command!r} does not start: {error.strerror}") from error
    incoming, read_stream = anyio.create_memory_object_stream[SessionMessage | Exception](0)
    write_stream, outgoing = anyio.create_memory_object_stream[SessionMessage](0)
    tasks = [
        asyncio.create_task(_read(process, incoming, words), name="mcp-child-output"),
        asyncio.create_task(_write(process, outgoing, incoming), name="mcp-child-input"),
        asyncio.create_task(_listen(process, words), name="mcp-child-errors"),
    ]
    try:
        async with incoming, read_stream, write_stream, outgoing:
            yield read_stream, write_stream
    finally:
        for task in tasks:
            task.cancel()
        await _end(process)
        await asyncio.wait(tasks, timeout=GRACE_S)


async def _read(process: asyncio.subprocess.Process, incoming: Incoming, words: LastWords) -> None:
    """Until the process ends its output, or what it writes is no protocol; then it is ended."""
    assert process.stdout is not None
    pace, nonsense = _Pace(), 0
    async with incoming:
        with contextlib.suppress(anyio.ClosedResourceError, anyio.BrokenResourceError):
            while nonsense <= MOST_NONSENSE and (line := await _next_line(process.stdout)):
                await pace.keep()
                message = _parse(line)
                if message is None:
                    nonsense += 1
                else:
                    await incoming.send(message)
            if nonsense > MOST_NONSENSE or line is None:
                words.verdict = "what it writes is not the protocol"
                _signal(process.pid, signal.SIGKILL)


async def _next_line(output: asyncio.StreamReader) -> bytes | None:
    """Empty at the end, `None` for one without an end."""
    try:
        return await output.readline()
    except ValueError:
        return None


class _Pace:
    """Lets a process that floods its output wait: what it writes costs time that others need."""

    def __init__(self) -> None:
        self._second, self._lines = 0, 0

    async def keep(self) -> None:
        now = asyncio.get_running_loop().time()
        if int(now) != self._second:
            self._second, self._lines = int(now), 0
        self._lines += 1
        if self._lines > MOST_LINES_A_SECOND:
            await asyncio.sleep(1 - now % 1)


def _parse(line: bytes) -> SessionMessage | None:
    try:
        return SessionMessage(jsonrpc_message_adapter.validate_json(line, by_name=False))
    except (ValueError, RecursionError):
        return None


async def _write(
    process: asyncio.subprocess.Process, outgoing: ObjectReceiveStream[SessionMessage], incoming: Incoming
) -> None:
    assert process.stdin is not None
    try:
        async with outgoing:
            async for message in outgoing:
                process.stdin.write(message.message.model_dump_json(by_alias=True, exclude_unset=True).encode() + b"\n")
                await process.stdin.drain()
    except (OSError, anyio.ClosedResourceError):
        # Whoever waits for an answer must learn that none will come.
        await incoming.aclose()


async def _listen(process: asyncio.subprocess.Process, words: LastWords) -> None:
    assert process.stderr is not None
    while True:
        try:
            line = await process.stderr.readline()
        except ValueError:
            continue
        if not line:
            return
        words.hear(line)


async def _end(process: asyncio.subprocess.Process) -> None:
    """Its input ends, as the protocol has it; then it is asked, and then made to. What it has started goes with it."""
    assert process.stdin is not None
    with contextlib.suppress(OSError, RuntimeError):
        process.stdin.close()
    if not await _ends_within(process, GRACE_S):
        _signal(process.pid, signal.SIGTERM)
        await _ends_within(process, GRACE_S)
    _signal(process.pid, signal.SIGKILL)
    await _ends_within(process, GRACE_S)
    # Another process that holds its pipes would keep the transport open for ever.
    process._transport.close()  # type: ignore[attr-defined]


async def _ends_within(process: asyncio.subprocess.Process, seconds: float) -> bool:
    """The process itself: to wait for it the usual way is to wait for its pipes as well."""
    deadline = asyncio.get_running_loop().time() + seconds
    while process.returncode is None:
        if asyncio.get_running_loop().time() >= deadline:
            return False
        await asyncio.sleep(0.01)
    return True


def _signal(group: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)
