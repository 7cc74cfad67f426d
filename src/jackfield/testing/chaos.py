"""Breaking a plugin on purpose, one fault in one place at a time, and looking at whether its failure policies hold.

Everything runs on virtual time, so that a deadline of ten seconds takes none; each fault gets a plugin of its own,
freshly started. A hook's stay on the event loop is real time all the same, and a machine that stands still meanwhile
looks like a hook that does: so what does not come again with another plugin is not told.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from structlog.testing import capture_logs

from jackfield.hooks.guard import QUARANTINE_AFTER, QUARANTINE_S
from jackfield.hooks.table import BoundHook
from jackfield.testing.faults import FAULTS, Fault
from jackfield.testing.host import FakeHost, Meddling
from jackfield.testing.injection import Counting, FaultyStorage, HookKey, Injection, Leaving, Without, key_of
from jackfield.testing.life_faults import try_lives
from jackfield.testing.target import How, Target
from jackfield.testing.tasks import leftovers, quiet_tasks
from jackfield.testing.trial import Trial
from jackfield.testing.verdicts import Face, Judge, Verdict, judge_quarantine
from jackfield.testing.virtual_time import VirtualLoop

REACH_S = 60.0
# A good one, those that fail, one in quarantine and one after it.
MOST_EXCHANGES = QUARANTINE_AFTER + 3
SLOW_STORAGE_S = 3600.0
# How often a hook that is late without any fault is given another chance.
TRIES = 3


@dataclass
class Normal:
    """The plugin without any fault: how each hook is reached, and what exchanges then look like."""

    plugin: str
    hooks: tuple[BoundHook, ...]
    ways: dict[HookKey, How]
    faces: dict[HookKey, list[Face]]
    waits: dict[HookKey, int]
    storing: bool
    troubles: dict[HookKey, set[str]] = field(default_factory=dict)
    unsteady: dict[HookKey, set[str]] = field(default_factory=dict)

    @property
    def replacing(self) -> set[HookKey]:
        return {key_of(hook) for hook in self.hooks if hook.spec.replaces_record}


@dataclass(frozen=True)
class Chaos:
    """What a plugin's hooks and life were found to do."""

    plugin: str
    hooks: tuple[BoundHook, ...]
    verdicts: tuple[Verdict, ...]

    @property
    def holds(self) -> bool:
        return all(verdict.holds for verdict in self.verdicts if verdict.applies)


def run_chaos(target: Target) -> Chaos:
    """Raises what keeps the plugin from starting at all. Deterministic but for what the plugin does with real time."""
    # What is logged of hundreds of failures is what was meant to happen.
    with capture_logs(), asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(_run(target))


async def _run(target: Target) -> Chaos:
    normal = await observe(target)
    verdicts = await try_lives(target)
    for hook in normal.hooks:
        verdicts += [verdict async for verdict in _try_hook(target, normal, hook)]
    return Chaos(normal.plugin, normal.hooks, tuple(verdicts))


async def observe(target: Target) -> Normal:
    counting = Counting()
    async with target.started(counting) as host:
        normal = Normal(host.id, host.hooks, {}, {}, counting.waits, storing=False)
        for way in target.ways():
            trial = await _ask(host, target, way)
            for hook in host.hooks:
                if _calls(trial, hook) and key_of(hook) not in normal.ways:
                    normal.ways[key_of(hook)] = way
        normal.storing = host.kv.operations > 0
    for hook in normal.hooks:
        if key_of(hook) in normal.ways:
            await _observe_hook(target, normal, hook)
    return normal


async def _observe_hook(target: Target, normal: Normal, hook: BoundHook) -> None:
    """How exchanges look in a row, and whether the hook fails or keeps the loop by itself."""
    key = key_of(hook)
    (first, once), (second, again) = [await _run_normally(target, normal, hook) for _ in range(2)]
    normal.faces[key] = first
    if once and again:
        normal.troubles[key].add("keeps the event loop to itself for more than 50 ms at a time")
    normal.unsteady[key] = {
        name
        for name in ("text", "sent")
        if [getattr(face, name) for face in first] != [getattr(face, name) for face in second]
    }


