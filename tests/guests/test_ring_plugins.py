"""One isolated ring plugin: the guide's own, and one that would like to do more than it may."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.dialects.rings.folders import entry, write_folder
from tests.dialects.rings.guide import FINISHED_PLUGIN, MANIFEST
from tests.guests.places import PLACES, host_plugin

from jackfield.dialects.rings.world import RingWorld
from jackfield.testing.subject import known_prices


@pytest.mark.parametrize("place", PLACES)
async def test_the_guides_plugin_runs_as_it_is(place: str, tmp_path: Path) -> None:
    folder = write_folder(tmp_path, files={"marketplace/my_plugin.py": FINISHED_PLUGIN})
    (folder / "manifest.yaml").write_text(MANIFEST)
    async with host_plugin(place, "my_plugin", folder=folder) as host:
        assert (await host.request("hello")).text == "hello"
    async with host_plugin(place, "my_plugin", folder=folder, config={"my_setting": "trigger"}) as host:
        trial = await host.request("hello")
        assert trial.error is not None
        assert (trial.error.status, trial.error.code, trial.error.message) == (429, "my_error", "Blocked: reason")


TELLS = """
from core.plugin_sdk import BasePlugin, PluginHook, PluginResponse

class Tells(BasePlugin):
    name, hook, timeout_ms = "tells", PluginHook.BACKGROUND, 500

    async def execute(self, ctx):
        ctx.metadata["_cache_key"] = "somebody else's"
        ctx.metadata["api_key"] = "root"
        ctx.metadata["_user_roles"] = ["admin"]
        ctx.metadata["_mine"] = 1
        try:
            await ctx.state.cache.put({"model": "m"}, {"choices": []})
        except Exception as error:
            await ctx.state.extra["store"].set_state("refused", str(error))
        return PluginResponse.passthrough()
"""


async def test_one_that_may_not_answer_changes_no_answer_and_no_caller(tmp_path: Path) -> None:
    plugin = entry("Tells", symbol="Tells", hook="background")
    folder = write_folder(tmp_path, plugin, files={"marketplace/my_plugin.py": TELLS})
    world = RingWorld(prices=known_prices())
    async with host_plugin("isolated", "tells", folder=folder, rings=world) as host:
        trial = await host.request("hello")
        assert trial.stats["errors"] == 0
        await world.store.flush()
        assert "may answer requests" in await world.store.get_state("refused")
        assert len(world.cache) == 0
