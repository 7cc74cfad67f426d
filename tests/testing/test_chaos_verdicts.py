"""What is no longer as the policy promises is seen, whoever is to blame for it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from jackfield.hooks.table import BoundHook
from jackfield.sdk import Plugin, hook
from jackfield.testing import FakeHost, Trial
from jackfield.testing.faults import fault_named
from jackfield.testing.trial import HookCall, Told
from jackfield.testing.verdicts import Face, Judge, judge_quarantine

RAISES, IN_TIME = fault_named("raises ValueError"), fault_named("answers just in time")


class Both(Plugin):
    @hook("pre_flight", on_failure="closed")
    async def strict(self, exchange: Any) -> None: ...

    @hook("response_body", on_failure="open")
    async def lenient(self, exchange: Any) -> None: ...


@pytest.fixture
async def good() -> tuple[Trial, dict[str, BoundHook]]:
    """A good exchange, and the hooks that it went past."""
    async with FakeHost(Both) as host:
        return await host.request("hello"), {bound.name: bound for bound in host.hooks}


def called(point: str, name: str, outcome: str) -> HookCall:
    return HookCall(point=point, plugin="both", hook=name, outcome=outcome, ms=1.0)


def judged(trial: Trial, bound: BoundHook, outcome: str, usual: Trial, **changes: Any) -> list[str]:
    """What is told of an exchange in which the hook ended like this."""
    changed = replace(trial, hooks=(called(bound.point.name, bound.name, outcome),), **changes)
    return list(Judge(bound, {Face.of(usual)}).judge(changed, RAISES))


def refused(status: int, code: str, plugin: str | None) -> dict[str, Any]:
    return {"status": status, "error": Told(status=status, code=code, message="", plugin=plugin)}


Good = tuple[Trial, dict[str, BoundHook]]


def test_a_closed_hook_must_refuse_by_its_name_before_an_upstream_is_asked(good: Good) -> None:
    trial, hooks = good
    strict = hooks["strict"]
    assert judged(trial, strict, "failed", trial) == ["is closed, and yet the exchange ended in 200"]
    rightly = refused(502, "plugin_failed", "both")
    assert judged(trial, strict, "failed", trial, **rightly) == ["refuses only after an upstream was asked"]
    assert judged(trial, strict, "failed", trial, sent=(), **rightly) == []
    nameless = refused(502, "plugin_failed", None)
    assert judged(trial, strict, "failed", trial, sent=(), **nameless) == ["refuses in the name of nobody"]
    wrong = refused(500, "internal_error", "both")
    assert judged(trial, strict, "failed", trial, sent=(), **wrong) == [
        "refuses with 500 internal_error, not 502 plugin_failed"
    ]


def test_an_open_hook_must_let_the_exchange_go_on_unharmed(good: Good) -> None:
    trial, hooks = good
    lenient = hooks["lenient"]
    assert judged(trial, lenient, "failed", trial) == []
    ended = judged(trial, lenient, "failed", trial, **refused(502, "plugin_failed", "both"))
    assert ended == ["does not let the exchange go on: it ended in 502 plugin_failed"]
    assert judged(trial, lenient, "failed", trial, sent=()) == ["leaves half-made changes in the request"]
    shouted = replace(trial, answer=trial.answer.with_text("HELLO"))  # type: ignore[union-attr]
    assert judged(trial, lenient, "failed", shouted) == ["leaves half-made changes in the answer: 'hello'"]


def test_a_failure_must_be_recorded_as_what_it_is(good: Good) -> None:
    trial, hooks = good
    told = judged(trial, hooks["lenient"], "passed", trial)
    assert told == ["is recorded as passed, not as failed"]
    late = replace(trial, hooks=(called("response_body", "lenient", "timeout"),))
    judge = Judge(hooks["lenient"], {Face.of(trial)})
    assert list(judge.judge(late, IN_TIME)) == ["is recorded as timeout, not as passed"]


def test_a_failed_exchange_must_leave_a_record(good: Good) -> None:
    trial, hooks = good
    assert judged(trial, hooks["lenient"], "failed", trial, record=None) == ["leaves the exchange without a record"]
    judge = Judge(hooks["lenient"], {Face.of(trial)}, keeps_record=False)
    broken = replace(trial, record=None, hooks=(called("response_body", "lenient", "failed"),))
    assert list(judge.judge(broken, RAISES)) == []


def test_quarantine_must_be_whole(good: Good) -> None:
    trial, hooks = good
    passed_over = called("pre_flight", "strict", "quarantined")
    told = judge_quarantine(replace(trial, hooks=(passed_over,)), "both", hooks.values(), {Face.of(trial)}, ())
    assert list(told) == ["is closed, and yet the exchange ended in 200"]
    ran = replace(trial, hooks=(called("response_body", "lenient", "passed"),), status=201)
    assert list(judge_quarantine(ran, "both", hooks.values(), {Face.of(trial)}, ())) == [
        "is quarantined, and yet lenient ran",
        "is quarantined and open, and yet the exchange ended in 201",
    ]


def test_what_is_never_twice_the_same_is_not_compared(good: Good) -> None:
    trial, hooks = good
    broken = replace(trial, sent=(), hooks=(called("response_body", "lenient", "failed"),))
    assert list(Judge(hooks["lenient"], {Face.of(trial)}, {"sent"}).judge(broken, RAISES)) == []
