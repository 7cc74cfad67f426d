"""Events reach whoever listens: in order, isolated from one another, stamped with who emitted them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import pytest
from structlog.testing import capture_logs

from jackfield.errors import RateLimited
from jackfield.sdk.caller import Caller, acting_for, current_caller
from jackfield.sdk.events import Event
from jackfield.sdk.services import NotGranted
from jackfield.services.events import MOST_HANDLERS
from jackfield.services.limits import OPERATIONS

from .conftest import HandClock
from .listening import Heard, Scene


@pytest.fixture
async def scene(clock: HandClock) -> AsyncIterator[Scene]:
    scene = Scene(clock)
    yield scene
    await scene.aclose()


async def test_who_listens_is_told_of_the_gateways_events(scene: Scene) -> None:
    heard = Heard()
    scene.plugin("a").on("system:startup", heard)
    scene.bus.announce("system:startup", {"version": "1"})
    scene.bus.announce("system:shutdown", {"version": "1"})
    await scene.settle()
    at = datetime.fromtimestamp(scene.clock.wall(), UTC)
    assert heard.events == [Event(type="system:startup", data={"version": "1"}, source="system", at=at)]
    assert scene.bus.counts.delivered == 1


async def test_the_source_is_who_emits_whatever_the_type_says(scene: Scene) -> None:
    heard = Heard()
    listener, forger = scene.plugin("listener"), scene.plugin("forger")
    listener.on("plugin:loaded", heard)
    forger.emit("plugin:loaded", {"pluginId": "trusted"})
    await scene.settle()
    assert [event.source for event in heard.events] == ["forger"]


async def test_a_plugin_hears_its_own_events(scene: Scene) -> None:
    heard = Heard()
    plugin = scene.plugin("a")
    plugin.on("a:done", heard)
    plugin.emit("a:done", {"n": 1})
    await scene.settle()
    assert heard.data == [{"n": 1}]


async def test_events_come_in_their_order_and_one_after_the_other(scene: Scene) -> None:
    order: list[Any] = []

    async def slowly(event: Event) -> None:
        order.append(("begin", event.data["n"]))
        await asyncio.sleep(0)
        order.append(("end", event.data["n"]))

    plugin = scene.plugin("a")
    for type_ in ("x", "y"):
        plugin.on(type_, slowly)
    for n in range(4):
        scene.bus.announce("xy"[n % 2], {"n": n})
    await scene.settle()
    assert order == [(what, n) for n in range(4) for what in ("begin", "end")]


async def test_the_same_handler_twice_is_told_once_and_off_ends_it(scene: Scene) -> None:
    heard = Heard()
    plugin = scene.plugin("a")
    plugin.on("x", heard)
    plugin.on("x", heard)
    scene.bus.announce("x", {})
    await scene.settle()
    plugin.off("x", heard)
    plugin.off("x", heard)
    scene.bus.announce("x", {})
    await scene.settle()
    assert len(heard.events) == 1
    assert not scene.bus.is_wanted("x")


async def test_off_also_holds_for_what_waits_already(scene: Scene) -> None:
    heard = Heard()
    plugin = scene.plugin("a")
    plugin.on("x", heard)
    scene.bus.announce("x", {})
    plugin.off("x", heard)
    await scene.settle()
    assert heard.events == []


async def test_nothing_is_delivered_before_open_nor_after_rest(scene: Scene) -> None:
    heard = Heard()
    plugin = scene.plugin("a", is_open=False)
    plugin.on("x", heard)
    scene.bus.announce("x", {"n": "before"})
    assert not scene.bus.is_wanted("x")
    plugin.open()
    scene.bus.announce("x", {"n": "open"})
    await scene.settle()
    scene.bus.announce("x", {"n": "waits"})
    plugin.rest()
    plugin.on("y", heard)
    scene.bus.announce("y", {"n": "rests"})
    await scene.settle()
    assert heard.data == [{"n": "open"}]
    assert scene.bus.listened == {}


async def test_a_plugin_that_is_enabled_again_hears_again(scene: Scene) -> None:
    heard = Heard()
    plugin = scene.plugin("a")
    plugin.on("x", heard)
    plugin.rest()
    plugin.open()
    scene.bus.announce("x", {})
    await scene.settle()
    assert len(heard.events) == 1


async def test_what_fails_harms_nobody_else(scene: Scene) -> None:
    def sync_failure(event: Event) -> Any:
        raise ValueError("at once")

    async def failure(event: Event) -> None:
        raise RuntimeError("later")

    async def leave(event: Event) -> None:
        raise SystemExit(3)

    async def interrupt(event: Event) -> None:
        raise KeyboardInterrupt

    async def exit_generator(event: Event) -> None:
        await asyncio.sleep(0)
        raise GeneratorExit

    heard, other = Heard(), Heard()
    broken = scene.plugin("broken")
    for handler in (sync_failure, failure, interrupt, exit_generator, leave, heard):
        broken.on("x", handler)
    scene.plugin("other").on("x", other)
    for _ in range(3):
        scene.bus.announce("x", {})
    await scene.settle()
    assert (len(heard.events), len(other.events)) == (3, 3)
    assert (scene.bus.counts.delivered, scene.bus.counts.failed) == (6, 15)
    stats = scene.stats["broken"]
    assert (stats.errors, stats.last_error) == (15, "x: SystemExit: 3")
    assert scene.stats["other"].errors == 0


async def test_each_kind_of_error_is_logged_once(scene: Scene) -> None:
    async def fail(event: Event) -> None:
        raise ValueError(event.data["n"])

    plugin = scene.plugin("a")
    plugin.on("x", fail)
    with capture_logs() as logs:
        for n in range(5):
            scene.bus.announce("x", {"n": n})
        await scene.settle()
    assert [(line["event"], line["error"]) for line in logs] == [("event_handler_failed", "ValueError: 0")]


async def test_a_handler_acts_for_whom_the_event_happened(scene: Scene) -> None:
    seen: list[Caller | None] = []

    async def look(event: Event) -> None:
        seen.append(current_caller())

    plugin = scene.plugin("a")
    plugin.on("x", look)
    alice = Caller(user="alice")
    with acting_for(alice):
        scene.bus.announce("x", {})
    scene.bus.announce("x", {})
    await scene.settle()
    assert seen == [alice, None]


async def test_what_a_handler_does_to_the_data_no_other_sees(scene: Scene) -> None:
    heard = Heard()

    async def spoil(event: Event) -> None:
        event.data["input"]["city"] = "elsewhere"

    scene.plugin("spoiler").on("x", spoil)
    scene.plugin("reader").on("x", heard)
    data = {"input": {"city": "Jackfield"}}
    scene.bus.announce("x", data)
    data["input"]["city"] = "changed later"
    await scene.settle()
    assert heard.data == [{"input": {"city": "Jackfield"}}]


async def test_each_permission_is_asked_for(scene: Scene) -> None:
    mute = scene.plugin("mute", frozenset({"events:subscribe"}))
    deaf = scene.plugin("deaf", frozenset({"events:emit"}))
    with pytest.raises(NotGranted, match="events:emit"):
        mute.emit("x", {})
    with pytest.raises(NotGranted, match="events:subscribe"):
        deaf.on("x", Heard())


@pytest.mark.parametrize(
    ("data", "place"),
    [
        ({"a": b"bytes"}, r"data\.a: bytes is not JSON"),
        ({"a": [1, {2}]}, r"data\.a\[1\]: set is not JSON"),
        ({1: "a"}, "the key 1 is not text"),
        ({"a": float("nan")}, "no JSON number"),
        ({"a": "\udfff"}, "not valid Unicode"),
        ({"a": datetime(2026, 1, 1)}, "time zone"),  # noqa: DTZ001 - the point of it
        ({"a": "x" * 70_000}, "64 KB"),
        ({"a": "ü" * 40_000}, "64 KB"),
        (["no", "object"], "not list"),
    ],
)
async def test_what_is_no_json_cannot_be_emitted(scene: Scene, data: Any, place: str) -> None:
    with pytest.raises(ValueError, match=place):
        scene.plugin("a").emit("x", data)


async def test_data_that_holds_itself_cannot_be_emitted(scene: Scene) -> None:
    data: dict[str, Any] = {}
    data["self"] = data
    with pytest.raises(ValueError, match="nested too deep"):
        scene.plugin("a").emit("x", data)


async def test_datetimes_can_be_emitted(scene: Scene) -> None:
    heard, at = Heard(), datetime(2026, 1, 2, tzinfo=UTC)
    plugin = scene.plugin("a")
    plugin.on("x", heard)
    plugin.emit("x", {"at": at, "many": (1, 2)})
    await scene.settle()
    assert heard.data == [{"at": at, "many": [1, 2]}]


async def test_two_plugins_cannot_answer_one_another_without_end(scene: Scene) -> None:
    one, other = scene.plugin("one"), scene.plugin("other")

    async def ping(event: Event) -> None:
        one.emit("ping", {})

    async def pong(event: Event) -> None:
        other.emit("pong", {})

    one.on("pong", ping)
    other.on("ping", pong)
    one.emit("ping", {})
    await scene.settle()
    assert scene.bus.counts.delivered < 3 * OPERATIONS
    with pytest.raises(RateLimited):
        one.emit("ping", {})


@pytest.mark.parametrize("type_", ["", "x" * 201, "line\nbreak", 7])
async def test_a_type_is_a_short_name(scene: Scene, type_: Any) -> None:
    plugin = scene.plugin("a")
    with pytest.raises(ValueError, match="type is 1 to 200"):
        plugin.on(type_, Heard())
    with pytest.raises(ValueError, match="type is 1 to 200"):
        plugin.emit(type_, {})


async def test_handlers_are_limited_and_must_be_functions(scene: Scene) -> None:
    plugin = scene.plugin("a")
    with pytest.raises(ValueError, match="must be a function"):
        plugin.on("x", None)  # type: ignore[arg-type]
    for n in range(MOST_HANDLERS):
        plugin.on(f"type-{n}", Heard())
    with pytest.raises(ValueError, match="500 handlers"):
        plugin.on("one more", Heard())
