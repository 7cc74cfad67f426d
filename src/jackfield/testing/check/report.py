"""The checks of all the plugins of some places, together."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial

from jackfield.testing.check.checked import Checked, Stated
from jackfield.testing.check.factory import check_factory
from jackfield.testing.check.findings import Finding, finding, show_path
from jackfield.testing.check.native import check_native
from jackfield.testing.check.provider import check_provider
from jackfield.testing.check.rings import check_rings
from jackfield.testing.check.subjects import Subject
from jackfield.testing.check.toolbox import check_toolbox
from jackfield.testing.scaffolds.names import builtin_ids


@dataclass(kw_only=True)
class Report:
    """`ran` and `unread` are sentences: which modules were run and why, and what was not told since they were not."""

    plugins: list[str] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    ran: list[str] = field(default_factory=list)
    unread: list[str] = field(default_factory=list)

    @property
    def failed(self) -> bool:
        return any(found.level == "error" for found in self.findings)


def check(places: Iterable[Iterable[Subject]], *, run: bool) -> Report:
    """Each place is a group of plugins that would be loaded together, so that no two may have the same id."""
    report = Report()
    for place in places:
        stated: list[Stated] = []
        for subject in place:
            checked = check_subject(subject, run=run)
            report.findings += checked.findings
            report.ran += checked.ran
            report.unread += checked.unread
            report.plugins += [one.id for one in checked.ids] or [subject.name]
            report.findings += [] if subject.own else _builtin_clashes(checked.ids)
            stated += checked.ids
        report.findings += _clashes(stated)
    report.findings = sorted(set(report.findings))
    return report


def check_subject(subject: Subject, *, run: bool) -> Checked:
    checks: Mapping[str, Callable[[Subject], Checked]] = {
        "native": partial(check_native, run=run),
        "ring": check_rings,
        "toolbox": check_toolbox,
        "provider": check_provider,
        "factory": check_factory,
    }
    return checks[subject.dialect](subject)


def _builtin_clashes(ids: Iterable[Stated]) -> Iterator[Finding]:
    known = builtin_ids()
    for stated in ids:
        if stated.id in known:
            message = f"{stated.id!r} is the id of a plugin that comes with Jackfield"
            yield finding(stated.path, stated.line, "id-clash", message)


def _clashes(ids: Iterable[Stated]) -> Iterator[Finding]:
    first: dict[str, Stated] = {}
    for stated in ids:
        other = first.setdefault(stated.id, stated)
        if other is not stated:
            message = f"{stated.id!r} is also the id in {show_path(other.path)}:{other.line}"
            yield finding(stated.path, stated.line, "id-clash", message)
