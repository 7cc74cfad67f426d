"""Stub providers, and gateways for them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from jackfield.testing.gateway import RunningGateway

from .gateways import OpenGateway, make_quick, provider_gateway
from .stub import Stub


@pytest.fixture
async def stub() -> AsyncIterator[Stub]:
    async with Stub() as stub:
        yield stub


@pytest.fixture
async def open_gateway(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> AsyncIterator[OpenGateway]:
    """Arguments as `provider_gateway` takes them."""
    make_quick(monkeypatch)
    async with AsyncExitStack() as stack:

        async def open_one(plugins: dict[str, Any], *settings: Any, **sections: Any) -> RunningGateway:
            return await stack.enter_async_context(provider_gateway(tmp_path, plugins, *settings, **sections))

        yield open_one
