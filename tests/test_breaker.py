"""The circuit breaker, as a table of examples and as a state machine."""

from __future__ import annotations

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from jackfield.breaker import Breaker


class ManualTime:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def time() -> ManualTime:
    return ManualTime()


@pytest.fixture
def breaker(time: ManualTime) -> Breaker:
    return Breaker(time, failures=3, cool_down_s=10, longest_cool_down_s=35, probe_s=60)


def fail(breaker: Breaker, times: int = 3) -> None:
    for _ in range(times):
        assert breaker.allow()
        breaker.failure()


def test_failures_in_a_row_open_it(breaker: Breaker) -> None:
    fail(breaker, 2)
    assert breaker.state == "closed"
    fail(breaker, 1)
    assert breaker.state == "open"
    assert not breaker.allow()


def test_who_knows_better_closes_it_at_once(breaker: Breaker) -> None:
    fail(breaker, 3)
    breaker.reset()
    assert breaker.state == "closed"
    fail(breaker, 2)
    assert breaker.state == "closed"


def test_a_success_between_failures_starts_the_count_anew(breaker: Breaker) -> None:
    fail(breaker, 2)
    breaker.success()
    fail(breaker, 2)
    assert breaker.state == "closed"


def test_after_the_cool_down_exactly_one_probe_passes(breaker: Breaker, time: ManualTime) -> None:
    fail(breaker)
    time.now += 9.9
    assert not breaker.allow()
    time.now += 0.1
    assert breaker.state == "half_open"
    assert [breaker.allow() for _ in range(5)] == [True, False, False, False, False]


def test_a_probe_that_succeeds_closes_it(breaker: Breaker, time: ManualTime) -> None:
    fail(breaker)
    time.now += 10
    breaker.allow()
    breaker.success()
    assert breaker.state == "closed"
    fail(breaker, 2)
    assert breaker.allow()


def test_each_probe_that_fails_doubles_the_cool_down_up_to_the_longest(breaker: Breaker, time: ManualTime) -> None:
    fail(breaker)
    waits = []
    for _ in range(4):
        waits.append(breaker.retry_after_s)
        time.now += breaker.retry_after_s
        fail(breaker, 1)
    assert waits == [10, 20, 35, 35]


def test_a_success_resets_the_cool_down(breaker: Breaker, time: ManualTime) -> None:
    fail(breaker)
    time.now += 10
    fail(breaker, 1)
    time.now += 20
    breaker.allow()
    breaker.success()
    fail(breaker)
    assert breaker.retry_after_s == 10


def test_an_abandoned_probe_frees_its_place_without_a_verdict(breaker: Breaker, time: ManualTime) -> None:
    fail(breaker)
    time.now += 10
    assert breaker.allow()
    breaker.abandon()
    assert breaker.state == "half_open"
    assert breaker.allow()


def test_a_probe_that_never_reports_loses_its_place(breaker: Breaker, time: ManualTime) -> None:
    fail(breaker)
    time.now += 10
    assert breaker.allow()
    assert breaker.retry_after_s == 60
    time.now += 60
    assert breaker.retry_after_s == 0
    assert breaker.allow()


def test_reports_from_calls_made_before_it_opened_change_nothing(breaker: Breaker) -> None:
    fail(breaker)
    breaker.failure()
    breaker.success()
    assert breaker.state == "open"
    assert breaker.retry_after_s == 10


@pytest.mark.parametrize("wrong", [{"failures": 0}, {"cool_down_s": 0}, {"longest_cool_down_s": 1}, {"probe_s": -1}])
def test_nonsense_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="a breaker needs"):
        Breaker(ManualTime(), **wrong)  # type: ignore[arg-type]


class BreakerMachine(RuleBasedStateMachine):
    """Many callers, of which each reports at most once, against a plain model of what the breaker promises."""

    def __init__(self) -> None:
        super().__init__()
        self.time = ManualTime()
        self.breaker = Breaker(self.time, failures=3, cool_down_s=10, longest_cool_down_s=40, probe_s=60)
        self.calls = 0
        self.in_a_row = 0
        self.open_until: float | None = None
        self.cool_down = 10.0
        self.probe_until: float | None = None

    @rule()
    def ask(self) -> None:
        if self.open_until is None:
            expected = True
        else:
            probed = self.probe_until is not None and self.time.now < self.probe_until
            expected = self.time.now >= self.open_until and not probed
            if expected:
                self.probe_until = self.time.now + 60
        assert self.breaker.allow() is expected
        self.calls += expected

    @rule()
    def succeed(self) -> None:
        if not self.calls:
            return
        self.calls -= 1
        self.breaker.success()
        if self.open_until is None or self.probe_until is not None:
            self.in_a_row, self.open_until, self.probe_until, self.cool_down = 0, None, None, 10.0

    @rule()
    def fail(self) -> None:
        if not self.calls:
            return
        self.calls -= 1
        self.breaker.failure()
        if self.open_until is None:
            self.in_a_row += 1
            if self.in_a_row == 3:
                self.open_until = self.time.now + self.cool_down
        elif self.probe_until is not None:
            self.cool_down = min(self.cool_down * 2, 40)
            self.open_until, self.probe_until = self.time.now + self.cool_down, None

    @rule()
    def leave(self) -> None:
        if self.calls:
            self.calls -= 1
            self.breaker.abandon()
            self.probe_until = None

    @rule(seconds=st.sampled_from([0.5, 5.0, 10.0, 40.0, 61.0]))
    def wait(self, seconds: float) -> None:
        self.time.now += seconds

    @invariant()
    def tells_its_state(self) -> None:
        cooling = self.open_until is not None and self.time.now < self.open_until
        shut = "open" if cooling else "half_open"
        assert self.breaker.state == ("closed" if self.open_until is None else shut)

    @invariant()
    def is_never_shut_longer_than_it_says(self) -> None:
        wait = self.breaker.retry_after_s
        assert 0 <= wait <= 60
        assert (wait == 0) is (self.open_until is None or self._would_allow())

    def _would_allow(self) -> bool:
        assert self.open_until is not None
        probed = self.probe_until is not None and self.time.now < self.probe_until
        return self.time.now >= self.open_until and not probed


TestBreakerMachine = BreakerMachine.TestCase
TestBreakerMachine.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
