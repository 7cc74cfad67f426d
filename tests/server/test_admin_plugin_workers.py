"""Changes of plugins through whichever of several workers is asked."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from jackfield.errors import Unavailable
from jackfield.host.host import Host
from jackfield.testing import until

from .admin import refused
from .plugins import PLUGINS, QUIET, StartGateway, done, put_config


async def test_changes_one_after_the_other_are_each_made_on_the_last(spawn: StartGateway) -> None:
    """Each call is a connection of its own, so that either worker gets some of them."""
    gateway = await spawn("--workers", "2", plugins={"quiet": QUIET})
    answering: set[int] = set()

    async def see_workers() -> int:
        answering.add((await gateway.admin("/health")).json["worker"])
        return len(answering)

    await until(see_workers, lambda count: count == 2)
    for number in range(2, 14):
        toggled = await done(gateway, "toggle", {"name": "quiet", "enabled": number % 2 == 1})
        assert (toggled["changed"], toggled["generation"]) == (True, number)
        told = await gateway.plugin("quiet")
        assert (told["enabled"], told["generation"]) == (number % 2 == 1, number)
    changed = await put_config(gateway, "quiet", {"priority": 7}, if_match="13")
    assert changed.json["generation"] == 14


async def test_a_store_that_fails_keeps_nobody_from_looking(
    start_gateway: StartGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    gateway = await start_gateway(plugins={"quiet": QUIET})

    async def broken(_: object) -> None:
        raise Unavailable("the store fails")

    monkeypatch.setattr(Host, "follow", broken)
    assert (await gateway.plugin("quiet"))["state"] == "active"
    called = await gateway.admin(f"{PLUGINS}/toggle", "POST", {"name": "quiet", "enabled": False})
    assert "store" in refused(called, 503, "unavailable", changed=False)


async def test_it_is_told_which_worker_serves_which_generation(spawn: StartGateway) -> None:
    gateway = await spawn("--workers", "2", plugins={"quiet": QUIET})
    await done(gateway, "toggle", {"name": "quiet", "enabled": False})

    async def served() -> dict[str, Any]:
        return dict((await gateway.admin(PLUGINS)).json["workers"])

    workers = await until(served, lambda told: len(told) == 2 and set(told.values()) == {2}, within=10)
    assert len({name.rpartition("-")[0] for name in workers}) == 1


async def test_who_looks_does_not_wait_for_what_is_being_built(
    start_gateway: StartGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    gateway = await start_gateway(plugins={"quiet": QUIET})

    async def build_for_ever(_: object) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(Host, "follow", build_for_ever)
    async with asyncio.timeout(5):
        assert (await gateway.plugin("quiet"))["state"] == "active"
        assert set((await gateway.admin(PLUGINS)).json["workers"].values()) == {1}