async def _run_normally(target: Target, normal: Normal, hook: BoundHook) -> tuple[list[Face], bool]:
    """How exchanges look, and whether something has kept the loop: on a busy machine once means nothing."""
    key = key_of(hook)
    for _ in range(TRIES):
        async with target.started() as host:
            trials = [await _ask(host, target, normal.ways[key]) for _ in range(MOST_EXCHANGES)]
            blocked = host.stats["blocked_loop"] > 1
        failed = next((call for trial in trials for call in _calls(trial, hook) if call.is_trouble), None)
        if failed is None or failed.outcome != "timeout":
            break
    troubles = normal.troubles.setdefault(key, set())
    if failed is not None:
        troubles.add(f"is {failed.outcome} without any fault: {failed.error!r}")
    return [Face.of(trial) for trial in trials], blocked


def _calls(trial: Trial, hook: BoundHook) -> list[Any]:
    return [call for call in trial.hooks if (call.point, call.hook) == key_of(hook)]


async def _ask(host: FakeHost, target: Target, way: How) -> Trial:
    path = way.get("path")
    if path is not None and not target.how.get("path"):
        return await host.request("hello", **way)
    return await host.request(target.given, **way)


async def _faces(target: Target, way: How, *meddling: Meddling) -> set[Face]:
    """Exchanges in a row with something of the plugin taken away."""
    async with target.started(_Chain(meddling)) as host:
        return {Face.of(await _ask(host, target, way)) for _ in range(MOST_EXCHANGES)}


class _Chain(Meddling):
    def __init__(self, links: tuple[Meddling, ...]) -> None:
        self._links = links

    def hook(self, hook: BoundHook) -> BoundHook | None:
        found: BoundHook | None = hook
        for link in self._links:
            found = None if found is None else link.hook(found)
        return found


async def _try_hook(target: Target, normal: Normal, hook: BoundHook) -> AsyncIterator[Verdict]:
    key = key_of(hook)
    policy = "closed" if hook.closed else "open"
    if key not in normal.ways:
        told = "no request reaches it: give one with --request and --path"
        yield Verdict(hook.name, hook.point.name, policy, "none", (told,), applies=False)
        return
    yield Verdict(hook.name, hook.point.name, policy, "none", tuple(sorted(normal.troubles[key])))
    if normal.troubles[key]:
        return
    case = _Case(target, normal, hook, await _faces(target, normal.ways[key], Without(key)))
    case.plain = await _faces(target, normal.ways[key], *(Without(key_of(each)) for each in normal.hooks))
    for fault in FAULTS:
        if not fault.waits or normal.waits.get(key):
            yield Verdict(hook.name, hook.point.name, policy, fault.name, await _twice(partial(case.try_fault, fault)))
    if hook.point.name != "background":
        for at in range(normal.waits.get(key, 0) + 1):
            name = f"its client leaves at its wait {at}" if at else "its client leaves"
            yield Verdict(hook.name, hook.point.name, policy, name, await _twice(partial(case.try_leaving, at)))
    if normal.storing:
        for name, delay_s in (("its storage fails", None), ("its storage is slow", SLOW_STORAGE_S)):
            yield Verdict(hook.name, hook.point.name, policy, name, await _twice(partial(case.try_storage, delay_s)))


async def _twice(attempt: Callable[[], Awaitable[list[str]]]) -> tuple[str, ...]:
    """What it tells, if it tells anything the second time too."""
    told = await attempt()
    return tuple(told) if told and await attempt() else ()


