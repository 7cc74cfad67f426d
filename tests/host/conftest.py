from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from .late_plugins import Reader
from .shop import Shop
from .world import World


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    world = World(tmp_path / "plugins")
    yield world
    await world.stop()


@pytest.fixture
async def shop(world: World, tmp_path: Path) -> Shop:
    made = Shop(world, tmp_path / "shop")
    await made.open()
    return made


@pytest.fixture
def reader(world: World) -> Reader:
    reader = Reader()
    world.readers["isolated"] = reader
    world.patience_s = 0.05
    return reader
