"""A connection to another MCP server, by the SDK."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, contextmanager, suppress
from typing import TYPE_CHECKING, Any

import httpx2
import msgspec
from mcp.client.client import Client
from mcp.client.subscriptions import ListenNotSupportedError, SubscriptionLost
from mcp.shared.exceptions import MCPError
from mcp_types import (
    CONNECTION_CLOSED,
    REQUEST_TIMEOUT,
    CallToolRequest,
    CallToolRequestParams,
    CallToolResult,
    Implementation,
    PaginatedRequestParams,
    TextContent,
    ToolListChangedNotification,
)
from pydantic import ValidationError

from jackfield import __version__
from jackfield.errors import UpstreamBroken, UpstreamTimeout
from jackfield.mcp.http import connect_http
from jackfield.mcp.remote import RemoteTool, innermost
from jackfield.mcp.sieve import SievedStream
from jackfield.mcp.stdio import LastWords, run_child
from jackfield.sdk.tools import ToolContext, ToolFailed, ToolReply
from jackfield.settings import McpServer
from jackfield.telemetry.text import describe_error, escape_all_halves

if TYPE_CHECKING:
    from mcp.client._transport import TransportStreams

# What goes wrong is told once, by whoever keeps the connection, and without what the server wrote.
for name, level in (("mcp.client", logging.CRITICAL), ("httpx2", logging.WARNING)):
    logging.getLogger(name).setLevel(level)

MOST_PAGES = 50
MOST_TOOLS = 2000


class SdkSession:
    """Asks for no sampling, no roots and no input of a user: there is none here that could be asked."""

    def __init__(self, client: Client, refused: dict[str, RemoteTool], timeout_s: float) -> None:
        """`refused` are the tools of the last list that are none."""
        self._client, self._refused, self._timeout_s = client, refused, timeout_s

    async def list_tools(self) -> tuple[RemoteTool, ...]:
        """As many as are taken from one server; further ones are not asked for. Those that are none are among them:
        whoever offers the others says why not these."""
        found: list[RemoteTool] = []
        self._refused.clear()
        cursor: str | None = None
        with _told(self._timeout_s):
            for _ in range(MOST_PAGES):
                page = await self._client.session.list_tools(params=PaginatedRequestParams(cursor=cursor))
                found += (
                    RemoteTool(name=tool.name, description=tool.description or "", schema=tool.input_schema)
                    for tool in page.tools
                )
                cursor = page.next_cursor
                if cursor is None or len(found) >= MOST_TOOLS:
                    break
        return (*found[:MOST_TOOLS], *self._refused.values())

    async def call(self, name: str, arguments: dict[str, Any], context: ToolContext) -> ToolReply:
        """What it answers is not held against the schema that it states: that would be its own to keep, and costs."""

        async def hear(progress: float, total: float | None, message: str | None) -> None:
            context.progress(progress / total if total else 0.0, message or "")

        request = CallToolRequest(params=CallToolRequestParams(name=name, arguments=arguments))
        with _told(self._timeout_s):
            result = await self._client.session.send_request(
                request, CallToolResult, request_read_timeout_seconds=self._timeout_s, progress_callback=hear
            )
        return _reply(result)

    async def follow(self, changed: Callable[[], None]) -> None:
        """Tells of changes for as long as the server does, where it does so on a stream of its own."""
        with suppress(ListenNotSupportedError, SubscriptionLost, MCPError, TimeoutError):
            async with self._client.listen(tools_list_changed=True) as changes:
                async for _ in changes:
                    changed()


@asynccontextmanager
async def connect(server: McpServer, changed: Callable[[], None], words: LastWords) -> AsyncIterator[SdkSession]:
    """`changed` is called when the server says that its tools have changed."""

    async def hear(message: Any) -> None:
        if isinstance(message, ToolListChangedNotification):
            changed()

    refused: dict[str, RemoteTool] = {}
    client = Client(
        _sieved(_transport(server, words), refused),
        read_timeout_seconds=server.timeout_s,
        client_info=Implementation(name="jackfield", version=__version__),
        message_handler=hear,
        cache=None,
    )
    async with AsyncExitStack() as stack:
        with _told(server.timeout_s):
            await stack.enter_async_context(client)
        yield SdkSession(client, refused, server.timeout_s)


@asynccontextmanager
async def _sieved(
    transport: AbstractAsyncContextManager[TransportStreams], refused: dict[str, RemoteTool]
) -> AsyncIterator[TransportStreams]:
    async with transport as (incoming, outgoing):
        yield SievedStream(incoming, refused), outgoing


def _transport(server: McpServer, words: LastWords) -> AbstractAsyncContextManager[TransportStreams]:
    if server.url is not None:
        return connect_http(server)
    assert server.command is not None
    env = {name: value.reveal() for name, value in server.env_values}
    return run_child(server.command, server.args, env, words)


@contextmanager
def _told(timeout_s: float) -> Iterator[None]:
    """Turns the SDK's errors into ours, and those of the HTTP client, however many task groups have wrapped them."""
    try:
        yield
    except (ValidationError, MCPError, httpx2.HTTPError, ExceptionGroup) as error:
        raise _ours(innermost(error), timeout_s) from error


def _ours(error: BaseException, timeout_s: float) -> BaseException:
    if isinstance(error, ValidationError):
        return UpstreamBroken("the MCP server's answer is not what the protocol promises")
    if isinstance(error, httpx2.HTTPError):
        return UpstreamBroken(f"the MCP server cannot be reached: {describe_error(error)}")
    if not isinstance(error, MCPError):
        return error
    if error.code == REQUEST_TIMEOUT:
        return UpstreamTimeout(f"the MCP server has not answered within {timeout_s:g} s")
    if error.code == CONNECTION_CLOSED:
        return UpstreamBroken("the connection to the MCP server is closed")
    return ToolFailed(f"the MCP server refuses: {error.message}")


def _reply(result: CallToolResult) -> ToolReply:
    texts = [part.text for part in result.content if isinstance(part, TextContent)]
    if result.is_error:
        return ToolReply(success=False, error="\n".join(texts) or "the tool failed without saying why")
    if result.structured_content is not None:
        return ToolReply(success=True, result=escape_all_halves(result.structured_content))
    if len(texts) == len(result.content):
        return ToolReply(success=True, result=escape_all_halves("\n".join(texts)))
    parts = [part.model_dump(mode="json", by_alias=True, exclude_none=True) for part in result.content]
    return ToolReply(success=True, result=escape_all_halves(msgspec.to_builtins(parts)))
