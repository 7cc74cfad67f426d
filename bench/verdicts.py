"""The budgets, and how what was measured stands to them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import msgspec

from bench.rounds import Round, disturbed, faults, of, ratio

Verdict = Literal["pass", "FAIL", "-"]


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the table. `verdict` is `-` where there is no bar or nothing was measured."""

    scenario: str
    what: str
    bar: str
    shown: str
    verdict: Verdict
    value: float | None = None
    note: str = ""


def at_least(scenario: str, what: str, bar: float, value: float, note: str = "") -> Row:
    verdict: Verdict = "pass" if value >= bar else "FAIL"
    return Row(
        scenario=scenario,
        what=what,
        bar=f">= {bar:g}",
        shown=f"{value:.2f}",
        verdict=verdict,
        value=value,
        note=note,
    )


def at_most(scenario: str, what: str, bar: float, unit: str, value: float, note: str = "") -> Row:
    verdict: Verdict = "pass" if value <= bar else "FAIL"
    return Row(
        scenario=scenario,
        what=what,
        bar=f"<= {bar:g} {unit}",
        shown=f"{value:.3g} {unit}",
        verdict=verdict,
        value=value,
        note=note,
    )


def told(scenario: str, what: str, shown: str, note: str = "") -> Row:
    """A figure without a bar."""
    return Row(scenario=scenario, what=what, bar="", shown=shown, verdict="-", note=note)


def missing(scenario: str, what: str, bar: str, why: str) -> Row:
    return Row(scenario=scenario, what=what, bar=bar, shown="not measured", verdict="-", note=why)


def broken(scenario: str, what: str, bar: str, fault: str, shown: str = "wrong answers") -> Row:
    """Wrong answers make a figure worthless, however fast they came."""
    return Row(scenario=scenario, what=what, bar=bar, shown=shown, verdict="FAIL", note=fault)


def ratio_row(
    scenario: str,
    what: str,
    bar: float,
    rounds: Sequence[Round],
    target: str,
    other: str,
    fault: str | None = None,
) -> Row:
    fault = fault or faults([each for each in rounds if each.target in (target, other)])
    if fault:
        return broken(scenario, what, f">= {bar:g}", fault)
    value, basis = ratio(rounds, target, other)
    return at_least(scenario, what, bar, value, f"{target} to {other}, {basis}{disturbed(of(rounds, target))}")


def ratio_told(scenario: str, what: str, rounds: Sequence[Round], target: str, other: str) -> Row:
    """A ratio without a bar."""
    fault = faults([each for each in rounds if each.target in (target, other)])
    if fault:
        return told(scenario, what, "wrong answers", fault)
    value, basis = ratio(rounds, target, other)
    return told(scenario, what, f"{value:.2f}", f"{target} to {other}, {basis}{disturbed(of(rounds, target))}")
