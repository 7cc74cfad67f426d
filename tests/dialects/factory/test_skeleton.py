"""The guide's skeleton, as it is written there."""

from __future__ import annotations

import sys
from typing import Any

from .guide import SKELETON


async def test_it_runs_and_is_listed_as_a_provider(open_house: Any) -> None:
    house = await open_house(plugins={"my_provider": SKELETON})
    told = await house.described("my_provider")
    assert (told["type"], told["initialized"], told["state"]) == ("provider", True, "active")
    assert (told["version"], told["provides"], told["requires"]) == ("1.0.0", [], [])
    plugin = await house.gateway.plugin("my_provider")
    assert (plugin["dialect"], plugin["config"]) == ("factory", {"enabled": True})
    assert "ccproxy" not in sys.modules
    assert (await house.chat()).status == 200
