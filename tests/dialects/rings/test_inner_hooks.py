"""What the dialect does beside a plugin is not the plugin's: it is not counted, and goes on while the plugin rests."""

from __future__ import annotations

from typing import Any

import pytest

from jackfield.dialects.rings.names.plugin_sdk import BasePlugin
from jackfield.hooks.guard import QUARANTINE_AFTER
from jackfield.settings import PluginConfig as OperatorConfig

from .course import Course

PRIVATE = {"_x": 1, "headers": {"x-org": "y"}, "vendor": 2}


class Looks(BasePlugin):
    """Fails where the request says so."""

    async def execute(self, ctx: Any) -> None:
        if "broken" in ctx.body.get("vendor_mode", ""):
            raise OSError("down")


class LooksUp(BasePlugin):
    async def execute(self, ctx: Any) -> None:
        ctx.metadata["_cache_key"] = "key"
        ctx.metadata["_cache_status"] = "MISS"


@pytest.fixture
def course() -> Course:
    return Course()


async def test_only_calls_of_the_plugin_are_counted(course: Course) -> None:
    looks = await course.add(Looks, "post_flight")
    looks_up = await course.add(LooksUp)
    for _ in range(3):
        assert (await course.chat(**PRIVATE)).status == 200
    assert [course.guards[plugin.id].stats.durations.count for plugin in (looks, looks_up)] == [3, 3]


async def test_private_fields_stay_here_while_the_plugin_is_in_quarantine(course: Course) -> None:
    made = await course.add(Looks, "post_flight")
    for _ in range(QUARANTINE_AFTER):
        await course.chat(vendor_mode="broken")
    guard = course.guards[made.id]
    assert guard.quarantined
    assert (await course.chat(**PRIVATE)).status == 200
    assert set(course.asked.extra) == {"vendor"}
    assert (guard.quarantined, guard.stats.errors) == (True, QUARANTINE_AFTER)


async def test_what_an_operator_says_of_the_plugin_is_not_meant_for_them(course: Course) -> None:
    """Neither a deadline nor a policy nor an order that would let private fields through."""
    said = OperatorConfig(priority=5, timeout_ms=7, on_failure="closed")
    await course.add(Looks, "post_flight", operator=said)
    (own, strip) = course.hooks
    assert (own.priority, own.deadline_s, own.closed) == (5, 0.007, True)
    assert (strip.priority, strip.deadline_s, strip.closed) == (-1000, 5.0, True)
    (_, strip) = (await _with(OperatorConfig(on_failure="open"))).hooks
    assert strip.closed


async def _with(said: OperatorConfig) -> Course:
    course = Course()
    await course.add(Looks, "post_flight", operator=said)
    return course


async def test_one_that_cannot_do_its_work_refuses_and_brings_nobody_into_quarantine(
    course: Course, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any) -> None:
        raise OSError("broken")

    made = await course.add(Looks, "post_flight")
    monkeypatch.setattr("jackfield.dialects.rings.adapter.conclude", fail)
    for _ in range(QUARANTINE_AFTER + 1):
        assert (await course.chat(**PRIVATE)).status == 502
    assert not course.provider.asked
    guard = course.guards[made.id]
    assert (guard.quarantined, guard.stats.errors) == (False, 0)
