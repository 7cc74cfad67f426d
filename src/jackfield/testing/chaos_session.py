"""A pytest plugin: runs each test once for every fault, put into the plugin's hooks wherever the test runs them.

Tests are free to fail, for they say what a healthy plugin does. What is looked at is the exchanges: each must end as
the failure policy of the hook says. Only `jackfield plugin test --chaos` loads this.
"""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Awaitable, Callable, Generator, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from jackfield.hooks.table import BoundHook
from jackfield.pipeline.exchange import State
from jackfield.pipeline.settle import Settler
from jackfield.sdk.context import Exchange
from jackfield.sdk.hooks import HookSpec
from jackfield.testing.faults import Call, Fault, fault_named

VARIABLE = "JACKFIELD_CHAOS"
FIXTURE = "jackfield_fault"
# Deadlines of the hook that is broken: a test has no virtual time.
SHORT_MS = 100
TEST_S = 20.0


class Case(msgspec.Struct, frozen=True):
    plugin: str
    point: str
    hook: str
    closed: bool
    fault: str

    def is_of(self, plugin: str, spec: HookSpec) -> bool:
        return (plugin, spec.point, spec.name) == (self.plugin, self.point, self.hook)


class Plan(msgspec.Struct, frozen=True):
    """`report` is the file that gets a line for each test and fault."""

    cases: list[Case]
    report: str


class Line(msgspec.Struct, frozen=True):
    """One test under one fault. `calls` is how often the fault struck, `told` what was not as the policy says."""

    case: Case
    test: str
    passed: bool
    calls: int
    told: list[str]


class Session:
    def __init__(self) -> None:
        self.case: Case | None = None
        self.fault: Fault | None = None
        self.calls = 0
        self.told: list[str] = []

    def begin(self, case: Case) -> None:
        self.case, self.fault, self.calls, self.told = case, fault_named(case.fault), 0, []

    def end(self) -> None:
        self.case = self.fault = None

    def shorten(self, plugin: str, spec: HookSpec, timeout_ms: int) -> int:
        mine = self.case is not None and self.case.is_of(plugin, spec) and self.fault is not None and self.fault.timed
        return min(timeout_ms, SHORT_MS) if mine else timeout_ms

    def break_hook(self, hook: BoundHook) -> None:
        """From here on the hook does what the fault of the running test says."""
        inner: Callable[..., Awaitable[Any]] = hook.call

        async def call(exchange: Exchange, *given: Any) -> Any:
            fault = self.fault
            if fault is None or self.case is None or not self.case.is_of(hook.plugin, hook.spec):
                return await inner(exchange, *given)
            self.calls += 1
            return await fault.act(Call(hook, inner, exchange, given))

        hook.call = call

    def judge(self, state: State) -> None:
        """Whether a settled exchange ended as the policy of the broken hook says."""
        case = self.case
        if case is None:
            return
        key = (case.point, case.plugin, case.hook)
        troubled = {"failed", "timeout", "quarantined"}
        calls = [call for call in state.trace.calls() if (call["point"], call["plugin"], call["hook"]) == key]
        if not any(call["outcome"] in troubled for call in calls) or state.client_gone:
            return
        blamed = state.error is not None and case.plugin in (state.error.plugin, state.decided_by)
        observed = case.point == "response_body" and state.peek is not None and state.stream and not state.row.holds
        if case.closed and not observed and not blamed:
            self.told.append(f"is closed, and yet an exchange ended in {state.status} without its plugin's name")
        if not case.closed and blamed and state.error is not None and state.error.code.startswith("plugin_"):
            self.told.append(f"is open, and yet an exchange was refused: {state.error.message}")


session = Session()
_plan: list[Plan] = []


def pytest_configure(config: pytest.Config) -> None:
    _plan.append(msgspec.json.decode(os.environ[VARIABLE], type=Plan))
    _stand_between()


def _stand_between() -> None:
    """Every hook that any host makes is one that can be broken, and every exchange is looked at."""
    make, settle = BoundHook.__init__, Settler.settle

    def make_breakable(
        hook: BoundHook, plugin: str, spec: HookSpec, *given: Any, timeout_ms: int, **named: Any
    ) -> None:
        make(hook, plugin, spec, *given, timeout_ms=session.shorten(plugin, spec, timeout_ms), **named)
        session.break_hook(hook)

    async def settle_and_judge(settler: Settler, state: State) -> None:
        if (hooks := settle(settler, state)) is not None:
            await hooks
        session.judge(state)

    BoundHook.__init__ = make_breakable  # type: ignore[method-assign,assignment]
    Settler.settle = settle_and_judge  # type: ignore[method-assign,assignment]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    cases = _plan[-1].cases
    names = [f"{case.hook}: {case.fault}" for case in cases]
    metafunc.parametrize(FIXTURE, cases, indirect=True, ids=names)


@pytest.fixture(autouse=True)
def jackfield_fault(request: pytest.FixtureRequest) -> Iterator[None]:
    session.begin(request.param)
    signal.signal(signal.SIGALRM, _give_up)
    signal.setitimer(signal.ITIMER_REAL, TEST_S)
    yield
    signal.setitimer(signal.ITIMER_REAL, 0)
    session.end()


def _give_up(*_: object) -> None:
    session.told.append(f"keeps a test from ending within {TEST_S:g} s")
    raise TimeoutError(f"did not end within {TEST_S:g} s")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Generator[None, Any, Any]:
    report: Any = yield
    if call.when == "call" and session.case is not None:
        line = Line(session.case, item.nodeid, bool(report.passed), session.calls, session.told)
        with Path(_plan[-1].report).open("ab") as file:
            file.write(msgspec.json.encode(line) + b"\n")
    return report


def read_report(file: Path) -> list[Line]:
    return [msgspec.json.decode(line, type=Line) for line in file.read_bytes().splitlines()] if file.exists() else []


def write_plan(plan: Plan) -> str:
    """What `JACKFIELD_CHAOS` is set to."""
    return json.dumps(msgspec.to_builtins(plan))
