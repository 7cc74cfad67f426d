"""The way to one configured server: opened when somebody mounts it, kept open, and opened again when it breaks."""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import Any, Literal

import msgspec
import structlog

from jackfield.errors import JackfieldError, UpstreamError
from jackfield.mcp.remote import RemoteSession, RemoteTool, chosen, innermost
from jackfield.sdk.tools import ToolContext, ToolFailed, ToolReply
from jackfield.settings import McpServer, conceal
from jackfield.telemetry.masking import masked
from jackfield.telemetry.text import describe_error, escape_halves

CLOSING_S = 5.0
LONGEST_PROBLEM = 500

log = structlog.get_logger("jackfield.mcp")

LinkState = Literal["connecting", "ready", "failed"]


class Patience(msgspec.Struct, frozen=True):
    """The pause after a failure, doubled with each further one until it has stayed for `settled_s`, and how often a
    server is asked anew for its tools: not all say when these change, and none that it hangs. One that says it all the
    time is asked every `rest_s`."""

    first_s: float = 0.5
    most_s: float = 60.0
    settled_s: float = 10.0
    refresh_s: float = 60.0
    rest_s: float = 0.5

    def after(self, failures: int) -> float:
        return float(min(self.first_s * 2 ** min(failures - 1, 20), self.most_s))


class ServerLink:
    """Shared by all who mount the server. `tools` are those of the last time that it was reached, `problem` why it
    cannot be now."""

    def __init__(self, server: McpServer, patience: Patience) -> None:
        self.server, self._patience = server, patience
        self.state: LinkState = "connecting"
        self.tools: tuple[RemoteTool, ...] = ()
        self.problem: str | None = None
        self._session: RemoteSession | None = None
        self._listeners: list[Callable[[], None]] = []
        self._running: asyncio.Task[None] | None = None
        self._news = asyncio.Event()
        self._tried = asyncio.Event()

    def acquire(self, listener: Callable[[], None]) -> None:
        """`listener` is called whenever anything that can be read here has changed."""
        self._listeners.append(listener)
        if self._running is None:
            self.state = "connecting"
            self._tried.clear()
            self._running = asyncio.create_task(self._run(), name=f"mcp-{self.server.name}")

    async def release(self, listener: Callable[[], None]) -> None:
        """Closes the connection where nobody is left. Bounded in time."""
        if listener in self._listeners:
            self._listeners.remove(listener)
        if self._listeners or self._running is None:
            return
        running, self._running = self._running, None
        self._session = None
        running.cancel()
        await asyncio.wait([running], timeout=CLOSING_S)

    async def reached(self) -> None:
        """Waits until the server was reached, or could not be."""
        await self._tried.wait()

    async def call(self, name: str, arguments: dict[str, Any], context: ToolContext) -> ToolReply:
        """Raises `ToolFailed` while there is no connection, and `UpstreamError`."""
        session = self._session
        if session is None:
            raise ToolFailed(f"The MCP server {self.server.name} is not connected: {self.problem or 'not yet'}")
        try:
            return await session.call(name, arguments, context)
        except UpstreamError:
            # It may be gone: the next look at its tools will tell.
            self._news.set()
            raise

    async def _run(self) -> None:
        failures = 0
        loop = asyncio.get_running_loop()
        while True:
            words: Any = None
            began = loop.time()
            try:
                module = await asyncio.to_thread(importlib.import_module, "jackfield.mcp.session")
                words = module.LastWords()
                await self._serve(module, words)
                problem = "the connection was closed"
            except Exception as error:  # noqa: BLE001 - a boundary: whatever a stranger's server leads to is its own problem
                problem = _tell(error)
            settled = self.state == "ready" and loop.time() - began > self._patience.settled_s
            failures = 1 if settled else failures + 1
            self._session = None
            self._fail(words.verdict or problem if words else problem, str(words or ""))
            await self._pause(self._patience.after(failures))

    async def _serve(self, module: Any, words: Any) -> None:
        """From the connection to its end, which raises."""
        async with AsyncExitStack() as stack:
            async with asyncio.timeout(self.server.timeout_s):
                session = await stack.enter_async_context(module.connect(self.server, self._news.set, words))
                tools = await session.list_tools()
            following = asyncio.create_task(session.follow(self._news.set), name=f"mcp-changes-{self.server.name}")
            stack.push_async_callback(_end, following)
            self._session = session
            self._take(tools)
            while True:
                await self._wait_for_news()
                self._take(await session.list_tools())

    async def _wait_for_news(self) -> None:
        await self._pause(self._patience.rest_s)
        try:
            async with asyncio.timeout(self._patience.refresh_s):
                await self._news.wait()
        except TimeoutError:
            pass
        self._news.clear()

    def _take(self, tools: tuple[RemoteTool, ...]) -> None:
        tools = chosen(tools, self.server.tools)
        changed = self.state != "ready" or tools != self.tools
        self.state, self.problem, self.tools = "ready", None, tools
        self._tried.set()
        if changed:
            log.info("mcp_server_ready", server=self.server.name, tools=len(tools))
            self._tell()

    def _fail(self, problem: str, last_words: str) -> None:
        told = f"{problem}; its last words: {last_words}" if last_words else problem
        told = masked(escape_halves(str(conceal(told))))[:LONGEST_PROBLEM]
        changed = (self.state, self.problem) != ("failed", told)
        self.state, self.problem = "failed", told
        self._tried.set()
        if changed:
            log.warning("mcp_server_failed", server=self.server.name, problem=told)
            self._tell()

    def _tell(self) -> None:
        for listener in tuple(self._listeners):
            listener()

    async def _pause(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


async def _end(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.wait([task])


def _tell(error: BaseException) -> str:
    error = innermost(error)
    if isinstance(error, TimeoutError):
        return "it has not answered in time"
    if isinstance(error, JackfieldError | ToolFailed):
        return str(error)
    return describe_error(error)
