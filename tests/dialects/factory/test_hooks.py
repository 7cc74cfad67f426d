"""Hooks: how they are declared, told, changed by, isolated and counted."""

from __future__ import annotations

import json
from typing import Any

import pytest

from jackfield.dialects.factory import observers
from jackfield.testing import Upstream
from jackfield.testing.setup import link

from .guide import system

CHANGING = """
class Change(Hook):
    events = [HookEvent.PROVIDER_REQUEST_PREPARED]

    def __init__(self, kind="body", priority=500, name="change"):
        self.kind, self.priority, self.name = kind, priority, name

    async def __call__(self, context):
        data = context.data
        seen.append((self.name, context.provider, data["is_streaming"], context.metadata["provider_model"]))
        if self.kind == "body":
            data["body"]["messages"][0]["content"] += f" {self.name}"
        elif self.kind == "raw":
            data["body_raw"] = data["body_raw"].replace(b"hello", b"raw")
        elif self.kind == "headers":
            data["headers"]["X-Extra"] = "yes"
            data["headers"]["Content-Length"] = "1"
        elif self.kind == "url":
            data["url"] += "?from=hook"
        elif self.kind == "wrong":
            data["body"], data["headers"], data["url"], data["method"] = object(), {"a b": "c"}, "", 3
        elif self.kind == "raise":
            data["body"]["messages"][0]["content"] = "half made"
            raise KeyError("boom")
        elif self.kind == "hang":
            data["url"] = "http://nowhere.invalid/"
            await asyncio.sleep(60)
"""


def changing(*kinds: str) -> str:
    listed = ", ".join(f'HookSpec(Change, kwargs={{"kind": "{kind}"}})' for kind in kinds)
    return system("changer", fields=f"hooks=[{listed}]", before=CHANGING)


async def change(open_house: Any, upstream: Upstream, *kinds: str, **fields: Any) -> Any:
    house = await open_house(plugins={"changer": changing(*kinds)}, upstreams=[link(upstream, max_retries=0)])
    assert (await house.chat(model="scripted", **fields)).status == 200
    return house, upstream.requests[-1]


@pytest.mark.parametrize("stream", [False, True])
async def test_a_prepared_request_is_changed(open_house: Any, upstream: Upstream, stream: bool) -> None:
    house, asked = await change(open_house, upstream, "body", "headers", "url", stream=stream)
    assert json.loads(asked.body)["messages"][0]["content"] == "hello change"
    assert asked.header("x-extra") == "yes"
    assert asked.target.endswith("/chat/completions?from=hook")
    assert set(house.module("changer").seen) == {("change", "openai", stream, "scripted")}


async def test_the_raw_body_counts_where_it_was_changed(open_house: Any, upstream: Upstream) -> None:
    _, asked = await change(open_house, upstream, "raw")
    assert json.loads(asked.body)["messages"][0]["content"] == "raw"


