"""A hundred operations in any minute."""

from __future__ import annotations

import pytest

from jackfield.errors import RateLimited
from jackfield.services.limits import OPERATIONS, WINDOW_S, OperationLimit

from .conftest import HandClock


def take_all(limit: OperationLimit) -> None:
    for _ in range(OPERATIONS):
        limit.take()


def test_the_hundred_and_first_is_refused_with_the_time_to_wait(clock: HandClock) -> None:
    limit = OperationLimit("notes", clock)
    take_all(limit)
    clock.now += 20
    with pytest.raises(
        RateLimited, match=r"plugin notes has done 100 operations within 60 seconds; .* in 40\.0 s"
    ) as it:
        limit.take()
    assert (it.value.plugin, it.value.retry_after_s, it.value.status) == ("notes", 40.0, 429)


def test_the_window_slides(clock: HandClock) -> None:
    limit = OperationLimit("notes", clock)
    for _ in range(OPERATIONS // 2):
        limit.take()
    clock.now += WINDOW_S / 2
    for _ in range(OPERATIONS // 2):
        limit.take()
    clock.now += WINDOW_S / 2
    for _ in range(OPERATIONS // 2):
        limit.take()
    with pytest.raises(RateLimited) as refused:
        limit.take()
    assert refused.value.retry_after_s == WINDOW_S / 2


def test_no_minute_holds_more_however_they_are_spread(clock: HandClock) -> None:
    limit, taken = OperationLimit("notes", clock), []
    for _ in range(1000):
        clock.now += 0.25
        try:
            limit.take()
        except RateLimited as refused:
            clock.now += refused.retry_after_s or 0
            limit.take()
        taken.append(clock.now)
    assert max(sum(start <= at < start + WINDOW_S for at in taken) for start in taken) == OPERATIONS


def test_what_is_refused_does_not_count(clock: HandClock) -> None:
    limit = OperationLimit("notes", clock)
    take_all(limit)
    for _ in range(1000):
        with pytest.raises(RateLimited):
            limit.take()
    clock.now += WINDOW_S
    take_all(limit)


def test_workers_share_the_limit(clock: HandClock) -> None:
    shares = [OperationLimit("notes", clock, workers=3) for _ in range(3)]
    for share in shares:
        for _ in range(33):
            share.take()
        with pytest.raises(RateLimited, match="has done 33 operations"):
            share.take()
