"""What plugins are handed: no name that they can see opens, feeds, renames or widens it."""

from __future__ import annotations

import asyncio
from typing import Any, get_type_hints

import pytest

from jackfield.app.offers import Shared, World, make_offers
from jackfield.clock import SystemClock
from jackfield.hooks.table import HookTable
from jackfield.host.routes import Routes
from jackfield.host.snapshot import Snapshot
from jackfield.sdk.caller import Caller
from jackfield.sdk.permissions import PERMISSIONS
from jackfield.sdk.services import NEEDED, Services
from jackfield.services.events import EventBus
from jackfield.services.grants import Asker, Grant, ServiceFactory
from jackfield.services.tool_gate import ToolGate

# Of the mounts of MCP servers a plugin may also end all of its own.
WITHOUT_A_LIFE = sorted(set(NEEDED) - {"mcp"})


class Hosting:
    """As much of a host as is asked for what serves now."""

    def __init__(self, snapshot: Snapshot | None) -> None:
        self.has_begun = snapshot is not None
        self.snapshot = snapshot


def world_of(snapshot: Snapshot | None) -> World:
    world = World()
    host: Any = Hosting(snapshot)
    world.host = host
    return world


def grant_all() -> Grant:
    clock, world = SystemClock(), World()
    made: dict[str, Any] = dict.fromkeys(Shared.__struct_fields__)
    made |= {"bus": EventBus(clock, world.stats_of), "world": world, "clock": clock}
    made["gate"] = ToolGate(EventBus(SystemClock(), world.stats_of), lambda caller, tool: True, world.stats_of)
    approved = frozenset(PERMISSIONS)
    return ServiceFactory(make_offers(Shared(**made)), clock).build(Asker(plugin="a", approved=approved))


def promised(service: str) -> set[str]:
    """The names of the protocol that the SDK describes."""
    protocol = get_type_hints(getattr(Services, service).fget)["return"]
    return {name for name in dir(protocol) if not name.startswith("_")}


@pytest.mark.parametrize("service", WITHOUT_A_LIFE)
def test_a_service_has_the_names_that_are_promised_and_no_other(service: str) -> None:
    given = getattr(grant_all().services, service)
    assert {name for name in dir(given) if not name.startswith("_")} == promised(service)
    with pytest.raises(AttributeError):
        given.may_refuse = True


async def test_tools_are_there_for_plugins_that_are_loaded_before_any_serves() -> None:
    world = world_of(None)
    with world.tools() as tools:
        assert not tools
    assert world.stats_of("a") is None
    gate = ToolGate(EventBus(SystemClock(), world.stats_of), lambda caller, tool: True, world.stats_of)
    with world.tools() as tools:
        assert (await gate.run(tools, "plugin_b_tool", {}, Caller())).error == "Unknown tool: plugin_b_tool"


async def test_the_plugins_of_tools_stay_loaded_while_one_of_them_runs() -> None:
    snapshot = Snapshot(generation=1, plugins={}, table=HookTable(()), routes=Routes(()))
    world = world_of(snapshot)
    draining = asyncio.create_task(_borrow_and_drain(world, snapshot))
    with world.tools():
        await asyncio.sleep(0)
        assert not draining.done()
    await asyncio.wait_for(draining, 1)
    assert snapshot.pins == 0


async def _borrow_and_drain(world: World, snapshot: Snapshot) -> None:
    with pytest.raises(ValueError), world.tools():  # noqa: PT011 - any will do
        raise ValueError
    await snapshot.drained()
