from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Iterator

import anthropic
import openai
import pytest
import pytest_asyncio

from jackfield.testing import Upstream
from jackfield.testing.gateway import run_gateway
from jackfield.testing.setup import link

from .kinds import KEY, Kind, World

# Else each client reads the certificates of all the authorities there are, which takes it longer than any of the tests.
CERTIFICATES = ssl.create_default_context()


@pytest.fixture(params=["openai", "anthropic", "echo"])
def kind(request: pytest.FixtureRequest) -> Kind:
    return Kind(request.param)


@pytest.fixture(params=["openai", "anthropic"])
def scripted(request: pytest.FixtureRequest) -> Kind:
    """A kind of upstream that a script can make misbehave."""
    return Kind(request.param)


@pytest.fixture(params=["openai", "anthropic", "responses"])
def speaker(request: pytest.FixtureRequest) -> Kind:
    """A kind of upstream that a script can make misbehave, one that itself speaks Responses among them."""
    return Kind(request.param)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    async with Upstream(key=KEY) as first, Upstream(key=KEY) as second, Upstream(key=KEY) as third:
        key = {"api_key_env": "UPSTREAM_KEY", "max_retries": 0}
        links = [
            link(first, "openai", models={"via-openai": "scripted", "embedder": "scripted"}, **key),
            link(second, "anthropic", models={"via-anthropic": "scripted"}, **key),
            link(third, name="responses", models={"via-responses": "scripted"}, options={"responses": "only"}, **key),
            {"name": "echo", "provider": "echo", "models": {"via-echo": "echo"}, "max_retries": 0},
        ]
        folder = tmp_path_factory.mktemp("gateway")
        async with run_gateway(folder, upstreams=links, environ={"UPSTREAM_KEY": KEY}) as gateway:
            yield World(gateway, {"openai": first, "anthropic": second, "responses": third})


@pytest_asyncio.fixture(loop_scope="module")
async def gpt(world: World) -> AsyncIterator[openai.AsyncOpenAI]:
    """The asynchronous client of the OpenAI package."""
    url, key = f"{world.gateway.url}/v1", world.gateway.api_key
    http = openai.DefaultAsyncHttpxClient(verify=CERTIFICATES)
    async with openai.AsyncOpenAI(base_url=url, api_key=key, max_retries=0, http_client=http) as client:
        yield client


@pytest.fixture
def sync_gpt(world: World) -> Iterator[openai.OpenAI]:
    url, key = f"{world.gateway.url}/v1", world.gateway.api_key
    http = openai.DefaultHttpxClient(verify=CERTIFICATES)
    with openai.OpenAI(base_url=url, api_key=key, max_retries=0, http_client=http) as client:
        yield client


@pytest_asyncio.fixture(loop_scope="module")
async def claude(world: World) -> AsyncIterator[anthropic.AsyncAnthropic]:
    """The asynchronous client of the Anthropic package."""
    url, key = world.gateway.url, world.gateway.api_key
    http = anthropic.DefaultAsyncHttpxClient(verify=CERTIFICATES)
    async with anthropic.AsyncAnthropic(base_url=url, api_key=key, max_retries=0, http_client=http) as client:
        yield client


@pytest.fixture
def sync_claude(world: World) -> Iterator[anthropic.Anthropic]:
    url, key = world.gateway.url, world.gateway.api_key
    http = anthropic.DefaultHttpxClient(verify=CERTIFICATES)
    with anthropic.Anthropic(base_url=url, api_key=key, max_retries=0, http_client=http) as client:
        yield client
