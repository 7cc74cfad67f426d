"""Hooks are tried on an exchange that nobody asked for, before a plugin is taken into service."""

from __future__ import annotations

from typing import Any

import pytest

from jackfield.hooks.guard import PluginGuard
from jackfield.host.builder import Trouble
from jackfield.host.loader import NO_CONFIG, bind_hooks
from jackfield.host.plugin import LoadedPlugin
from jackfield.pipeline import probe
from jackfield.pipeline.probe import NOT_TRIED, Prober
from jackfield.sdk import Plugin, PluginConfig, Reject, hook
from jackfield.sdk.hooks import POINTS
from jackfield.sources.base import Found
from jackfield.testing.memory import HandClock

SEEN: list[Any] = []


@pytest.fixture(autouse=True)
def nothing_seen() -> None:
    SEEN.clear()


def loaded(kind: type[Plugin]) -> LoadedPlugin:
    guard = PluginGuard("tried", HandClock())
    plugin = LoadedPlugin(
        "tried", Found(name="tried", source="t", dialect="native", place="p", load=lambda: kind), guard
    )
    instance = kind("tried", PluginConfig())
    plugin.instance, plugin.hooks = instance, bind_hooks(instance, guard, NO_CONFIG, 100)
    return plugin


async def tried(kind: type[Plugin]) -> list[Trouble]:
    """What went wrong; the plugin's own statistics know nothing of it."""
    plugin = loaded(kind)
    troubles = await Prober(HandClock())(plugin)
    assert plugin.guard.stats.report()["calls"] == plugin.guard.stats.errors == 0
    assert not plugin.guard.quarantined
    return troubles


def everywhere() -> type[Plugin]:
    """A plugin with a hook at every point, that notes what it sees."""

    def make(point: str) -> Any:
        async def see(self: Any, exchange: Any, event: Any = None) -> None:
            SEEN.append((point, exchange, event))

        see.__name__ = f"at_{point}"
        policy = None if POINTS[point].policy else "open"  # type: ignore[index]
        return hook(point, on_failure=policy)(see)  # type: ignore[arg-type]

    return type("Everywhere", (Plugin,), {f"at_{point}": make(point) for point in POINTS})


async def test_every_point_but_the_observers_is_tried_once_in_order_and_with_a_synthetic_exchange() -> None:
    assert await tried(everywhere()) == []
    assert [point for point, _, _ in SEEN] == [point for point in POINTS if point not in NOT_TRIED]
    assert all(exchange.synthetic for _, exchange, _ in SEEN)


class Complete(Plugin):
    """Each hook asks for what is there at its point."""

    @hook("pre_flight", on_failure="closed")
    async def request(self, exchange: Any) -> None:
        SEEN.append((exchange.request.last_user_text(), exchange.identity.app, exchange.model))

    @hook("attempt")
    async def sent(self, exchange: Any) -> None:
        SEEN.append((exchange.outgoing.url, exchange.candidates[0].model))

    @hook("response_chunk", on_failure="closed")
    async def chunk(self, exchange: Any, event: Any) -> None:
        SEEN.append(event.text)

    @hook("response_body", on_failure="closed")
    async def answer(self, exchange: Any) -> None:
        SEEN.append((exchange.response.text(), exchange.head.status, exchange.usage.output))


async def test_a_hook_finds_what_a_real_exchange_would_have() -> None:
    assert await tried(Complete) == []
    assert SEEN == [
        ("What is the capital of France?", "probe", "probe"),
        ("http://probe.invalid/v1", "probe"),
        "Paris.",
        ("Paris.", 200, 5),
    ]


class Broken(Plugin):
    @hook("pre_flight", on_failure="closed")
    async def closed(self, exchange: Any) -> None:
        raise KeyError("always")

    @hook("response_body", on_failure="open")
    async def opened(self, exchange: Any) -> Any:
        return "nonsense"

    @hook("response_head", on_failure="open")
    async def exits(self, exchange: Any) -> None:
        raise SystemExit(3)


async def test_each_failure_is_told_with_its_hook_and_whether_requests_would_be_refused() -> None:
    troubles = {one.hook: one for one in await tried(Broken)}
    assert {name: one.closed for name, one in troubles.items()} == {"closed": True, "opened": False, "exits": False}
    assert "KeyError: 'always'" in troubles["closed"].told
    assert "SystemExit" in troubles["exits"].told


class Refusing(Plugin):
    @hook("pre_flight", on_failure="closed")
    async def refuse(self, exchange: Any) -> Reject:
        return Reject(403, "no", "Not for you.")


async def test_to_refuse_is_no_failure() -> None:
    assert await tried(Refusing) == []


class Preparing(Plugin):
    @hook("pre_flight", on_failure="closed", timeout_ms=1)
    async def prepare(self, exchange: Any) -> None:
        import time

        time.sleep(0.02)

    @hook("background")
    async def never(self, exchange: Any) -> None:
        raise AssertionError("an observer was tried")


async def test_a_slow_first_call_is_borne() -> None:
    assert await tried(Preparing) == []


class Hanging(Plugin):
    @hook("pre_flight", on_failure="closed", timeout_ms=1)
    async def hang(self, exchange: Any) -> None:
        import asyncio

        await asyncio.Event().wait()


async def test_one_that_hangs_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe, "LEAST_DEADLINE_S", 0.02)
    (trouble,) = await tried(Hanging)
    assert (trouble.hook, trouble.closed) == ("hang", True)
    assert "20 ms" in trouble.told


class OnlyEmbeddings(Plugin):
    @hook("pre_flight", on_failure="closed", operations=("embeddings",))
    async def request(self, exchange: Any) -> None:
        SEEN.append(exchange.request.input)

    @hook("response_body", on_failure="closed", operations=("count_tokens",))
    async def answer(self, exchange: Any) -> None:
        SEEN.append(exchange.response.input)


async def test_a_hook_is_tried_with_an_operation_that_it_sees() -> None:
    assert await tried(OnlyEmbeddings) == []
    assert len(SEEN) == 2
