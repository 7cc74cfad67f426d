"""A gateway with tools, and clients of it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import httpx2
import pytest
from mcp.client.streamable_http import streamable_http_client
from offering import TOOLS

from jackfield.testing.gateway import RunningGateway
from mcp import Client

Connect = Callable[..., Any]
StartMcp = Callable[..., Awaitable[RunningGateway]]


@pytest.fixture
def start_mcp(start_gateway: StartMcp) -> StartMcp:
    """Starts a gateway with these plugins; by default one that offers tools of every temper."""

    async def start(plugins: dict[str, str] | None = None, **settings: Any) -> RunningGateway:
        return await start_gateway(plugins={"kit": TOOLS} if plugins is None else plugins, **settings)

    return start


@pytest.fixture
async def gateway(start_mcp: StartMcp) -> RunningGateway:
    return await start_mcp()


@asynccontextmanager
async def connected(gateway: RunningGateway, key: str | None = None, **options: Any) -> AsyncIterator[Client]:
    """The official client; `mode="legacy"` shakes hands as protocols before 2026 do."""
    headers = {"authorization": f"Bearer {key or gateway.api_key}", **options.pop("headers", {})}
    async with httpx2.AsyncClient(headers=headers, timeout=20, trust_env=False) as http:
        transport = streamable_http_client(f"{gateway.url}/mcp", http_client=http)
        async with Client(transport, **options) as client:
            yield client


@pytest.fixture
def connect() -> Connect:
    return connected
