"""`python -m bench`: measures the budgets, prints them, and keeps what it found."""

from __future__ import annotations

import argparse
import functools
import sys
import traceback
from collections.abc import Mapping, Sequence

from rich.console import Console

from bench import facts, lifetimes, report, scenarios, swaps
from bench.cores import choose_cores
from bench.dispatch import dispatch
from bench.grpc_calls import grpc_calls
from bench.isolated import isolated
from bench.rounds import Recorder, disturbed
from bench.scenarios import Scenario
from bench.stage import open_stage
from bench.verdicts import Row, broken

SCENARIOS: dict[str, Scenario] = {
    "plain": scenarios.plain,
    "hooks": scenarios.hooks,
    "dispatch": dispatch,
    "latency": scenarios.latency,
    "stream": scenarios.stream,
    "medium": scenarios.medium,
    "large": scenarios.large,
    "steady": scenarios.steady,
    "memory": lifetimes.memory,
    "growth": lifetimes.growth,
    "start": lifetimes.start,
    "swap": swaps.swap,
    "isolated": isolated,
    "grpc": grpc_calls,
}
QUICK: dict[str, Scenario] = {"growth": functools.partial(lifetimes.growth, first=2_000, last=20_000)}


def read_arguments(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="two rounds of one second; for trying things out")
    parser.add_argument("--only", metavar="NAME[,NAME]", help=f"of {', '.join(SCENARIOS)}")
    parser.add_argument("--seconds", type=float, help="length of one round (default 3, with --quick 1)")
    parser.add_argument("--rounds", type=int, help="rounds of each comparison (default 5, with --quick 2)")
    parser.add_argument("--page", action="store_true", help="rewrite docs/benchmarks.md whatever the run was like")
    chosen = parser.parse_args(arguments)
    chosen.names = chosen.only.split(",") if chosen.only else list(SCENARIOS)
    if unknown := [name for name in chosen.names if name not in SCENARIOS]:
        parser.error(f"no scenario {', '.join(unknown)}; there are {', '.join(SCENARIOS)}")
    chosen.seconds = chosen.seconds or (1.0 if chosen.quick else 3.0)
    chosen.rounds = chosen.rounds or (2 if chosen.quick else 5)
    return chosen


def measure(recorder: Recorder, chosen: Mapping[str, Scenario], console: Console) -> list[Row]:
    """A scenario that breaks is a row that failed; the others are measured all the same."""
    rows: list[Row] = []
    for name, scenario in chosen.items():
        console.print(f"[dim]{name} ...[/]")
        try:
            rows += scenario(recorder)
        except Exception as problem:  # noqa: BLE001 - whatever broke one scenario must not cost the figures of the rest
            console.print("".join(traceback.format_exception(problem)), markup=False)
            told = " ".join(str(problem).splitlines()[:2])
            rows.append(broken(name, name, "", f"{type(problem).__name__}: {told}", "broke"))
    return rows


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit code 1 where a budget is not kept."""
    chosen = read_arguments(arguments)
    console = Console(width=None if sys.stdout.isatty() else 160)
    cores = choose_cores()
    known = facts.gather(cores)
    wanted = {name: (QUICK if chosen.quick else {}).get(name, SCENARIOS[name]) for name in chosen.names}
    with open_stage(cores) as stage:
        recorder = Recorder(stage, rounds=chosen.rounds, seconds=chosen.seconds)
        rows = measure(recorder, wanted, console)
    whole = not chosen.only and not chosen.quick
    found = report.Report(
        facts=known,
        rounds_each=chosen.rounds,
        seconds_each=chosen.seconds,
        rows=tuple(rows),
        rounds=tuple(recorder.rounds),
        disturbed=report.disturbance(recorder.rounds),
    )
    report.print_table(console, found)
    console.print(f"Every round: {report.write_json(found)}")
    if chosen.page or (whole and not disturbed(recorder.rounds)):
        console.print(f"Page: {report.write_page(found)}")
    elif whole:
        console.print(f"The page stays as it was; --page writes it all the same{disturbed(recorder.rounds)}.")
    return 1 if any(row.verdict == "FAIL" for row in rows) else 0


if __name__ == "__main__":
    sys.exit(main())
