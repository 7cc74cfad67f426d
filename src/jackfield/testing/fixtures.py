"""Fixtures for plugins' tests. Nothing but pytest is imported until a test asks for one.

async def test_capitals_are_refused(plugin_host):
    host = await plugin_host(HouseRules)
    assert (await host.request("HELLO")).status == 429
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any

import pytest

try:
    from pytest_asyncio import fixture as async_fixture
except ImportError:  # without it pytest runs no coroutine, and no test can ask for these
    async_fixture = pytest.fixture  # type: ignore[assignment]

if TYPE_CHECKING:
    from jackfield.testing.host import FakeHost
    from jackfield.testing.subject import Subject
    from jackfield.testing.upstream import Upstream

    StartHost = Callable[..., Awaitable[FakeHost]]

# What `jackfield plugin test` was given: the plugin that tests mean where they name none.
SUBJECT = "JACKFIELD_PLUGIN_UNDER_TEST"


@async_fixture
async def plugin_host() -> AsyncIterator[StartHost]:
    """Starts fake hosts that end with the test. Arguments as `FakeHost` takes them; without a plugin it is the one that
    `jackfield plugin test` runs the tests of."""
    from jackfield.testing.host import FakeHost

    async with AsyncExitStack() as stack:

        async def start(plugin: Subject | None = None, **options: Any) -> FakeHost:
            subject = plugin or os.environ.get(SUBJECT)
            if subject is None:
                raise pytest.UsageError("plugin_host: name a plugin, or run this with `jackfield plugin test`")
            return await stack.enter_async_context(FakeHost(subject, **options))

        yield start


@async_fixture
async def upstream() -> AsyncIterator[Upstream]:
    """A scripted upstream on loopback."""
    from jackfield.testing.upstream import Upstream

    async with Upstream() as upstream:
        yield upstream
