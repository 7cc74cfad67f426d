"""What can go wrong in a plugin, one kind each: what a hook does in the place of its own work, or with it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Literal

from jackfield.hooks.table import BoundHook
from jackfield.sdk.context import Exchange
from jackfield.sdk.outcomes import Drop, Identity, Reject, Replace
from jackfield.testing.driven import Driven

Expected = Literal["failed", "timeout", "passed", "any"]
# Of a hook's deadline: an answer just in time, and one just too late. What a busy machine takes from a short one is
# left to it.
UNDER, OVER = 0.9, 1.1
SPARE_S = 0.02
# What is cancelled from here on is cancelled by the deadline: the time that the hook has already taken counts too.
NEARLY = 0.95


class Call:
    """One call of a hook into which a fault is put. `driven` is the plugin's own coroutine where the fault lets it
    begin."""

    def __init__(self, hook: BoundHook, inner: Callable[..., Awaitable[Any]], exchange: Exchange, given: Any) -> None:
        self.hook, self._inner, self._exchange, self._given = hook, inner, exchange, given
        self.driven: Driven | None = None

    def own(self, **how: Any) -> Driven:
        """The plugin's own work."""
        deadline = asyncio.get_running_loop().time() + self.hook.deadline_s * NEARLY
        coroutine: Any = self._inner(self._exchange, *self._given)
        self.driven = Driven(coroutine, deadline=deadline, **how)
        return self.driven


@dataclass(frozen=True)
class Fault:
    """`expected` is how the call must be recorded; `any` where that is for the plugin to decide. `own` is whether the
    plugin's own code runs, and `waits` whether the fault strikes where that waits, so that it has none where that never
    does."""

    name: str
    expected: Expected
    act: Callable[[Call], Awaitable[Any]]
    own: bool = False
    waits: bool = False
    timed: bool = False

    @property
    def fails(self) -> bool:
        return self.expected in ("failed", "timeout")


class Unwell(RuntimeError):
    """Raised in the place of a plugin's own code."""


class Stop(KeyboardInterrupt):
    """What ends a program elsewhere ends no gateway here."""


def _raising(error: Callable[[], BaseException]) -> Callable[[Call], Awaitable[Any]]:
    async def act(call: Call) -> Any:
        raise error()

    return act


def _answering(answer: Callable[[Call], Any]) -> Callable[[Call], Awaitable[Any]]:
    async def act(call: Call) -> Any:
        return answer(call)

    return act


async def _hang(call: Call) -> None:
    await asyncio.get_running_loop().create_future()


async def _answer_just_in_time(call: Call) -> None:
    deadline_s = call.hook.deadline_s
    await asyncio.sleep(min(deadline_s * UNDER, max(deadline_s - SPARE_S, deadline_s / 2)))


async def _answer_just_too_late(call: Call) -> None:
    await asyncio.sleep(call.hook.deadline_s * OVER)


async def _stall(call: Call) -> Any:
    return await call.own(stall_at=1)


async def _break_wait(call: Call) -> Any:
    return await call.own(stall_at=1, broken_by=Unwell("what it waits for fails"))


async def _fail_after(call: Call) -> Any:
    await call.own()
    raise Unwell("after its work")


def _stranger(call: Call) -> Any:
    """An outcome of another point."""
    return Drop() if Drop not in call.hook.point.outcomes else Identity(user="nobody")


ERRORS: dict[str, Callable[[], BaseException]] = {
    "ValueError": lambda: ValueError("injected"),
    "OSError": lambda: OSError("injected"),
    "TimeoutError": lambda: TimeoutError("injected"),
    "RecursionError": lambda: RecursionError("injected"),
    "MemoryError": lambda: MemoryError("injected"),
    "SystemExit": lambda: SystemExit(3),
    "KeyboardInterrupt": lambda: Stop("injected"),
    "CancelledError": asyncio.CancelledError,
    "GeneratorExit": GeneratorExit,
    "BaseException": lambda: BaseException("injected"),
    "a group of exceptions": lambda: BaseExceptionGroup("injected", [ValueError("one"), Stop("two")]),
}

FAULTS: tuple[Fault, ...] = (
    *(Fault(f"raises {name}", "failed", _raising(error)) for name, error in ERRORS.items()),
    Fault("answers a number", "failed", _answering(lambda call: 42)),
    Fault("answers a class", "failed", _answering(lambda call: Reject)),
    Fault("answers what another point takes", "failed", _answering(_stranger)),
    Fault("replaces with nonsense", "failed", _answering(lambda call: Replace({"model": 1}))),
    Fault("answers None", "passed", _answering(lambda call: None)),
    Fault("hangs", "timeout", _hang, timed=True),
    Fault("answers just in time", "passed", _answer_just_in_time, timed=True),
    Fault("answers just too late", "timeout", _answer_just_too_late, timed=True),
    Fault("fails after its work", "failed", _fail_after, own=True),
    Fault("hangs where it waits", "any", _stall, own=True, waits=True, timed=True),
    Fault("fails where it waits", "any", _break_wait, own=True, waits=True),
)


def fault_named(name: str) -> Fault:
    return next(fault for fault in FAULTS if fault.name == name)
