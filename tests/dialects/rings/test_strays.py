"""Tasks that ring plugins leave running: ended with the plugin, and nobody else's with them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from jackfield.dialects.rings.dialect import RingDialect
from jackfield.host.strays import end_strays
from jackfield.sdk.plugin import Plugin, config_model
from jackfield.sources.base import Found

from .folders import entry, find_one, write_folder

LEAVES = """
import asyncio
from core.plugin_sdk import BasePlugin

async def forever():
    await asyncio.Event().wait()

class Leaves(BasePlugin):
    async def on_load(self):
        self.own = asyncio.create_task(self.loop(), name="own")
        self.loose = asyncio.create_task(forever(), name="loose")

    async def loop(self):
        await asyncio.Event().wait()

    async def execute(self, ctx): ...
"""


class Life:
    """One start of the plugin."""

    def __init__(self, found: Found, plugin: Plugin[Any]) -> None:
        self.found, self.plugin = found, plugin

    @classmethod
    async def begin(cls, folder: Path, dialect: RingDialect) -> Life:
        found = find_one(folder, dialect)
        blueprint = dialect.read(found)
        plugin = blueprint.kind("leaves", config_model(blueprint.kind).model_validate({}))
        await plugin.on_load()
        await asyncio.sleep(0)
        return cls(found, plugin)

    async def end(self) -> None:
        await end_strays(self.plugin, self.found, "leaves")
        self.found.forget()

    @property
    def running(self) -> list[str]:
        inner: Any = vars(self.plugin)["inner"]
        return [task.get_name() for task in (inner.own, inner.loose) if not task.done()]


@pytest.fixture
async def folder(tmp_path: Path) -> AsyncIterator[Path]:
    yield write_folder(tmp_path, entry(symbol="Leaves"), files={"marketplace/my_plugin.py": LEAVES})
    for task in asyncio.all_tasks():
        if task.get_name() in ("own", "loose"):
            task.cancel()


async def test_all_of_a_module_that_goes_with_the_plugin_are_ended(folder: Path) -> None:
    life = await Life.begin(folder, RingDialect())
    with capture_logs() as logs:
        await life.end()
    assert life.running == []
    assert [(log["event"], log["plugin"], log["tasks"]) for log in logs] == [
        ("plugin_left_tasks", "leaves", ["loose", "own"])
    ]


async def test_of_a_module_that_a_successor_uses_only_the_plugins_own_are_ended(folder: Path) -> None:
    dialect = RingDialect()
    former = await Life.begin(folder, dialect)
    successor = await Life.begin(folder, dialect)
    await former.end()
    assert former.running == ["loose"]
    assert successor.running == ["own", "loose"]
    await successor.end()
    assert successor.running == former.running == []
