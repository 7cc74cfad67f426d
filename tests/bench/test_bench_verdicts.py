"""From rounds to rows: which ratio is taken, and what a row says."""

from __future__ import annotations

from pathlib import Path

import pytest
from bench.cores import CoreTimes, shares_between, times_of
from bench.facts import Facts
from bench.meter import LoadResult
from bench.rounds import Round, ratio
from bench.scenarios import hook_cost_us, lost_events
from bench.verdicts import at_least, at_most, missing, ratio_row, ratio_told, told

from bench import report, wrk

STAT = """\
cpu  10 0 10 100 0 0 0 0 0 0
cpu0 4 0 4 40 2 0 0 10 0 0
cpu1 6 0 6 60 0 0 0 0 0 0
"""


def measured(target: str, index: int, rate: float, *, cpu: float = 1.0, errors: int = 0, events: int = 0) -> Round:
    load = LoadResult(
        requests=int(rate),
        errors=errors,
        seconds=1.0,
        rate=rate,
        cpu_share=None,
        latency=None,
        events=events,
        fault="status 500" if errors else None,
    )
    return Round(
        scenario="x",
        target=target,
        index=index,
        load=load,
        target_cpu=cpu,
        upstream_cpu=0.1,
        per_cpu_s=rate / cpu,
        load_core_busy=0.5,
        other=0.0,
        stolen=(0.0, 0.0),
        rss_mb=50.0,
    )


def test_a_ratio_is_the_median_of_the_ratios_of_the_rounds() -> None:
    rates = [(800, 1000), (100, 1000), (900, 1000)]
    rounds = [measured(name, i, pair[n]) for i, pair in enumerate(rates) for n, name in enumerate("ab")]
    assert ratio(rounds, "a", "b") == (0.8, "requests/s")


def test_a_target_that_did_not_fill_its_core_is_judged_by_its_processor_time() -> None:
    rounds = [measured("a", 0, 800), measured("b", 0, 1000, cpu=0.5)]
    assert ratio(rounds, "a", "b") == (0.4, "requests per CPU second")


def test_wrong_answers_fail_a_row_however_fast_they_came() -> None:
    rounds = [measured("a", 0, 5000, errors=3), measured("b", 0, 1000)]
    row = ratio_row("x", "chat", 0.8, rounds, "a", "b")
    assert (row.verdict, row.value) == ("FAIL", None)
    assert "status 500" in row.note


def test_a_ratio_without_a_bar_is_no_verdict() -> None:
    rounds = [measured("a", 0, 500), measured("b", 0, 1000)]
    row = ratio_told("x", "chat", rounds, "a", "b")
    assert (row.verdict, row.bar, row.shown) == ("-", "", "0.50")
    assert ratio_told("x", "chat", [measured("a", 0, 5, errors=1), rounds[1]], "a", "b").shown == "wrong answers"


def test_a_lost_event_is_noticed() -> None:
    assert lost_events([measured("a", 0, 10, events=2010)]) is None
    assert lost_events([measured("a", 0, 10, events=2009)]) == "a: 2009 events in 10 streams"


def test_the_cost_of_a_hook_is_the_difference_over_its_calls() -> None:
    rounds = [measured("none", 0, 10_000), measured("twenty", 0, 2_000)]
    assert hook_cost_us(rounds, "none", "twenty", 40) == pytest.approx(10.0)


def test_bars_hold_in_their_direction() -> None:
    assert at_least("x", "what", 0.8, 0.8).verdict == "pass"
    assert at_least("x", "what", 0.8, 0.79).verdict == "FAIL"
    assert at_most("x", "what", 150, "MB", 151).verdict == "FAIL"
    assert missing("x", "what", "<= 1", "not there").verdict == told("x", "y", "z").verdict == "-"


def test_core_times_are_read_by_core() -> None:
    assert times_of(0, STAT) == CoreTimes(total=60, idle=42, stolen=10)
    shares = shares_between(CoreTimes(0, 0, 0), CoreTimes(100, 30, 10))
    assert (round(shares.busy, 2), shares.stolen) == (0.6, 0.1)


def test_what_wrk_printed_is_read() -> None:
    times = '"p50":500,"p90":1,"p99":1,"p999":1,"mean":1,"most":1'
    line = '@{"requests":100,"us":2000000,"bad":10,"lost":1,' + times + "}"
    result = wrk.read_result(f"Running 2s test\n{line}\n")
    assert (result.requests, result.errors, result.rate) == (90, 11, 45.0)
    assert result.latency is not None
    assert result.latency.p50 == 0.5
    with pytest.raises(ValueError, match="unable to connect"):
        wrk.read_result("unable to connect to 127.0.0.1:1 Connection refused")


def test_the_page_has_a_line_for_every_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report, "PAGE", tmp_path / "benchmarks.md")
    monkeypatch.setattr(report, "RESULTS", tmp_path)
    found = report.Report(
        facts=Facts(
            at="2026-01-02T03:04:05+00:00",
            commit="abc",
            cpu="one",
            cores=2,
            one_core=False,
            memory_gb=8,
            kernel="Linux",
            python="3.11",
            compiled=True,
            versions={"uvloop": "1"},
            load_average=(0, 0, 0),
        ),
        rounds_each=1,
        seconds_each=1,
        rows=(at_least("plain", "to relay", 0.8, 0.9, "why"), told("plain", "relay", "9 requests/s")),
        rounds=(measured("a", 0, 1),),
        disturbed="nothing",
    )
    page = report.write_page(found).read_text()
    assert "| to relay | >= 0.8 | 0.90 | pass | why |" in page
    assert "| plain | relay | 9 requests/s |" in page
    assert "at commit `abc`, compiled, on one" in page
    assert report.write_json(found).read_bytes().startswith(b"{")
