"""A plugin's own tests, run under every fault."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from jackfield.testing.chaos import Chaos
from jackfield.testing.chaos_session import VARIABLE, Case, Line, Plan, read_report, write_plan
from jackfield.testing.faults import FAULTS
from jackfield.testing.own_tests import OwnTests

SESSION = "jackfield.testing.chaos_session"


def break_tests(chaos: Chaos, tests: OwnTests, arguments: Sequence[str], environ: Mapping[str, str]) -> list[Line]:
    """A line for each test and fault. What a test prints is of no interest: it is meant to fail."""
    cases = [
        Case(chaos.plugin, hook.point.name, hook.name, hook.closed, fault.name)
        for hook in chaos.hooks
        for fault in FAULTS
    ]
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.jsonl"
        plan = write_plan(Plan(cases, str(report)))
        tests.run(*arguments, "-p", SESSION, "-q", "--tb=no", environ={**environ, VARIABLE: plan}, quiet=True)
        return read_report(report)
