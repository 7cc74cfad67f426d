"""What hooks are tested with: an exchange without a gateway, hooks made of functions, a clock that is moved by hand."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from typing import Any

from jackfield.clock import Clock
from jackfield.hooks.dispatch import ask, decide
from jackfield.hooks.guard import PluginGuard
from jackfield.hooks.table import BoundHook, HookTable
from jackfield.hooks.trace import Trace
from jackfield.host.routes import Routes
from jackfield.host.snapshot import Snapshot
from jackfield.pipeline.exchange import State
from jackfield.sdk import Exchange, InboundRequest
from jackfield.sdk.hooks import POINTS, HookSpec, PointName, Policy
from jackfield.sdk.outcomes import Outcome
from jackfield.server.inference import ROUTES

BODY = b'{"model": "gpt", "messages": [{"role": "user", "content": "hello"}], "seed": 7}'
SOON_MS = 20
LONG_MS = 60_000
Call = Callable[..., Awaitable[Any]]


class HandClock:
    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now

    def wall(self) -> float:
        return self.now


def make_exchange(body: bytes = BODY, path: str = "/v1/chat/completions") -> Exchange:
    table = HookTable(())
    snapshot = Snapshot(generation=1, plugins={}, table=table, routes=Routes(()))
    inbound = InboundRequest("POST", path, ((b"authorization", b"Bearer key"),), body)
    return State("req_1", ROUTES[path], inbound, snapshot, time.perf_counter_ns()).view


def make_hook(
    call: Call,
    point: PointName = "pre_flight",
    *,
    on_failure: Policy = "open",
    timeout_ms: int = LONG_MS,
    plugin: str = "tested",
    name: str = "check",
    priority: int = 100,
    guard: PluginGuard | None = None,
    clock: Clock | None = None,
    **options: Any,
) -> BoundHook:
    spec = HookSpec(point=point, name=name, on_failure=on_failure, **options)
    return BoundHook(
        plugin,
        spec,
        call,
        guard or PluginGuard(plugin, clock or HandClock()),
        priority=priority,
        timeout_ms=timeout_ms,
        closed=(POINTS[point].policy or on_failure) == "closed",
    )


class Asked:
    """One question to one hook: what came of it, as the trace tells it."""

    def __init__(self, hook: BoundHook, exchange: Exchange | None = None) -> None:
        self.hook, self.trace = hook, Trace(time.perf_counter_ns())
        self.exchange = exchange or make_exchange()

    async def ask(self, *given: Any) -> Outcome | None:
        return await ask(self.hook, self.exchange, self.trace, *given)

    @property
    def outcome(self) -> str:
        """How the last call is recorded."""
        return str(self.trace.calls()[-1]["outcome"])


async def decide_all(*hooks: BoundHook) -> tuple[Any, list[Any], Trace]:
    """The decision, the replacements in order, and the trace."""
    replaced: list[Any] = []
    trace = Trace(time.perf_counter_ns())
    decision = await decide(hooks, make_exchange(), trace, replaced.append)
    return decision, replaced, trace


def answer_with(value: object) -> Call:
    async def hook(*_: object) -> object:
        return value

    return hook


def raise_it(error: BaseException) -> Call:
    async def hook(*_: object) -> None:
        raise error

    return hook
