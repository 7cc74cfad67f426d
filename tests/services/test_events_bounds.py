"""What a plugin that listens can cost: a bounded queue, a deadline for each handler, and an end within bounds."""

from __future__ import annotations

import asyncio

from structlog.testing import capture_logs

from jackfield.sdk.events import Event
from jackfield.services.events import HANDLER_S
from jackfield.services.mailbox import ENDING_S, LEAVING_S, MOST_KEPT, MOST_WAITING

from .listening import Heard, Scene, wait_for_ever
from .virtual import LoopClock, in_virtual_time


@in_virtual_time
async def test_of_too_many_that_wait_the_oldest_are_dropped_and_counted() -> None:
    scene, heard = Scene(LoopClock()), Heard()
    scene.plugin("slow").on("x", heard)
    with capture_logs() as logs:
        for n in range(MOST_WAITING + 50):
            scene.bus.announce("x", {"n": n})
    await scene.settle()
    assert [data["n"] for data in heard.data] == list(range(50, MOST_WAITING + 50))
    assert scene.bus.counts.dropped == 50
    assert [line["event"] for line in logs] == ["events_dropped"]


@in_virtual_time
async def test_large_events_are_dropped_earlier() -> None:
    scene, heard = Scene(LoopClock()), Heard()
    scene.plugin("slow").on("x", heard)
    for n in range(5):
        scene.bus.announce("x", {"n": n, "content": "x" * (MOST_KEPT // 2)})
    await scene.settle()
    assert [data["n"] for data in heard.data] == [4]
    assert scene.bus.counts.dropped == 4


@in_virtual_time
async def test_a_handler_has_five_seconds_and_holds_up_only_its_own_plugin() -> None:
    scene, heard, other = Scene(LoopClock()), Heard(), Heard()
    stuck = scene.plugin("stuck")
    stuck.on("x", wait_for_ever)
    stuck.on("x", heard)
    scene.plugin("other").on("x", other)
    began = scene.clock.monotonic()
    scene.bus.announce("x", {})
    await asyncio.sleep(0.01)
    assert (len(heard.events), len(other.events)) == (0, 1)
    await scene.settle()
    assert HANDLER_S - 0.01 < scene.clock.monotonic() - began < HANDLER_S + 1
    assert len(heard.events) == 1
    assert (scene.stats["stuck"].timeouts, scene.stats["other"].timeouts) == (1, 0)


@in_virtual_time
async def test_to_close_ends_what_is_under_way_within_bounds() -> None:
    scene = Scene(LoopClock())
    ended: list[str] = []

    async def linger(event: Event) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(event.type)

    plugin = scene.plugin("a")
    plugin.on("x", linger)
    scene.bus.announce("x", {})
    await asyncio.sleep(0)
    began = scene.clock.monotonic()
    await plugin.aclose()
    assert ended == ["x"]
    assert scene.clock.monotonic() - began <= ENDING_S + LEAVING_S


@in_virtual_time
async def test_one_that_does_not_let_itself_be_ended_is_left_and_named() -> None:
    scene = Scene(LoopClock())

    async def stay(event: Event) -> None:
        for _ in range(100):
            try:
                await asyncio.sleep(1)
            except asyncio.CancelledError:
                continue

    plugin = scene.plugin("stubborn")
    plugin.on("x", stay)
    scene.bus.announce("x", {})
    await asyncio.sleep(0)
    began = scene.clock.monotonic()
    with capture_logs() as logs:
        await plugin.aclose()
    assert scene.clock.monotonic() - began <= ENDING_S + LEAVING_S + 0.01
    assert [(line["event"], line["plugin"]) for line in logs] == [("event_handler_does_not_end", "stubborn")]
    await asyncio.sleep(HANDLER_S + 1)
    assert not [task for task in asyncio.all_tasks() if task.get_name() == "events-of-stubborn"]


@in_virtual_time
async def test_what_was_begun_may_end_when_the_plugin_rests() -> None:
    scene = Scene(LoopClock())
    done: list[int] = []

    async def work(event: Event) -> None:
        await asyncio.sleep(0.5)
        done.append(event.data["n"])

    plugin = scene.plugin("a")
    plugin.on("x", work)
    for n in range(3):
        scene.bus.announce("x", {"n": n})
    await asyncio.sleep(0.1)
    plugin.rest()
    await plugin.aclose()
    assert done == [0]
