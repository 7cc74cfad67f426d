"""Putting a fault into one place of a plugin on trial."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, cast

from jackfield.hooks.table import BoundHook
from jackfield.sdk.context import Exchange
from jackfield.sdk.plugin import Plugin
from jackfield.stores.kv import KeyValueStore
from jackfield.testing.exchanges import rebind
from jackfield.testing.faults import Call, Fault
from jackfield.testing.host import Meddling

HookKey = tuple[str, str]
Step = Callable[[], Coroutine[Any, Any, Any]]


def key_of(hook: BoundHook) -> HookKey:
    """Point and name."""
    return (hook.point.name, hook.name)


class Without(Meddling):
    """The plugin without one of its hooks."""

    def __init__(self, key: HookKey) -> None:
        self._key = key

    def hook(self, hook: BoundHook) -> BoundHook | None:
        return None if key_of(hook) == self._key else hook


class Injection(Meddling):
    """A fault in one hook, while `on`. `calls` are those that it was put into."""

    def __init__(self, key: HookKey, fault: Fault) -> None:
        self._key, self._fault = key, fault
        self.on = False
        self.calls: list[Call] = []

    def hook(self, hook: BoundHook) -> BoundHook:
        return hook if key_of(hook) != self._key else rebind(hook, self._faulty(hook))

    def _faulty(self, hook: BoundHook) -> Callable[..., Awaitable[Any]]:
        inner = hook.call

        async def call(exchange: Exchange, *given: Any) -> Any:
            if not self.on:
                return await inner(exchange, *given)
            made = Call(hook, inner, exchange, given)
            self.calls.append(made)
            return await self._fault.act(made)

        return call

    @property
    def swallowed(self) -> bool:
        return any(call.driven is not None and call.driven.swallowed for call in self.calls)


class Leaving(Meddling):
    """Lets one hook wait for ever at one of its own waits, so that its client can leave there. At wait 0 it has not
    begun."""

    def __init__(self, key: HookKey, at: int) -> None:
        self._key, self._at = key, at
        self.on = True
        self.reached = asyncio.Event()
        self.call: Call | None = None

    def hook(self, hook: BoundHook) -> BoundHook:
        return hook if key_of(hook) != self._key else rebind(hook, self._stalling(hook))

    def _stalling(self, hook: BoundHook) -> Callable[..., Awaitable[Any]]:
        inner = hook.call

        async def call(exchange: Exchange, *given: Any) -> Any:
            if not self.on:
                return await inner(exchange, *given)
            self.call = Call(hook, inner, exchange, given)
            if self._at == 0:
                self.reached.set()
                await asyncio.get_running_loop().create_future()
            driven = self.call.own(stall_at=self._at)
            driven.reached = self.reached
            return await driven

        return call

    @property
    def swallowed(self) -> bool:
        return self.call is not None and self.call.driven is not None and self.call.driven.swallowed


class Counting(Meddling):
    """Counts how often each hook waits, and does nothing else."""

    def __init__(self) -> None:
        self.waits: dict[HookKey, int] = {}

    def hook(self, hook: BoundHook) -> BoundHook:
        inner, key = hook.call, key_of(hook)

        async def call(exchange: Exchange, *given: Any) -> Any:
            driven = Call(hook, inner, exchange, given).own()
            try:
                return await driven
            finally:
                self.waits[key] = max(self.waits.get(key, 0), driven.waits)

        return rebind(hook, call)


class FaultyStorage(Meddling):
    """Storage that fails, or that answers only after `delay_s`, while `on`."""

    def __init__(self, delay_s: float | None) -> None:
        self._delay_s = delay_s
        self.on = False

    def storage(self, kv: KeyValueStore) -> KeyValueStore:
        return cast(KeyValueStore, _FaultyKeyValue(self, kv))

    async def pass_through(self) -> None:
        if not self.on:
            return
        if self._delay_s is None:
            raise OSError("the storage is gone")
        await asyncio.sleep(self._delay_s)


class _FaultyKeyValue:
    def __init__(self, faulty: FaultyStorage, kv: KeyValueStore) -> None:
        self._faulty, self._kv = faulty, kv

    def __getattr__(self, name: str) -> Any:
        inner = getattr(self._kv, name)

        async def call(*given: Any, **named: Any) -> Any:
            await self._faulty.pass_through()
            return await inner(*given, **named)

        return call


class FaultyLife(Meddling):
    """A plugin one of whose steps of life does something else; `act` is given the step itself."""

    def __init__(self, step: str, act: Callable[[Step], Awaitable[Any]]) -> None:
        self._step, self._act = step, act

    def plugin(self, plugin: Plugin[Any]) -> None:
        own: Step = getattr(plugin, self._step)

        async def act() -> Any:
            return await self._act(own)

        setattr(plugin, self._step, act)
