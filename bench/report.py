"""What a run found: on the terminal, as JSON with every round, and as the benchmarks page."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec
from rich.console import Console
from rich.table import Table

from bench.facts import Facts
from bench.rounds import Round
from bench.stage import ROOT
from bench.verdicts import Row

PAGE = ROOT / "docs" / "benchmarks.md"
RESULTS = ROOT / "bench" / "results"

_INTRO = """\
# Benchmarks

Written by `make bench`; do not edit. What is measured is the real `jackfield serve`, with its key check and
its usage ledger on, in front of a mock upstream on loopback that answers at once. It is compiled as in a wheel
([decision 23](decisions/0023-compiled-wheels.md)); `make bench COMPILED=` measures the sources.

The gateway, or what it is compared with, has one core to itself. The upstream and the load generator share
another. Rounds alternate between the two sides, of which only one runs while the other is held, and a ratio
is the median of the ratios of the rounds: of requests a second where both filled their core, else of
requests for each second of processor time. A figure with wrong answers in it is no figure.

The bare relay does nothing but decode `model` and `stream` and pass bytes on: uvicorn with uvloop and
httptools, msgspec, and pyreqwest, or aiohttp for streams.

Five hooks are five calls for a request, in five plugins: every other one reads the prompt before the upstream is
asked and the rest read the answer, so that both bodies are decoded. Five plugins of two hooks are ten calls; what is
said of them, and of plugins in other rows, has no bar.
"""
_COLOURS = {"pass": "green", "FAIL": "bold red", "-": "dim"}


class Report(msgspec.Struct, frozen=True, kw_only=True):
    facts: Facts
    rounds_each: int
    seconds_each: float
    rows: tuple[Row, ...]
    rounds: tuple[Round, ...]
    disturbed: str


def disturbance(rounds: Sequence[Round]) -> str:
    """How much of the cores went to others while measuring: what makes figures of two runs differ."""
    if not rounds:
        return "no rounds"
    stolen = max(max(each.stolen) for each in rounds)
    other = max(each.other for each in rounds)
    return f"at most {other:.0%} of the target's core went to other processes, {stolen:.0%} to other machines"


def print_table(console: Console, report: Report) -> None:
    table = Table(title=f"Jackfield {report.facts.commit}, {_made(report.facts)}, on {report.facts.cpu}")
    for name in ("", "what", "measured", "bar", "note"):
        table.add_column(name, overflow="fold")
    for row in report.rows:
        verdict = f"[{_COLOURS[row.verdict]}]{row.verdict}[/]"
        table.add_row(verdict, f"{row.scenario}: {row.what}", row.shown, row.bar, row.note)
    console.print(table)
    console.print(f"Disturbance: {report.disturbed}.")
    if report.facts.one_core:
        console.print("There is one core only: load, upstream and target shared it, and rates are too low.")


def write_json(report: Report) -> Path:
    RESULTS.mkdir(parents=True, exist_ok=True)
    file = RESULTS / (report.facts.at.replace(":", "").replace("+0000", "Z") + ".json")
    file.write_bytes(msgspec.json.format(msgspec.json.encode(report), indent=1))
    return file


def write_page(report: Report) -> Path:
    judged = [row for row in report.rows if row.bar]
    figures = [row for row in report.rows if not row.bar]
    parts = [_INTRO, _ran_on(report), "## Budgets\n", _budgets(judged), "## Figures\n", _figures(figures)]
    PAGE.write_text("\n".join(parts), encoding="utf-8")
    return PAGE


def _made(facts: Facts) -> str:
    return "compiled" if facts.compiled else "from source"


def _ran_on(report: Report) -> str:
    facts = report.facts
    used = ", ".join(f"{name} {number}" for name, number in facts.versions.items())
    return (
        f"Measured {facts.at} at commit `{facts.commit}`, {_made(facts)}, on {facts.cpu}, {facts.cores} cores, "
        f"{facts.memory_gb:g} GB, {facts.kernel}, Python {facts.python}, {used}; "
        f"{report.rounds_each} rounds of {report.seconds_each:g} s each. Disturbance: {report.disturbed}.\n"
    )


def _budgets(rows: Sequence[Row]) -> str:
    lines = ["| what | bar | measured | verdict | note |", "|---|---|---|---|---|"]
    lines += [
        f"| {row.what} | {row.bar} | {row.shown} | {row.verdict if row.verdict != '-' else ''} | {row.note} |"
        for row in rows
    ]
    return "\n".join([*lines, ""])


def _figures(rows: Sequence[Row]) -> str:
    lines = ["| scenario | what | measured | note |", "|---|---|---|---|"]
    lines += [f"| {row.scenario} | {row.what} | {row.shown} | {row.note} |" for row in rows]
    return "\n".join([*lines, ""])
