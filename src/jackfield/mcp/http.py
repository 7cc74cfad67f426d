"""An MCP server over streamable HTTP: where the operator says, and nowhere else."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import httpx2
from mcp.client.streamable_http import streamable_http_client

from jackfield import __version__
from jackfield.settings import McpServer

if TYPE_CHECKING:
    from mcp.client._transport import TransportStreams

LARGEST_ANSWER = 4 * 1024 * 1024
LARGEST_STREAM = 64 * 1024 * 1024
IDLE_S = 300.0
MOST_CONNECTIONS = 100


class _Bounded(httpx2.AsyncByteStream):
    """What an answer may hold in all."""

    def __init__(self, stream: httpx2.AsyncByteStream, most: int) -> None:
        self._stream, self._most = stream, most

    async def __aiter__(self) -> AsyncIterator[bytes]:
        size = 0
        async for piece in self._stream:
            size += len(piece)
            if size > self._most:
                raise httpx2.ReadError(f"the answer has more than {self._most:,} bytes")
            yield piece

    async def aclose(self) -> None:
        await self._stream.aclose()


class _BoundedTransport(httpx2.AsyncHTTPTransport):
    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        response = await super().handle_async_request(request)
        if response.status_code in (401, 403):
            raise httpx2.ReadError(f"it refuses us with {response.status_code}: are its `headers` right?")
        if response.headers.get("content-encoding", "identity") != "identity":
            raise httpx2.ReadError("the answer is compressed, which was not asked for")
        streams = response.headers.get("content-type", "").lower().startswith("text/event-stream")
        assert isinstance(response.stream, httpx2.AsyncByteStream)
        response.stream = _Bounded(response.stream, LARGEST_STREAM if streams else LARGEST_ANSWER)
        return response


@asynccontextmanager
async def connect_http(server: McpServer) -> AsyncIterator[TransportStreams]:
    """No proxy, certificate store or key of the gateway's environment is used. A compressed answer is not asked for:
    its size would tell nothing."""
    assert server.url is not None
    headers: dict[str, Any] = {"accept-encoding": "identity", "user-agent": f"jackfield/{__version__}"}
    headers |= {name: value.reveal() for name, value in server.header_values}
    limits = httpx2.Limits(max_connections=MOST_CONNECTIONS)
    async with (
        httpx2.AsyncClient(
            headers=headers,
            timeout=httpx2.Timeout(server.timeout_s, read=IDLE_S),
            transport=_BoundedTransport(trust_env=False, limits=limits),
            trust_env=False,
            follow_redirects=False,
        ) as client,
        streamable_http_client(server.url, http_client=client, max_sse_event_size=LARGEST_ANSWER) as streams,
    ):
        yield streams