class _Case:
    """One hook on trial."""

    def __init__(self, target: Target, normal: Normal, hook: BoundHook, without: set[Face]) -> None:
        self._target, self._normal, self._hook = target, normal, hook
        self._key = key_of(hook)
        self._way = normal.ways[self._key]
        self._unsteady = normal.unsteady[self._key]
        self._judge = Judge(hook, without, self._unsteady, keeps_record=not normal.replacing - {self._key})
        self.plain: set[Face] = set()

    async def try_fault(self, fault: Fault) -> list[str]:
        injection = Injection(self._key, fault)
        told: list[str] = []
        async with self._started(injection, told) as host:
            injection.on = True
            for _ in range(QUARANTINE_AFTER):
                if not host.guard.quarantined:
                    told += self._judge.judge(await self._ask(host), fault)
            told += await self._leave_quarantine(host, fault, injection)
        if injection.swallowed:
            told.append("swallows its cancellation: it goes on after it was told to end")
        return list(dict.fromkeys(told))

    async def _leave_quarantine(self, host: FakeHost, fault: Fault, switch: Injection | FaultyStorage) -> list[str]:
        told: list[str] = []
        if host.guard.quarantined:
            told += judge_quarantine(await self._ask(host), host.id, host.hooks, self.plain, self._unsteady)
        elif fault.fails:
            told.append(f"is not quarantined after {QUARANTINE_AFTER} failures in a row")
        switch.on = False
        host.clock.advance(QUARANTINE_S + 1)
        return told + await self._recover(host)

    async def _recover(self, host: FakeHost) -> list[str]:
        """An exchange without the fault is as it always was."""
        trial = await self._ask(host)
        told = [f"does not recover: {call.hook} is {call.outcome} when the fault is over" for call in trial.errors]
        face = Face.of(trial).steady(self._unsteady)
        if not told and face not in {usual.steady(self._unsteady) for usual in self._normal.faces[self._key]}:
            told.append(f"does not recover: an exchange is not as before when the fault is over, and ends in {face}")
        if not told and host.guard.quarantined:
            told.append("stays quarantined when the fault is over")
        return told

    async def try_leaving(self, at: int) -> list[str]:
        leaving = Leaving(self._key, at)
        leaving.on = False
        told: list[str] = []
        async with self._started(leaving, told) as host:
            errors = host.stats["errors"]
            leaving.on = True
            told += await self._leave(host, leaving)
            leaving.on = False
            if host.stats["errors"] > errors:
                told.append("counts a client that left as a failure of its own")
            told += await self._recover(host)
        if leaving.swallowed:
            told.append("swallows its cancellation: it goes on after its client has left")
        return told

    async def _leave(self, host: FakeHost, leaving: Leaving) -> list[str]:
        underway = host.begin(self._given(), **self._way)
        reaching = asyncio.ensure_future(leaving.reached.wait())
        ending = asyncio.ensure_future(underway.trial())
        await asyncio.wait((reaching, ending), timeout=REACH_S, return_when=asyncio.FIRST_COMPLETED)
        reaching.cancel()
        if not leaving.reached.is_set():
            await ending
            return []
        underway.leave()
        trial = await ending
        if not trial.client_gone or (trial.record is None and not self._normal.replacing):
            return ["leaves no record of a client that left"]
        return []

    async def try_storage(self, delay_s: float | None) -> list[str]:
        faulty = FaultyStorage(delay_s)
        told: list[str] = []
        undecided = Fault("storage", "any", _nothing)
        async with self._started(faulty, told) as host:
            faulty.on = True
            for _ in range(QUARANTINE_AFTER):
                if not host.guard.quarantined:
                    told += self._judge.judge(await self._ask(host), undecided)
            told += await self._leave_quarantine(host, undecided, faulty)
        return list(dict.fromkeys(told))

    @asynccontextmanager
    async def _started(self, meddling: Meddling, told: list[str]) -> AsyncIterator[FakeHost]:
        """A fresh plugin that has had one good exchange; at the end, what is left over of the bad ones is told."""
        async with self._target.started(meddling) as host:
            await self._ask(host)
            usual = await quiet_tasks()
            yield host
            told += [f"leaves a task running: {name}" for name in leftovers(await quiet_tasks(usual), usual)]
            if host.in_flight:
                told.append(f"leaves {host.in_flight} exchanges in flight")

    def _given(self) -> Any:
        own = self._way.get("path") is None or self._target.how.get("path")
        return self._target.given if own else "hello"

    async def _ask(self, host: FakeHost) -> Trial:
        return await host.request(self._given(), **self._way)


async def _nothing(call: Any) -> None:
    return None
