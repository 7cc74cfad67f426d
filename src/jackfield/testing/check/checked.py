"""What the checks of one plugin, or of one manifest with several, brought to light."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from jackfield.testing.check.blocking import check_blocking
from jackfield.testing.check.cancellation import check_cancellation
from jackfield.testing.check.deadlines import check_deadlines
from jackfield.testing.check.findings import Finding
from jackfield.testing.check.hooks import check_hooks
from jackfield.testing.check.plugin_class import PluginFile


@dataclass(frozen=True)
class Stated:
    """An id, and where it is given."""

    id: str
    path: Path
    line: int


@dataclass(kw_only=True)
class Checked:
    """`ran` and `unread` are sentences for people: what was run and why, what could not be told without running."""

    findings: list[Finding] = field(default_factory=list)
    ids: list[Stated] = field(default_factory=list)
    ran: list[str] = field(default_factory=list)
    unread: list[str] = field(default_factory=list)

    def add(self, found: Iterable[Finding]) -> None:
        self.findings.extend(found)


def check_source(file: PluginFile) -> Iterable[Finding]:
    """What holds for every Python plugin that runs in the gateway's process."""
    yield from check_hooks(file)
    yield from check_blocking(file)
    yield from check_cancellation(file)
    yield from check_deadlines(file)
