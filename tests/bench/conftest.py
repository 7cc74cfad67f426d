"""The bench is a package of the checkout, not of the distribution: it is found beside the tests."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))


@pytest.fixture
async def upstream() -> AsyncIterator[int]:
    """The mock upstream in this process; its port."""
    from bench.upstream import Upstream

    server = await asyncio.get_running_loop().create_server(Upstream, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]
