"""A model whose upstreams all lack their provider is one that exists and cannot be served now."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from jackfield.testing import Upstream
from jackfield.testing.gateway import RunningGateway
from jackfield.testing.setup import link

StartGateway = Callable[..., Awaitable[RunningGateway]]


def chat(model: str) -> dict[str, Any]:
    return {"model": model, "messages": [{"role": "user", "content": "Hello"}]}


@pytest.mark.parametrize("provider", ["broken", "anthropic"])
async def test_it_is_unavailable_and_what_another_upstream_has_is_served(
    start_gateway: StartGateway, upstream: Upstream, provider: str
) -> None:
    away = {"name": "away", "provider": provider, "models": ["far", "scripted"]}
    gateway = await start_gateway(upstreams=[away, link(upstream)], plugins={"broken": "raise RuntimeError('no')"})
    if provider == "anthropic":
        disabled = {"name": provider, "enabled": False}
        assert (await gateway.admin("/api/v1/plugins/toggle", "POST", disabled)).status == 200
    async with gateway.caller() as caller:
        lacking = await caller.post("/v1/chat/completions", chat("far"))
        assert (lacking.status, lacking.json["error"]["code"]) == (503, "unavailable")
        assert lacking.json["error"]["message"] == "no upstream of the model 'far' has a provider that runs"
        assert (await caller.get("/v1/models/far")).status == 503
        assert (await caller.post("/v1/chat/completions", chat("scripted"))).status == 200
        assert (await caller.post("/v1/chat/completions", chat("unheard"))).status == 404
