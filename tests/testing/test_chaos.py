"""Chaos tells a plugin that keeps its promises from one that does not, and shows the fault that tells."""

from __future__ import annotations

import time
from functools import cache
from typing import Any

import pytest

from jackfield.sdk import Plugin
from jackfield.testing.chaos import Chaos, run_chaos
from jackfield.testing.target import Target

from .trial_plugins import (
    Blocker,
    Careful,
    Counter,
    Everywhere,
    Failing,
    HouseRules,
    Littering,
    Locker,
    Stamping,
    Storing,
    Swallower,
    Unstopped,
    Unwell,
)

EVERY_POINT = {
    "ingress",
    "auth",
    "pre_flight",
    "routing",
    "attempt",
    "response_head",
    "response_chunk",
    "response_body",
    "background",
}
ALWAYS = 22


@cache
def break_plugin(kind: type[Plugin[Any]]) -> Chaos:
    return run_chaos(Target(kind))


def broken(chaos: Chaos) -> dict[tuple[str, str], str]:
    """What does not hold, by hook and fault."""
    return {(one.hook, one.fault): "; ".join(one.told) for one in chaos.verdicts if one.applies and not one.holds}


@pytest.mark.parametrize("kind", [HouseRules, Everywhere, Careful, Stamping, Unwell])
def test_a_good_plugin_holds(kind: Any) -> None:
    chaos = break_plugin(kind)
    assert broken(chaos) == {}
    assert chaos.holds


def test_every_point_is_tried_with_every_fault() -> None:
    chaos = break_plugin(Everywhere)
    tried = {point: [one for one in chaos.verdicts if one.point == point] for point in EVERY_POINT}
    assert {point for point, verdicts in tried.items() if len(verdicts) >= ALWAYS - 1} == EVERY_POINT
    assert all(one.applies for one in chaos.verdicts)
    waiting = {one.hook for one in chaos.verdicts if one.fault == "hangs where it waits" and one.point != "life"}
    assert waiting == {"at_ingress", "at_chunk"}


def test_deadlines_and_cool_downs_take_no_time() -> None:
    began = time.perf_counter()
    run_chaos(Target(HouseRules))
    assert time.perf_counter() - began < 20


def test_the_same_seed_shows_the_same() -> None:
    assert run_chaos(Target(Counter, seed=3)).verdicts == run_chaos(Target(Counter, seed=3)).verdicts


class Standstill:
    """A clock by which the machine stands still for a while, once, when the clock is read for the `at`th time."""

    def __init__(self, at: int | None = None) -> None:
        self.at, self.reads = at, 0

    def __call__(self) -> int:
        self.reads += 1
        late = self.at is not None and self.reads >= self.at
        return time.perf_counter_ns() + late * 20_000_000_000


def test_a_machine_that_stands_still_for_a_moment_is_no_fault_of_the_plugin(monkeypatch: pytest.MonkeyPatch) -> None:
    def hold(clock: Standstill) -> Chaos:
        monkeypatch.setattr("jackfield.hooks.dispatch.perf_counter_ns", clock)
        monkeypatch.setattr("jackfield.hooks.deadline.perf_counter_ns", clock)
        return run_chaos(Target(Careful))

    clock = Standstill()
    hold(clock)
    for at in range(1, clock.reads, clock.reads // 12):
        assert broken(hold(Standstill(at))) == {}


def test_a_plugin_that_swallows_its_cancellation() -> None:
    found = broken(break_plugin(Swallower))
    assert "swallows its cancellation" in found["check", "hangs where it waits"]
    assert "swallows its cancellation" in found["check", "its client leaves at its wait 1"]
    assert len(found) == 2


def test_a_time_out_of_its_own_is_no_swallowing() -> None:
    names = {one.fault for one in break_plugin(Careful).verdicts}
    assert "hangs where it waits" in names


def test_a_plugin_that_keeps_its_lock() -> None:
    found = broken(break_plugin(Locker))
    assert set(found) == {
        ("check", "hangs where it waits"),
        ("check", "fails where it waits"),
        ("check", "its client leaves at its wait 1"),
    }
    assert set(found.values()) == {"does not recover: check is timeout when the fault is over"}


def test_a_plugin_that_changes_what_all_share_and_then_fails() -> None:
    found = broken(break_plugin(Counter))
    assert "does not recover" in found["check", "fails where it waits"]
    assert "429 busy" in found["check", "hangs where it waits"]


def test_a_plugin_that_keeps_the_loop() -> None:
    assert "keeps the event loop to itself" in broken(break_plugin(Blocker))["check", "none"]


def test_a_plugin_that_fails_by_itself() -> None:
    found = broken(break_plugin(Failing))
    assert found == {("check", "none"): "is failed without any fault: LookupError('always')"}


def test_a_plugin_that_leaves_tasks_behind() -> None:
    found = broken(break_plugin(Littering))
    assert "leaves a task running: Littering.work" in found["check", "hangs where it waits"]


def test_a_plugin_whose_tasks_outlive_it() -> None:
    found = broken(break_plugin(Unstopped))
    assert found == {("on_unload", "none"): "leaves a task running: Unstopped.for_ever"}


def test_a_plugin_whose_storage_fails(tmp_path: Any) -> None:
    folder = tmp_path / "plugins" / "storing"
    folder.mkdir(parents=True)
    (folder / "jackfield.toml").write_text('id = "storing"\npermissions = ["storage:read", "storage:write"]\n')
    (folder / "plugin.py").write_text(f"from {Storing.__module__} import Storing as Kind\nclass Storing(Kind): pass\n")
    chaos = break_plugin(folder)
    assert broken(chaos) == {}
    assert {"its storage fails", "its storage is slow"} <= {one.fault for one in chaos.verdicts}


def test_a_hook_that_no_request_reaches_is_told_and_not_judged() -> None:
    chaos = run_chaos(Target(HouseRules, given="HELLO"))
    unreached = {one.hook: one.told for one in chaos.verdicts if not one.applies}
    assert "no request reaches it" not in unreached.get("refuse", ("",))[0]
    assert chaos.holds


def test_what_the_plugin_is_broken_with_can_be_chosen() -> None:
    chaos = run_chaos(Target(HouseRules, config={"on_failure": "open"}, given="hi", how={"path": "/v1/messages"}))
    assert {one.policy for one in chaos.verdicts if one.hook == "refuse"} == {"open"}
    assert chaos.holds
