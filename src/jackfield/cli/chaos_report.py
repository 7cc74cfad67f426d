"""What chaos has shown, for people and for programs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import typer

from jackfield.cli.output import print_table

if TYPE_CHECKING:
    from jackfield.testing.chaos import Chaos
    from jackfield.testing.chaos_session import Line
    from jackfield.testing.verdicts import Verdict


HEADINGS = ("hook", "point", "policy", "faults", "verdict")


def print_chaos(chaos: Chaos, lines: Sequence[Line]) -> None:
    print_table(HEADINGS, describe_verdicts(chaos.plugin, chaos.verdicts))
    if lines:
        typer.echo("")
    told = [*describe_lines(lines)] if lines else []
    for line in told:
        typer.echo(line)
    if faults := [*describe_faults(chaos.plugin, chaos.verdicts)]:
        typer.echo("")
    for line in faults:
        typer.echo(line)


def as_json(chaos: Chaos, lines: Sequence[Line]) -> dict[str, Any]:
    return {
        "plugin": chaos.plugin,
        "holds": chaos.holds and not any(line.told for line in lines),
        "verdicts": [verdict.as_json() for verdict in chaos.verdicts],
        "tests": lines_as_json(lines),
    }


def describe_verdicts(plugin: str, verdicts: Sequence[Verdict]) -> Iterator[tuple[str, ...]]:
    """A row for each hook and step of life, then what does not hold, fault by fault."""
    for key, mine in _by_place(verdicts).items():
        applying = [verdict for verdict in mine if verdict.applies]
        broken = [verdict for verdict in applying if not verdict.holds]
        if not applying:
            state = f"not tried: {mine[0].told[0]}"
        else:
            state = "holds" if not broken else f"does not hold under {len(broken)}"
        yield (f"{plugin}.{key[1]}", key[0], key[2], str(len(applying)), state)


def describe_faults(plugin: str, verdicts: Iterable[Verdict]) -> Iterator[str]:
    for verdict in verdicts:
        if verdict.applies and not verdict.holds:
            fault = "without any fault" if verdict.fault == "none" else verdict.fault
            yield f"{plugin}.{verdict.hook} ({verdict.point}, {verdict.policy}), {fault}:"
            yield from (f"    {told}" for told in verdict.told)


def _by_place(verdicts: Iterable[Verdict]) -> dict[tuple[str, str, str], list[Verdict]]:
    places: dict[tuple[str, str, str], list[Verdict]] = {}
    for verdict in verdicts:
        places.setdefault((verdict.point, verdict.hook, verdict.policy), []).append(verdict)
    return places


def describe_lines(lines: Sequence[Line]) -> Iterator[str]:
    """What the plugin's own tests have shown."""
    struck = [line for line in lines if line.calls]
    faults = len({line.case for line in lines})
    tests, failed = len(lines) // faults, sum(not line.passed for line in struck)
    if not struck:
        yield f"its own tests: {tests}; none of them starts a host or a gateway, so that no fault reaches them"
        return
    yield (
        f"its own tests: {tests} under {faults} faults; a fault struck in {len(struck)} of {len(lines)} runs, "
        f"and the test noticed it in {failed}"
    )
    told = Counter((line.case, told) for line in lines for told in line.told)
    for (case, text), times in told.items():
        yield f"{case.plugin}.{case.hook} ({case.point}), {case.fault}: {text} ({times} x)"


def lines_as_json(lines: Iterable[Line]) -> list[dict[str, Any]]:
    return [
        {
            "test": line.test,
            "hook": line.case.hook,
            "fault": line.case.fault,
            "passed": line.passed,
            "calls": line.calls,
            "told": line.told,
        }
        for line in lines
    ]
