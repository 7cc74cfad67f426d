from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import pytest

from jackfield.testing import Upstream
from jackfield.testing.setup import link

from .gate import UPSTREAM_KEY, Gate, plugin_source
from .seen import SEEN

OpenGate = Callable[..., Awaitable[Gate]]

# A deadline counts what passes on the wall, also where the machine stands still: a hook that is not tried for being
# late must not be late because of that.
PATIENT = {"timeout_ms": 30_000}


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
        **fields: Any,
    ) -> Gate:
        own = link(upstream, provider, api_key_env="UPSTREAM_KEY", max_retries=0, **fields)
        gateway = await start_gateway(
            upstreams=upstreams or [own],
            plugins={name: plugin_source(name, methods) for name, methods in plugins.items()},
            environ={"UPSTREAM_KEY": UPSTREAM_KEY},
            **{f"plugins.config.{name}": PATIENT for name, methods in plugins.items() if "timeout_ms" not in methods},
        )
        for name in plugins:
            assert (await gateway.plugin(name))["state"] == "active", await gateway.plugin(name)
        return Gate(gateway, upstream)

    return start
