"""How many pass, with a store that several limiters share."""

import importlib.util
import sys
from pathlib import Path

import pytest

FILE = Path(__file__).resolve().parents[1] / "limiter.py"

pytestmark = pytest.mark.asyncio


@pytest.fixture
def limiter():
    """The module, which needs nothing of the plugin around it."""
    spec = importlib.util.spec_from_file_location("rate_limiter_limiter", FILE)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules[spec.name]


class Store:
    def __init__(self):
        self.counts, self.calls = {}, 0

    async def increment(self, key, by=1, *, ttl_s=None):
        self.calls += 1
        self.counts[key] = self.counts.get(key, 0) + by
        return self.counts[key]


async def count_passing(limits, times):
    return sum([(await limits[at % len(limits)].take("app/a")).passed for at in range(times)])


async def test_as_many_pass_as_may_and_the_store_is_seldom_asked(limiter):
    now, store = 1_000_020.0, Store()
    limit = limiter.Limiter(store, 50, 60, lambda: now)
    assert await count_passing([limit], 80) == 50
    assert store.calls <= limiter.SHARES + 1
    refused = await limit.take("app/a")
    assert 0 < refused.wait_s <= 60
    now += 60
    assert await count_passing([limit], 10) == 10


async def test_several_processes_never_let_more_through(limiter):
    store = Store()
    limits = [limiter.Limiter(store, 25, 60, lambda: 1_000_000.0) for _ in range(2)]
    assert await count_passing(limits, 100) == 25


async def test_apps_are_counted_apart(limiter):
    limit = limiter.Limiter(Store(), 1, 60, lambda: 1_000_000.0)
    assert (await limit.take("app/a")).passed
    assert (await limit.take("app/b")).passed
    assert not (await limit.take("app/a")).passed
