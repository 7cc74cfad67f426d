"""The host's side of a ring plugin's life."""

from __future__ import annotations

from typing import Any

import pytest

from jackfield.dialects.rings.adapter import RingPlugin, make_kind
from jackfield.dialects.rings.manifest import RingEntry
from jackfield.dialects.rings.names.plugin_sdk import BasePlugin, PluginHook, PluginResponse
from jackfield.dialects.rings.world import RingWorld
from jackfield.errors import ManifestError
from jackfield.sdk.hooks import hooks_of
from jackfield.sdk.plugin import Health, config_model

from .course import AnyConfig, Course


def entry(ring: str = "pre_flight", **fields: Any) -> RingEntry:
    return RingEntry(name="Made", id="made", hook=PluginHook(ring), module="marketplace.made", symbol="Made", **fields)


def kind_of(symbol: Any, ring: str = "pre_flight", *, edits: bool = False, **fields: Any) -> Any:
    return make_kind(entry(ring, **fields), symbol, edits=edits, model=AnyConfig, world=RingWorld())


class Made(BasePlugin):
    name, timeout_ms = "made", 20
    steps: list[Any] = []  # noqa: RUF012 - what happened to any instance

    async def execute(self, ctx: Any) -> PluginResponse:
        return PluginResponse.passthrough()

    async def on_load(self) -> None:
        self.steps.append(("load", self.config))

    async def on_unload(self) -> None:
        self.steps.append("unload")


async def function(ctx: Any) -> None:
    """Sees everything, says nothing."""


async def test_an_instance_has_its_config_as_a_plain_dict_and_its_logger() -> None:
    Made.steps.clear()
    kind = kind_of(Made)
    plugin = kind("made", AnyConfig.model_validate({"limit": 3}))
    await plugin.on_load()
    assert isinstance(plugin, RingPlugin)
    assert type(plugin.inner.config) is dict
    assert plugin.inner.logger.name == "plugin.made"
    await plugin.on_unload()
    assert Made.steps == [("load", {"limit": 3}), "unload"]


async def test_an_instance_knows_what_the_host_counted() -> None:
    class Counting(BasePlugin):
        async def execute(self, ctx: Any) -> Any:
            if ctx.body["messages"][0]["content"] == "break":
                raise ValueError
            return PluginResponse.block() if ctx.body["messages"][0]["content"] == "block" else None

    course = Course()
    made = await course.add(Counting)
    for text in ("break", "block", "hi"):
        await course.chat(text)
    told = made.inner.stats  # type: ignore[attr-defined]
    assert {name: told[name] for name in ("invocations", "errors", "blocks", "timeouts")} == {
        "invocations": 3,
        "errors": 1,
        "blocks": 1,
        "timeouts": 0,
    }
    assert told["avg_latency_ms"] > 0
    assert told["latency_percentiles"]["p99"] > 0
    assert Counting().stats["invocations"] == 0


async def test_a_function_needs_no_instance() -> None:
    plugin = kind_of(function)("made", AnyConfig())
    await plugin.on_load()
    await plugin.on_unload()
    assert await plugin.health() == Health()


def test_a_kind_has_the_model_and_the_hooks_that_it_needs() -> None:
    kind = kind_of(Made, version="1.2.0", description="Does this")
    assert config_model(kind) is AnyConfig
    assert (kind.version, kind.description) == ("1.2.0", "Does this")
    (spec,) = hooks_of(kind)
    assert (spec.point, spec.on_failure, spec.own_policy, spec.timeout_ms) == ("pre_flight", "open", True, 20)


@pytest.mark.parametrize(
    ("ring", "points"),
    [
        ("ingress", ["ingress"]),
        ("pre_flight", ["pre_flight"]),
        ("routing", ["routing"]),
        ("post_flight", ["pre_flight", "response_body"]),
        ("background", ["background"]),
    ],
)
def test_each_ring_has_its_points(ring: str, points: list[str]) -> None:
    assert sorted(spec.point for spec in hooks_of(kind_of(function, ring))) == points


@pytest.mark.parametrize("edits", [False, True])
def test_only_who_edits_holds_streams(edits: bool) -> None:
    assert any(spec.edits for spec in hooks_of(kind_of(function, "post_flight", edits=edits))) is edits


def test_two_kinds_of_one_class_have_hooks_of_their_own() -> None:
    first, second = kind_of(Made, priority=1), kind_of(Made, "routing", priority=2)
    assert [spec.point for spec in hooks_of(first)] == ["pre_flight"]
    assert [spec.point for spec in hooks_of(second)] == ["routing"]


def plain(ctx: Any) -> None:
    """Not async."""


class Plain(BasePlugin):
    def execute(self, ctx: Any) -> Any:  # type: ignore[override]
        return None


class Nothing:
    pass


@pytest.mark.parametrize(
    ("symbol", "why"),
    [(plain, "async def"), (Plain, "async def"), (Nothing, "neither a class"), (7, "neither a class")],
)
def test_what_cannot_be_a_ring_plugin_is_refused_by_name(symbol: Any, why: str) -> None:
    with pytest.raises(ManifestError, match=rf"marketplace\.made:Made .*{why}"):
        kind_of(symbol)


@pytest.mark.parametrize(
    ("answer", "health"),
    [
        (None, Health()),
        (True, Health()),
        (False, Health(False)),
        ({"ok": False, "detail": "no model"}, Health(False, "no model")),
        ({"status": "healthy"}, Health()),
        ({"status": "down", "message": "gone"}, Health(False, "gone")),
        (Health(False, "why"), Health(False, "why")),
    ],
)
@pytest.mark.parametrize("is_async", [False, True])
async def test_health_is_honoured_in_any_form(answer: Any, health: Health, is_async: bool) -> None:
    class Watched(BasePlugin):
        async def health(self) -> Any:
            return answer

    class WatchedPlainly(BasePlugin):
        def health(self) -> Any:
            return answer

    plugin = await Course().add(Watched if is_async else WatchedPlainly)
    assert await plugin.health() == health


async def test_a_class_that_cannot_be_made_is_not_loaded() -> None:
    class Odd(BasePlugin):
        def __init__(self) -> None:
            super().__init__({})

    with pytest.raises(TypeError, match="config"):
        await Course().add(Odd)
