"""A provider, in process and isolated: completions, streams, embeddings, and what goes wrong with each."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from tests.guests.places import PLACES, host_plugin

from jackfield.testing.host import FakeHost

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=PLACES)
async def provider(request: pytest.FixtureRequest) -> AsyncIterator[FakeHost]:
    async with host_plugin(request.param, "provider") as host:
        yield host


@pytest.fixture(autouse=True)
def closed_breaker(provider: FakeHost) -> None:
    """An upstream that failed is left alone for a while."""
    provider.clock.advance(120)


def chat(model: str, text: str = "hello there") -> dict[str, Any]:
    return {"model": model, "messages": [{"role": "user", "content": text}]}


async def test_it_completes(provider: FakeHost) -> None:
    trial = await provider.request(chat("m"))
    assert (trial.status, trial.text) == (200, "scripted hello there")
    assert trial.record is not None
    assert (trial.record.input_tokens, trial.record.output_tokens) == (3, 4)


async def test_it_streams(provider: FakeHost) -> None:
    trial = await provider.request(chat("m"), stream=True)
    assert (trial.text, trial.record and trial.record.output_tokens) == ("hello there ", 2)


async def test_it_embeds(provider: FakeHost) -> None:
    trial = await provider.request({"model": "m", "input": ["a", "b"]}, path="/v1/embeddings")
    assert [one["embedding"] for one in trial.json["data"]] == [[0.25], [0.25]]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("model", "status", "code"),
    [
        ("rejected", 418, "upstream_error"),
        ("late", 504, "upstream_timeout"),
        ("unreachable", 502, "upstream_unreachable"),
    ],
)
async def test_its_failures_are_those_of_an_upstream(
    provider: FakeHost, model: str, status: int, code: str, stream: bool
) -> None:
    trial = await provider.request(chat(model), stream=stream)
    assert trial.error is not None
    assert (trial.error.status, trial.error.code) == (status, code)


async def test_what_else_it_raises_is_its_own_failure(provider: FakeHost) -> None:
    trial = await provider.request(chat("broken"))
    assert trial.status == 502


async def test_a_stream_that_breaks_tells_so(provider: FakeHost) -> None:
    trial = await provider.request(chat("m", "one break two"), stream=True)
    assert trial.text == "one break "
    assert trial.error is not None
    assert trial.error.code == "upstream_timeout"


async def test_a_client_that_leaves_ends_its_stream(provider: FakeHost) -> None:
    trial = await provider.request(chat("m", "a " * 2000), stream=True, leave_after=2)
    assert trial.client_gone
    assert (await provider.request(chat("m"))).status == 200
