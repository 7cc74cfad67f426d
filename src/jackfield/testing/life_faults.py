"""Breaking the steps of a plugin's life: one that does not start is kept out with its reason, one that does not stop
keeps nobody waiting, and neither leaves anything behind."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from jackfield.host.loader import LIFE_S, PluginBroke
from jackfield.testing.driven import Driven
from jackfield.testing.faults import NEARLY, fault_named
from jackfield.testing.injection import FaultyLife, Step
from jackfield.testing.target import Target, end_tasks
from jackfield.testing.tasks import leftovers, quiet_tasks
from jackfield.testing.verdicts import Verdict

STARTING = ("on_load", "on_enable", "health")
POLICIES: Mapping[str, str] = {**dict.fromkeys(STARTING, "kept out"), "on_disable": "unloaded", "on_unload": "unloaded"}
STALL = "hangs where it waits"
FAULTS: Mapping[str, tuple[str, ...]] = {
    "on_load": ("raises ValueError", "raises SystemExit", "raises CancelledError", "hangs"),
    "on_enable": ("raises ValueError", "hangs"),
    "health": ("raises ValueError", "answers None", "hangs"),
    "on_disable": ("raises ValueError", "hangs"),
    "on_unload": ("raises ValueError", "raises SystemExit", "hangs"),
}


async def try_lives(target: Target) -> list[Verdict]:
    told = await _try_life(target, None)
    verdicts = [Verdict("on_unload", "life", POLICIES["on_unload"], "none", tuple(told))]
    # What is left behind without any fault is told once.
    known = set(told)
    for step, names in FAULTS.items():
        for name in names:
            told = await _try_life(target, FaultyLife(step, _acting(name)), step)
            verdicts.append(Verdict(step, "life", POLICIES[step], name, tuple(set(told) - known)))
        verdicts += await _try_stalling(target, step, known)
    return verdicts


async def _try_stalling(target: Target, step: str, known: set[str]) -> list[Verdict]:
    """The plugin's own code, where it waits; nothing where it does not."""
    driven: list[Driven] = []

    async def act(own: Step) -> Any:
        deadline = asyncio.get_running_loop().time() + LIFE_S * NEARLY
        driven.append(Driven(own(), stall_at=1, deadline=deadline))
        return await driven[-1]

    told = await _try_life(target, FaultyLife(step, act), None)
    if not any(one.waits for one in driven):
        return []
    if any(one.swallowed for one in driven):
        told.append("swallows its cancellation: it goes on after it was told to end")
    return [Verdict(step, "life", POLICIES[step], STALL, tuple(set(told) - known))]


async def _try_life(target: Target, meddling: FaultyLife | None, step: str | None = None) -> list[str]:
    """One life, with one exchange where it gets so far. A `step` of its start must keep it from starting."""
    before = await quiet_tasks()
    told: list[str] = []
    try:
        async with target.host(meddling) as host:
            await host.request(target.given, **next(target.ways()))
            if step in STARTING:
                told.append("is started all the same")
    except PluginBroke as error:
        if step is not None and step not in str(error):
            told.append(f"is kept out for another reason: {error}")
    told += [f"leaves a task running: {name}" for name in leftovers(await quiet_tasks(before), before)]
    await end_tasks(before)
    return told


def _acting(name: str) -> Callable[[Step], Awaitable[Any]]:
    fault: Any = fault_named(name)

    async def act(own: Step) -> Any:
        return await fault.act(None)

    return act