@pytest.mark.parametrize("kind", ["wrong", "raise", "hang"])
async def test_what_a_hook_does_wrong_leaves_all_as_it_was(
    open_house: Any, upstream: Upstream, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(observers, "HOOK_S", 0.2)
    house, asked = await change(open_house, upstream, kind, "body")
    assert json.loads(asked.body)["messages"][0]["content"] == "hello change"
    assert asked.target.endswith("/chat/completions")
    assert asked.header("a b") is None
    assert house.member("changer").observers.counts.failed == (kind != "wrong")


ORDER = """
class Told(Hook):
    events = [HookEvent.REQUEST_STARTED]

    def __init__(self, name, priority=500, fails=False):
        self.name, self.priority, self.fails = name, priority, fails

    def __call__(self, context):
        seen.append(self.name)
        if self.fails:
            raise RuntimeError(f"{self.name} fails")

class Errors(Hook):
    name, events, priority = "errors", [HookEvent.PLUGIN_ERROR], HookLayer.CLEANUP

    async def __call__(self, context):
        seen.append((context.data["hook"], context.plugin, str(context.error)))
"""
SPECS = """hooks=[
    HookSpec(Told, {"name": "late", "priority": HookLayer.OBSERVATION}),
    HookSpec(Told, {"name": "first", "priority": HookLayer.CRITICAL, "fails": True}),
    HookSpec(Told, {"name": "same one"}), HookSpec(Told, {"name": "same two"}),
    HookSpec(Errors),
]"""


async def test_they_are_told_by_priority_and_one_that_raises_harms_none(open_house: Any) -> None:
    house = await open_house(plugins={"told": system("told", fields=SPECS, before=ORDER)})
    assert (await house.chat()).status == 200
    await house.settle()
    seen = house.module("told").seen
    assert seen == ["first", "same one", "same two", "late", ("first", "told", "first fails")]
    counts = house.member("told").observers.counts
    assert (counts.failed, counts.delivered) == (1, 4)
    assert house.member("told").diagnose()["hooks"]["failed"] == 1


async def test_a_plugin_has_only_the_hooks_that_its_events_need(open_house: Any) -> None:
    plugins = {
        "told": system("told", fields=SPECS, before=ORDER),
        "quiet": system("quiet"),
        "changer": changing("body"),
    }
    house = await open_house(plugins=plugins)
    hooks = {name: [hook["point"] for hook in (await house.gateway.plugin(name))["hooks"]] for name in plugins}
    assert hooks == {"told": ["ingress"], "quiet": [], "changer": ["attempt"]}


HEARS = """
class Hears(Hook):
    name, events, priority = "hears", [HookEvent.CUSTOM_EVENT, HookEvent.OAUTH_ERROR], {priority}

    async def __call__(self, context):
        seen.append((context.event.name, context.data.get("n"), context.plugin))
        context.data.setdefault("heard", []).append("{name}")
"""


async def test_what_a_plugin_emits_the_others_hear(open_house: Any) -> None:
    specs = "hooks=[HookSpec(Hears)]"
    plugins = {
        name: system(name, fields=specs, before=HEARS.format(priority=priority, name=name))
        for name, priority in (("ann", 700), ("bob", 100))
    }
    house = await open_house(plugins=plugins)
    emit = house.member("ann").runtime.context.hook_manager.emit
    module = house.module("ann")
    data: dict[str, Any] = {"n": 1}
    await emit(module.HookEvent.CUSTOM_EVENT, data, fire_and_forget=False)
    assert data["heard"] == ["bob", "ann"]
    await emit(module.HookEvent.OAUTH_ERROR, {"n": 2}, provider="x")
    await house.settle()
    heard = house.module("bob").seen
    assert heard == [("CUSTOM_EVENT", 1, "ann"), ("OAUTH_ERROR", 2, "ann")]
    await house.gateway.admin("/api/v1/plugins/toggle", "POST", {"name": "bob", "enabled": False})
    for waits in (True, False):
        await emit(module.HookEvent.CUSTOM_EVENT, {"n": 3}, fire_and_forget=not waits)
    await house.settle()
    assert len(heard) == 2
    await house.gateway.admin("/api/v1/plugins/toggle", "POST", {"name": "bob", "enabled": True})
    await emit(module.HookEvent.CUSTOM_EVENT, {"n": 4}, fire_and_forget=False)
    assert heard[2:] == [("CUSTOM_EVENT", 4, "ann")]


LIVES = """
class Lives(Hook):
    name = "lives"
    events = [e for e in HookEvent if e.value.startswith(("app.", "plugin."))]

    async def __call__(self, context):
        seen.append((context.event.value, context.data.get("plugin")))
"""


async def test_the_lives_of_gateway_and_plugins_are_told(open_house: Any) -> None:
    plugins = {"lives": system("lives", fields="hooks=[HookSpec(Lives)]", before=LIVES), "quiet": system("quiet")}
    house = await open_house(plugins=plugins)
    await house.gateway.admin("/api/v1/plugins/toggle", "POST", {"name": "quiet", "enabled": False})
    await house.gateway.admin("/api/v1/plugins/toggle", "POST", {"name": "quiet", "enabled": True})
    await house.settle()
    seen = list(house.module("lives").seen)
    assert seen[:2] == [("app.startup", None), ("app.ready", None)]
    assert ("plugin.loaded", "echo") in seen
    assert seen.index(("plugin.unloaded", "quiet")) < len(seen) - seen[::-1].index(("plugin.loaded", "quiet"))
    kept = house.module("lives").seen
    await house.gateway.admin("/api/v1/plugins/toggle", "POST", {"name": "lives", "enabled": False})
    await house.gateway.admin("/api/v1/plugins/hot-swap", "POST", {})
    assert [event for event, _ in kept].count("app.startup") == 1


async def test_none_is_lost_uncounted_and_none_is_told_after_the_end(
    monkeypatch: pytest.MonkeyPatch, folder: Any
) -> None:
    from datetime import UTC, datetime

    from jackfield.dialects.factory.names.events import HookContext, HookEvent, HookRegistry

    monkeypatch.setattr(observers, "MOST_WAITING", 50)
    total, told, registry = observers.EventCounts(), [], HookRegistry()

    class Counts:
        name, events, priority = "counts", [HookEvent.CUSTOM_EVENT], 500

        def __call__(self, context: Any) -> None:
            told.append(context.data["n"])

    registry.register(Counts())
    lane = observers.Observers("p", registry, total, lambda context: None, lambda: datetime.now(UTC))
    lane.open()
    for n in range(1000):
        lane.post(HookContext(HookEvent.CUSTOM_EVENT, datetime.now(UTC), {"n": n}))
    await lane.settle(5.0)
    assert (told, lane.counts.delivered, lane.counts.dropped) == (list(range(950, 1000)), 50, 950)
    lane.post(HookContext(HookEvent.CUSTOM_EVENT, datetime.now(UTC), {"n": 0}))
    await lane.close()
    lane.post(HookContext(HookEvent.CUSTOM_EVENT, datetime.now(UTC), {"n": 0}))
    assert (len(told), total.delivered + total.dropped, lane.report()["waiting"]) == (50, 1001, 0)


async def test_what_waits_is_bounded_by_the_size_of_what_it_brings(monkeypatch: pytest.MonkeyPatch) -> None:
    from datetime import UTC, datetime

    from jackfield.dialects.factory.names.events import HookContext, HookEvent, HookRegistry

    monkeypatch.setattr(observers, "MOST_BYTES", 100)
    told, registry, at = [], HookRegistry(), datetime.now(UTC)

    class Notes:
        name, events, priority = "notes", [HookEvent.CUSTOM_EVENT], 500

        def __call__(self, context: Any) -> None:
            told.append(context.data["n"])

    registry.register(Notes())
    lane = observers.Observers("p", registry, observers.EventCounts(), lambda context: None, lambda: at)
    lane.open()
    for _ in range(2):
        for n, size in enumerate((60, 30, 30, 40, 0, 0)):
            lane.post(HookContext(HookEvent.CUSTOM_EVENT, at, {"n": n}), size)
        await lane.settle(5.0)
    # One that is larger than all that may wait is told of where it is alone.
    lane.post(HookContext(HookEvent.CUSTOM_EVENT, at, {"n": 9}), 1000)
    await lane.settle(5.0)
    assert (told, lane.counts.dropped) == ([1, 2, 3, 4, 5, 1, 2, 3, 4, 5, 9], 2)


async def test_an_answer_of_a_plugin_has_no_provider(open_house: Any) -> None:
    """The provider in process is one, too: what goes to it is no HTTP request."""
    before = ORDER.replace("REQUEST_STARTED", "PROVIDER_STREAM_END, HookEvent.REQUEST_COMPLETED").replace(
        "seen.append(self.name)", "seen.append((context.event.name, context.provider))"
    )
    spec = 'hooks=[HookSpec(Told, {"name": "x"})]'
    house = await open_house(plugins={"told": system("told", fields=spec, before=before)})
    assert (await house.chat(stream=True)).status == 200
    await house.settle()
    assert house.module("told").seen == [("PROVIDER_STREAM_END", "echo"), ("REQUEST_COMPLETED", "echo")]
