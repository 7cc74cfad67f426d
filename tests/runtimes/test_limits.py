"""When a process is to be killed, by what it uses."""

from __future__ import annotations

import os

from jackfield.runtimes.limits import MB, Limits, Usage, Watch, read_usage

LIMITS = Limits(memory_mb=100, cpu_s=20, cpu_window_s=30)


def test_memory_beyond_the_limit_is_named() -> None:
    watch = Watch(LIMITS)
    assert watch.judge(0, Usage(100 * MB, 0)) is None
    assert watch.judge(1, Usage(100 * MB + 1, 0)) == "more than 100 MB of memory"


def test_the_processor_may_be_used_for_a_while() -> None:
    watch = Watch(LIMITS)
    for second in range(21):
        assert watch.judge(second, Usage(0, second)) is None
    assert watch.judge(21, Usage(0, 21)) == "more than 20 s of processor time within 30 s"


def test_what_was_used_long_ago_does_not_count() -> None:
    watch = Watch(LIMITS)
    for second in range(0, 3600, 2):
        assert watch.judge(second, Usage(0, second * 0.6)) is None


def test_looks_in_quick_succession_are_not_all_kept() -> None:
    watch = Watch(LIMITS)
    for tick in range(10_000):
        watch.judge(tick / 100, Usage(0, 0))
    assert len(watch._samples) <= 32


def test_a_process_is_read_from_the_kernel() -> None:
    usage = read_usage(os.getpid())
    assert usage is not None
    assert usage.memory > 5 * MB
    assert usage.cpu_s > 0


def test_a_process_that_is_gone_uses_nothing() -> None:
    assert read_usage(2**22 + 1) is None
