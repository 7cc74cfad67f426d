"""The checks of a provider plugin over HTTP: its manifest. Its code runs elsewhere, and may wait as it likes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from jackfield.dialects.provider.document import Unreadable
from jackfield.dialects.provider.manifest import ProviderManifest, load_manifest, parse_text, read_manifest
from jackfield.dialects.provider.problems import Problem
from jackfield.errors import ManifestError
from jackfield.sdk.manifest import read_bounded
from jackfield.testing.check.checked import Checked, Stated
from jackfield.testing.check.documents import Document, read_document
from jackfield.testing.check.findings import Finding, finding
from jackfield.testing.check.refusals import Lines, Steps, line_of
from jackfield.testing.check.source import Source
from jackfield.testing.check.subjects import Subject

_INTERPRETERS = ("python", "node", "bun", "deno")


def check_provider(subject: Subject) -> Checked:
    checked = Checked()
    read = read_document(subject.told)
    if not isinstance(read, Document):
        checked.add([read])
        return checked
    try:
        manifest, problems = read_manifest(parse_text(read_bounded(subject.told), subject.told.name))
    except Unreadable as error:
        checked.add([finding(subject.told, error.line or 1, "manifest", error.message)])
        return checked
    checked.add(_tell(problems, subject.told, read.lines))
    if any(not problem.warning for problem in problems):
        return checked
    line = read.lines.get(("metadata", "provider_type"), 1)
    checked.ids.append(Stated(manifest.metadata.provider_type, subject.told, line))
    checked.add(_check_words(manifest, subject, read.lines))
    checked.add(_check_command(manifest, subject, read.lines))
    for path in subject.sources():
        source = Source.read(path)
        if not isinstance(source, Source):
            checked.add([source])
    return checked


def find_start(subject: Subject) -> tuple[Path, ProviderManifest] | None:
    """The folder that its command runs in, and the manifest; `None` where that is wrong."""
    try:
        return subject.told.resolve().parent, load_manifest(subject.told)[0]
    except ManifestError:
        return None


def _tell(problems: Iterable[Problem], path: Path, lines: Lines) -> Iterator[Finding]:
    for problem in problems:
        code = "manifest-doubt" if problem.warning else "manifest"
        yield finding(path, line_of(_steps(problem.field), lines), code, str(problem))


def _steps(field: str) -> Steps:
    return tuple(int(step) if step.isdecimal() else step for step in field.split("."))


def _check_words(manifest: ProviderManifest, subject: Subject, lines: Lines) -> Iterator[Finding]:
    if not manifest.metadata.description.strip():
        line = lines.get(("metadata",), 1)
        yield finding(subject.told, line, "description", "there is no metadata.description: operators choose by it")
    for index, setting in enumerate(manifest.metadata.config_schema):
        if not setting.description.strip():
            line = lines.get(("metadata", "config_schema", index), 1)
            yield finding(subject.told, line, "field-description", f"{setting.name} has no description")
    if not manifest.auto_start:
        line = lines.get(("auto_start",), 1)
        yield finding(subject.told, line, "not-started", "auto_start is not true: it waits until somebody starts it")


def _check_command(manifest: ProviderManifest, subject: Subject, lines: Lines) -> Iterator[Finding]:
    """The script that the command starts is in the folder."""
    if not manifest.command.rpartition("/")[2].startswith(_INTERPRETERS) or not manifest.args:
        return
    script = manifest.args[0]
    if not script.startswith("-") and not (subject.told.parent / script).is_file():
        yield finding(subject.told, lines.get(("args",), 1), "plugin-class", f"there is no {script} in the folder")
