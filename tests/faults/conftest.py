from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from jackfield.testing import Upstream
from jackfield.testing.gateway import RunningGateway
from jackfield.testing.setup import link

from .apis import Api, Stage, count_tasks

StartGateway = Callable[..., Awaitable[RunningGateway]]
OpenStage = Callable[..., Awaitable[Stage]]

IMPATIENT = {"first_byte_s": 0.3, "idle_s": 0.3, "max_retries": 0}


@pytest.fixture(params=["openai", "anthropic"])
def api(request: pytest.FixtureRequest) -> Api:
    return Api(request.param)


@pytest.fixture(params=["openai", "anthropic"])
def provider(request: pytest.FixtureRequest) -> str:
    """Which API the upstream speaks."""
    return str(request.param)


@pytest.fixture
async def open_stage(api: Api, upstream: Upstream, start_gateway: StartGateway) -> AsyncIterator[OpenStage]:
    """Opens a stage and checks at the end of the test that nothing was left on it."""
    stages: list[Stage] = []

    async def open_one(provider: str | None = None, **settings: Any) -> Stage:
        fields = IMPATIENT | settings.pop("link", {})
        links = [link(upstream, provider or api.name, **fields)]  # type: ignore[arg-type]
        gateway = await start_gateway(upstreams=links, **settings)
        stages.append(Stage(gateway, upstream, api, Counter()))
        for stage in stages:
            stage.tasks = count_tasks()
        return stages[-1]

    yield open_one
    for stage in stages:
        await stage.check_nothing_left()


@pytest.fixture
async def stage(open_stage: OpenStage) -> Stage:
    """The upstream speaks the client's API."""
    return await open_stage()


@pytest.fixture
async def crossed(open_stage: OpenStage, provider: str) -> Stage:
    """The upstream speaks either API."""
    return await open_stage(provider)
