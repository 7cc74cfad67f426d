"""The bench is a package of the checkout, not of the distribution: it is found beside the tests."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from listening import listening

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))


@pytest.fixture
async def upstream() -> AsyncIterator[int]:
    """The mock upstream in this process; its port."""
    from bench.upstream import Upstream

    async with listening(Upstream) as port:
        yield port
