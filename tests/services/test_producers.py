"""Events of the gateway's own life: plugins that come and go, start and end."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from jackfield.sdk.events import EVENTS
from jackfield.sdk.manifest import Manifest
from jackfield.services.producers import announce_shutdown, announce_startup, announce_switch

from .conftest import HandClock
from .listening import Heard, Scene

LIFE = ("plugin:loaded", "plugin:unloaded", "system:startup", "system:shutdown")


class Known:
    def __init__(self, plugin: str, *, running: bool = True) -> None:
        self.id, self.running = plugin, running
        self.manifest = Manifest(id=plugin, version="1.2.3")


@pytest.fixture
async def scene(clock: HandClock) -> AsyncIterator[Scene]:
    scene = Scene(clock)
    yield scene
    await scene.aclose()


@pytest.fixture
def heard(scene: Scene) -> Heard:
    heard, plugin = Heard(), scene.plugin("listener")
    for type_ in LIFE:
        plugin.on(type_, heard)
    return heard


async def test_a_switch_tells_who_went_and_who_came(scene: Scene, heard: Heard) -> None:
    kept, gone, before, after = Known("kept"), Known("gone"), Known("changed"), Known("changed")
    failed = Known("failed", running=False)
    former = {one.id: one for one in (kept, gone, before, failed)}
    current = {one.id: one for one in (kept, after, Known("new"), failed)}
    announce_switch(scene.bus, former, current)
    await scene.settle()
    told = [(event.type, event.data["pluginId"]) for event in heard.events]
    assert told == [
        ("plugin:unloaded", "gone"),
        ("plugin:unloaded", "changed"),
        ("plugin:loaded", "changed"),
        ("plugin:loaded", "new"),
    ]


async def test_what_is_loaded_shows_its_manifest(scene: Scene, heard: Heard) -> None:
    announce_switch(scene.bus, {}, {"new": Known("new")})
    await scene.settle()
    (data,) = heard.data
    assert (data["manifest"]["id"], data["manifest"]["version"]) == ("new", "1.2.3")


async def test_each_event_has_the_data_that_is_documented(scene: Scene, heard: Heard) -> None:
    announce_startup(scene.bus, "0.1")
    announce_switch(scene.bus, {"old": Known("old")}, {"new": Known("new")})
    announce_shutdown(scene.bus, "0.1")
    await scene.settle()
    assert {event.type for event in heard.events} == set(LIFE)
    for event in heard.events:
        assert set(event.data) == set(EVENTS[event.type]), event.type
