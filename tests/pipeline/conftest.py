from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import pytest

from jackfield.testing import Upstream
from jackfield.testing.setup import link

from .gate import UPSTREAM_KEY, Gate, plugin_source
from .seen import SEEN

OpenGate = Callable[..., Awaitable[Gate]]


@pytest.fixture
def seen() -> list[Any]:
    SEEN.clear()
    return SEEN


@pytest.fixture
async def open_gate(start_gateway: Any, upstream: Upstream, seen: list[Any]) -> OpenGate:
    """Starts a gateway whose plugins have these methods, by id."""
    upstream.key = UPSTREAM_KEY

    async def start(
        plugins: Mapping[str, str],
        *,
        provider: Any = "openai",
        upstreams: Any = None,
        config: Mapping[str, Any] | None = None,
        **fields: Any,
    ) -> Gate:
        own = link(upstream, provider, api_key_env="UPSTREAM_KEY", max_retries=0, **fields)
        gateway = await start_gateway(
            upstreams=upstreams or [own],
            plugins={name: plugin_source(name, methods) for name, methods in plugins.items()},
            environ={"UPSTREAM_KEY": UPSTREAM_KEY},
            **({"plugins_config": config} if config else {}),
        )
        for name in plugins:
            assert (await gateway.plugin(name))["state"] == "active", await gateway.plugin(name)
        return Gate(gateway, upstream)

    return start
